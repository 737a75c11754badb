from itertools import product
from pathlib import Path

import pytest

from fbseg_core.analysis.paired import paired_difference
from fbseg_core.checkpoint import read_card
from fbseg_core.config import GroupingConfig, ShapesConfig
from fbseg_core.experiments.grouping_rows import CUT, FEEDBACK
from fbseg_core.experiments.records import Row, path_of, read
from fbseg_core.experiments.report import mean
from fbseg_core.experiments.transfer import EXPERIMENT, conditions, run_of
from fbseg_core.experiments.transfer_rows import (
    ALIKE,
    BESIDE,
    CHECKPOINTS,
    DEEP,
    LONG,
    PLAIN,
    RANGE,
    RANGED,
    RETRAINED,
    SHIPPED,
    STEPS,
    TRAINED,
    compare,
    file_of,
    grown,
    leads,
    marked,
    model,
    run_on,
)
from fbseg_core.experiments.transfer_told import _over_all
from fbseg_core.tasks import make_batch


@pytest.mark.parametrize("source", [SHIPPED, RETRAINED])
def test_each_condition_is_of_other_images_that_can_be_drawn(source):
    task = GroupingConfig() if source == SHIPPED else GroupingConfig(side=24)
    found = conditions(task, source)
    assert found[TRAINED] == task and len(set(found.values())) == len(found)
    for one in found.values():
        if one.side <= 64:
            assert len(make_batch(one, 1, 0)) == 1
    long = {name: one.winding * one.side for name, one in found.items() if name.startswith("ways")}
    shortest = task.winding * task.side
    assert long == {"ways of 1.5 sides": 2 * shortest, "ways of 2.25 sides": 3 * shortest}  # in px
    assert {one.regions for one in found.values()} == {"blobs", "curves", "maze"}
    assert source == RETRAINED or set(LONG["grouping"]) <= set(found)
    assert source == SHIPPED or {found[name].side for name in ("curves", "thin curves", "maze")} == {32}
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


def test_models_trained_like_the_checkpoints_differ_from_them_in_their_seed_alone():
    cells = [cell for cell in EXPERIMENT.cells("full") if cell["source"] == ALIKE]
    made = [(cell["model"], cell["range"], cell["seed"]) for cell in cells]
    assert set(made) == set(product((FEEDBACK, PLAIN), (1.0, RANGE), range(1, 9))) and len(made) == 32
    for cell in cells:
        card = read_card(file_of("shapes", cell["model"], cell["range"]))
        task, run = run_of(cell)
        assert (task, run.model) == (card.task, card.model) and card.train.seed == 0
        assert run.train == card.train.replace(seed=cell["seed"])
    found = conditions(task, ALIKE)
    assert found.pop(TRAINED) == task and {one.replace(sigma=task.sigma) for one in found.values()} == {task}


WAYS = ("ways of 1.5 sides", "ways of 2.25 sides")  # twice and three times as long as in training


def rows(seeds=8, later=0.0, slowed=0.0, grows=0.0, **gains):
    """Rows in which feedback has F1 0.7 and a feedforward model the gain of "source_task" less, at 64 px
    `grows` less still; feedback gains `later` past T, and `slowed` from a slow clock. A range of σ: +0.1."""
    found = []
    for cell in EXPERIMENT.cells("full"):
        task = GroupingConfig(side=24) if cell["task"] == "grouping" else ShapesConfig(side=32, sigma=0.5)
        loop = cell["model"] == FEEDBACK
        gain = 0.0 if loop else gains.get(f"{cell['source']}_{cell['task']}", 0.0)
        f1 = 0.7 - gain + 0.01 * (cell["seed"] % 3) + (0.1 if cell["range"] > 1 else 0.0)
        at = dict.fromkeys(conditions(task, cell["source"]), f1)
        if "64 px" in at and not loop:
            at["64 px"] -= grows
        there = [name for name in LONG[cell["task"]] if name in at and loop]
        clocks = {"as trained": [f1 + later] * 4, "slowed": [f1 + later + slowed] * 4}
        result = {"at": at, "trivial": dict.fromkeys(at, 0.5), "long": dict.fromkeys(there, clocks)}
        if cell["seed"] % 8 < seeds:
            found.append(Row(cell, result, 1.0, ""))
    return found


@pytest.fixture(scope="module")
def told():
    """What is concluded where feedback leads on grouping with the checkpoints alone, and trails else."""
    return EXPERIMENT.conclude(rows(shipped_grouping=0.1, retrained_grouping=-0.1, shipped_shapes=-0.1))


def test_sources_are_kept_apart_and_what_is_over_seeds_comes_first(told):
    where = len(conditions(GroupingConfig(side=24), RETRAINED)) - 1
    assert told.word == "measured"
    assert f"leads in 0 of {where} changed conditions of grouping (behind in {where})" in told.brief
    assert f"different in {where} of {where}; checkpoints, different as trained, in 16 of 16." in told.because


def test_of_shapes_under_other_noise_the_seeds_of_the_checkpoints_like_are_told_beside_them():
    found = EXPERIMENT.conclude(rows(**{f"{ALIKE}_shapes": -0.1, "shipped_shapes": 0.1}))
    told = found.because.split("trained like checkpoints, feedback − feedforward: ")[1].split("; ")
    assert [part[:14] for part in told[:2]] == ["σ × 0.15 −0.10", "σ × 2 −0.10, d"]
    assert told[2].startswith("the checkpoints +0.10 and +0.10.")
    assert found.brief.endswith("in 0 of 7 of shapes (64 px: behind in 5 of 5).")
    assert "(64 px, 600 updates) with 8 seeds that are not theirs" in found.details
    small = [row for row in rows(shipped_shapes=0.1) if row.settings["source"] != ALIKE]
    assert (
        "Shapes at σ × 0.15, feedback − feedforward: trained anew 0.00, equal"
        in EXPERIMENT.conclude(small).because
    )


def test_without_models_trained_anew_the_checkpoints_are_told():
    kept = [row for row in rows(shipped_grouping=0.1) if row.settings["source"] == SHIPPED]
    led = "in 16 of 16 changed conditions of grouping, as on its own images, in 0 of 8 of shapes"
    assert EXPERIMENT.conclude(kept).brief == f"Feedback leads {led}."


def test_a_range_of_noise_in_training_is_told_by_what_it_changes(told):
    assert "less at one σ: σ × 2 +0.10" in told.because and "; as trained +0.10" in told.because
    assert told.because.endswith("; then it − feedforward equal within margin in 6.")
    for asked in (8, 6):  # conditions of models trained anew, and of those like checkpoints
        assert f"up and down), feedback − feedforward: equal within margin in {asked}." in told.details
    gain = "that mean with a range of σ in training less with one σ: feedback +0.10 [+0.10, +0.10], feedf"
    assert told.details.count(gain) == 2  # of checkpoints, and of models trained anew
    for files in CHECKPOINTS.values():
        assert {read_card(file).train.sigma_range for file in files.values()} == {1.0}
    plain, ranged = (read_card(files[FEEDBACK]) for files in (CHECKPOINTS["shapes"], RANGED))
    assert ranged.train == plain.train.replace(sigma_range=RANGE)
    assert (ranged.task, ranged.model) == (plain.task, plain.model)


def test_the_checkpoint_that_carries_best_is_named_with_its_lead(told):
    assert "grouping-feedback (0.71, less " in told.details
    assert "shapes-feedforward-range (0.91, less " in told.details


def test_what_grows_with_the_change_is_told_apart_from_what_was_there():
    found = rows(shipped_grouping=0.1, grows=0.2)
    assert [name for name, one in grown(found, SHIPPED, "grouping").items() if one.different] == ["64 px"]
    assert all(one.different for one in leads(found, SHIPPED, "grouping").values())


def test_steps_past_t_and_the_clock_are_told_one_by_one():
    found = run_on(rows(later=0.1, slowed=-0.05, shipped_grouping=0.1), SHIPPED)
    means = [round(each["grouping", "96 px"].difference.mean, 3) for each in found.values()]
    assert means == [0.1, 0.2, -0.05, -0.05] and len({tuple(each) for each in found.values()}) == 1
    assert ("grouping", "128 px") not in run_on(rows(), RETRAINED)["after 60 steps less after T"]


def test_where_nothing_differs_that_is_said_as_what_it_is():
    level = rows()
    found = compare(level, SHIPPED, "grouping", model(FEEDBACK), model(DEEP))
    assert {one.answer for one in found.values()} == {"equal within margin"}
    few = compare(rows(seeds=2), SHIPPED, "grouping", model(FEEDBACK), model(DEEP))
    assert {one.answer for one in few.values()} == {"not told apart"}


def test_the_table_has_a_line_for_each_condition_sides_in_their_order():
    lines = EXPERIMENT.table(rows())
    images = [line["feedback − feedforward"] for line in lines]
    assert images[:6] == [TRAINED, "32 px", "48 px", "64 px", "96 px", "128 px"] and len(set(images)) == 18
    assert lines[2]["shapes, checkpoints, over images"] == "–"
    assert lines[2]["shapes, trained anew, over seeds"] == "0.00, equal within margin"


def test_charts_keep_images_and_seeds_apart_and_the_baseline_beside_them():
    charts = {chart.title: chart for chart in EXPERIMENT.panels(rows())}
    assert len(charts) == 13
    grouping = charts["images: grouping, checkpoints, over images"].series
    assert grouping[-1].name == "mark every region" and grouping[-1].kind == "trivial"
    shapes = charts["noise: shapes, trained anew, over seeds"].series
    assert [line.name for line in shapes][1] == "feedback, trained over a range of σ"
    assert shapes[0].x == (0.0, 0.15, 0.5, 1.0, 1.5, 2.0)
    lines = charts["past T, clock slowed: feedback, trained anew, over seeds"].series
    assert {line.x for line in lines} == {STEPS} and len(lines) == 4
    assert max(len(line.x) for chart in charts.values() for line in chart.series) <= 12  # each has its bar


def test_the_readme_says_what_the_rows_say():
    found = read(path_of("transfer", "full"))[1]
    text = " ".join((Path(__file__).resolve().parents[3] / "README.md").read_text().split())
    (anew, shapes), (checkpoints, noisy) = (
        [leads(found, source, task) for task in BESIDE] for source in (RETRAINED, SHIPPED)
    )
    means = {name: one.difference.mean for name, one in anew.items()}
    own = means.pop(TRAINED)
    assert all(one.answer == "different" for one in anew.values())
    assert (
        f"in all of {len(means)} conditions of changed grouping images, by {min(means.values()):+.2f} to "
        f"{max(means.values()):+.2f}, but by {own:+.2f} on its own"
    ) in text
    assert checkpoints[TRAINED].answer == "equal within margin" and "equal within margin on theirs" in text
    assert [name for name, one in checkpoints.items() if one.different] == ["maze"]
    alike, ends = leads(found, ALIKE, "shapes"), ("σ × 0.15", "σ × 2")
    assert all(noisy[name].answer == "different" for name in ends) and not any(map(_ahead, shapes.values()))
    one_seed = [-noisy[name].difference.mean for name in ends]
    assert "by {:.2f} at 0.15 σ and {:.2f} at 2 σ".format(*one_seed) in text
    assert [name for name, one in alike.items() if one.different] == ["σ × 1.5", "σ × 2"]
    assert alike["σ × 0.15"].answer == "not told apart" and alike[TRAINED].answer == "equal within margin"
    behind = [-alike[name].difference.mean for name in ("σ × 1.5", "σ × 2")]
    assert "by {:.2f} at 1.5 σ and {:.2f} at 2 σ".format(*behind) in text
    assert f"told apart at 0.15 σ (−{-alike['σ × 0.15'].difference.mean:.2f})" in text
    ranged = [compare(found, ALIKE, "shapes", model(one, RANGE), model(one)) for one in (FEEDBACK, PLAIN)]
    assert all(one["σ × 2"].answer == one[TRAINED].answer == "different" for one in ranged)
    twice = [f"{one['σ × 2'].difference.mean:.2f}" for one in ranged]
    assert f"at twice their noise, feedback by {twice[0]} and feedforward by {twice[1]}," in text
    lost = [f"{-one[TRAINED].difference.mean:.2f}" for one in ranged]
    assert f"for {lost[0]} and {lost[1]} less F1 at it" in text
    longer, ahead, soon, late = run_on(found, SHIPPED).values()
    far, own = ("grouping", "96 px"), ("grouping", TRAINED)
    assert {longer[far].answer, ahead[far].answer, late[own].answer} == {"different"}
    assert (
        f"gains {longer[far].difference.mean:.2f} between steps 10 and 60, and leads by "
        f"{ahead[far].difference.mean:.2f} then. A clock"
    ) in text
    slow = [*soon.values(), *late.values()]
    slow += [one for each in list(run_on(found, RETRAINED).values())[2:] for one in each.values()]
    assert not any(one.different and one.difference.mean > 0 for one in slow)
    assert f"takes {-late[own].difference.mean:.2f} at step 60 of its own images" in text
    for source in (ALIKE, RETRAINED):
        level = compare(found, source, "shapes", model(FEEDBACK, RANGE), model(PLAIN, RANGE))
        assert {one.answer for one in level.values()} == {"equal within margin"}
    far = {n: mean(found, ("at", n), source=RETRAINED, task="grouping", **model(FEEDBACK)).mean for n in WAYS}
    above = marked(found, RETRAINED)
    beyond = [above[name] for name in WAYS]
    assert all(map(_ahead, beyond))
    told = [*far.values(), *(one.difference.mean for one in beyond)]
    assert (
        "as long F1 is {:.2f} and {:.2f}, {:.2f} and {:.2f} above marking every region".format(*told) in text
    )


def _ahead(one):
    return one.different and one.difference.mean > 0


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
    assert set(EXPERIMENT.checkpoints) == {
        f for files in (*CHECKPOINTS.values(), RANGED) for f in files.values()
    }
    assert all(BESIDE[task] in models for task, models in CHECKPOINTS.items())


def _tested(cell):
    if cell["source"] == SHIPPED:
        return ShapesConfig(sigma=1.0), SHIPPED
    return run_of(cell)[0], RETRAINED


def test_the_readme_says_of_the_checkpoints_over_a_range_what_their_rows_say():
    found = read(path_of("transfer", "full"))[1]
    text = " ".join((Path(__file__).resolve().parents[3] / "README.md").read_text().split())
    ranged, plain = (
        [
            mean(found, ("at", name), source=SHIPPED, task="shapes", **model(FEEDBACK, spread)).mean
            for name in ("σ × 0.15", TRAINED, "σ × 2")
        ]
        for spread in (RANGE, 1.0)
    )
    assert "has {:.2f} at 0.15 σ, {:.2f} as trained and {:.2f} at 2 σ".format(*ranged) in text
    assert "`shapes-feedback` has {:.2f}, {:.2f} and {:.2f};".format(*plain) in text
    means = {name: _over_all(found, SHIPPED, "shapes", name, RANGE) for name in (FEEDBACK, PLAIN)}
    between = paired_difference(means[FEEDBACK], means[PLAIN])
    assert not between.called and min(map(sum, means.values())) > max(
        sum(_over_all(found, SHIPPED, "shapes", name)) for name in (FEEDBACK, PLAIN)
    )
