import pytest

from fbseg_core.config import GroupingConfig, ShapesConfig
from fbseg_core.experiments.grouping_rows import CUT, FEEDBACK
from fbseg_core.experiments.records import Row
from fbseg_core.experiments.transfer import EXPERIMENT, conditions, run_of
from fbseg_core.experiments.transfer_rows import (
    BESIDE,
    CHECKPOINTS,
    DEEP,
    LONG,
    PLAIN,
    RANGE,
    RETRAINED,
    SHIPPED,
    STEPS,
    TRAINED,
    compare,
)
from fbseg_core.tasks import make_batch


@pytest.mark.parametrize("source", [SHIPPED, RETRAINED])
def test_each_condition_is_of_other_images_that_can_be_drawn(source):
    task = GroupingConfig() if source == SHIPPED else GroupingConfig(side=24)
    found = conditions(task, source)
    assert found[TRAINED] == task and len(set(found.values())) == len(found)
    for one in found.values():
        if one.side <= 64:
            assert len(make_batch(one, 1, 0)) == 1
    assert {one.regions for one in found.values()} == {"blobs", "curves", "maze"}
    assert set(LONG["grouping"]) <= set(found)
    assert {one.sigma for one in found.values()} >= {0.0, 2 * task.sigma}


def test_shapes_are_shifted_in_size_and_noise_alone():
    found = conditions(ShapesConfig(sigma=1.0), SHIPPED)
    assert {one.side for one in found.values()} == {32, 64, 96, 128}
    assert {one.sigma for one in found.values()} == {0.0, 0.15, 0.5, 1.0, 1.5, 2.0}


def test_models_of_one_task_are_trained_alike_and_a_range_changes_the_noise_alone():
    runs = {}
    for cell in EXPERIMENT.cells("full"):
        if cell["source"] == RETRAINED and cell["seed"] == 0:
            runs[cell["task"], cell["model"], cell["range"]] = run_of(cell)
    assert set(runs) == {
        ("grouping", FEEDBACK, 1.0), ("grouping", CUT, 1.0), ("grouping", DEEP, 1.0),
        *(("shapes", model, spread) for model in (FEEDBACK, PLAIN) for spread in (1.0, RANGE)),
    }  # fmt: skip
    for (task, _, spread), (images, run) in runs.items():
        first_images, first = runs[task, FEEDBACK, 1.0]
        assert images == first_images and run.train.replace(sigma_range=1.0) == first.train
        assert run.train.sigma_range == spread
    assert runs["shapes", FEEDBACK, 1.0][0].paper_sigma == 8
    assert runs["shapes", FEEDBACK, 1.0][1].model.replace(kind=PLAIN) == runs["shapes", PLAIN, 1.0][1].model


def rows(seeds=8, **gains):
    """Rows in which feedback has F1 0.8 and a model without a loop 0.8 less the gain of "source_task"."""
    found = []
    for cell in EXPERIMENT.cells("full"):
        task = GroupingConfig(side=24) if cell["task"] == "grouping" else ShapesConfig(side=32, sigma=0.5)
        gain = gains.get(f"{cell['source']}_{cell['task']}", 0.0)
        if cell["range"] > 1:
            gain = 0.0 if cell["model"] == FEEDBACK else -0.1
        f1 = 0.8 - (gain if cell["model"] != FEEDBACK else 0) + 0.01 * (cell["seed"] % 3)
        if cell["range"] > 1:
            f1 += 0.1
        names = conditions(task, cell["source"])
        long = {name: {clock: [f1] * 4 for clock in ("as trained", "slowed")} for name in LONG[cell["task"]]}
        result = {"at": dict.fromkeys(names, f1), "trivial": dict.fromkeys(names, 0.7), "long": long}
        if cell["seed"] < seeds:
            found.append(Row(cell, result, 1.0, ""))
    return found


def test_sources_are_kept_apart_and_each_difference_is_told():
    found = EXPERIMENT.conclude(rows(shipped_grouping=0.1, retrained_grouping=-0.1))
    assert found.word == "measured"
    assert "Grouping, shipped (one seed, intervals over images), feedback − " in found.details
    assert "as trained +0.10" in found.details and "as trained −0.10" in found.details
    where = len(conditions(GroupingConfig(side=24), RETRAINED))
    assert f"ahead in 0, behind in {where} of {where} on grouping" in found.brief  # what is over seeds
    alone = EXPERIMENT.conclude(
        [row for row in rows(shipped_grouping=0.1) if row.settings["source"] == SHIPPED]
    )
    assert "ahead in 16, behind in 0 of 16 on grouping" in alone.brief
    assert "trained over a range of σ − at one σ: as trained +0.10" in found.details
    assert "highest mean over the shifted conditions: grouping-feedback (0.8" in found.details


def test_where_nothing_differs_that_is_said_as_what_it_is():
    level = rows()
    found = compare(level, SHIPPED, "grouping", {"model": FEEDBACK}, {"model": DEEP})
    assert {one.answer for one in found.values()} == {"equal within margin"}
    assert "equal within margin in " in EXPERIMENT.conclude(level).details
    few = EXPERIMENT.conclude(rows(seeds=2)).details
    assert "not told apart in " in few


def test_charts_keep_images_and_seeds_apart_and_the_baseline_beside_them():
    charts = EXPERIMENT.panels(rows())
    titles = [chart.title for chart in charts]
    assert titles[:4] == [
        "grouping, shipped: intervals over images", "shapes, shipped: intervals over images",
        "grouping, retrained: intervals over seeds", "shapes, retrained: intervals over seeds",
    ]  # fmt: skip
    assert charts[0].series[-1].name == "mark every region" and charts[0].series[-1].kind == "trivial"
    assert [line.name for line in charts[3].series][1] == "feedback, trained over a range of σ"
    assert charts[4].series[0].x == STEPS


@pytest.mark.slow
def test_a_cell_of_a_checkpoint_and_one_of_a_training():
    shipped, anew = (
        next(c for c in EXPERIMENT.cells("tiny") if c["source"] == source and c["task"] == "shapes")
        for source in (SHIPPED, RETRAINED)
    )
    for cell in (shipped, anew):
        result = EXPERIMENT.measure(cell)
        assert set(result["at"]) == set(conditions(*_tested(cell))) and not result["trivial"]
        assert [len(curve) for curve in result["long"][TRAINED].values()] == [len(STEPS)] * 2
    assert set(EXPERIMENT.checkpoints) == {f for files in CHECKPOINTS.values() for f in files.values()}
    assert all(BESIDE[task] in models for task, models in CHECKPOINTS.items())


def _tested(cell):
    if cell["source"] == SHIPPED:
        return ShapesConfig(sigma=1.0), SHIPPED
    return run_of(cell)[0], RETRAINED
