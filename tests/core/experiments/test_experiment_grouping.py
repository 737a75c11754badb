import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fbseg_core.analysis.cost import cost
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.experiments.grouping import EXPERIMENT, model_of, run_of
from fbseg_core.experiments.grouping_rows import (
    CUT,
    FEEDBACK,
    MODELS,
    PLAIN,
    RIVAL,
    SMALL,
    UNROLLED,
    WEIGHTS,
    Compare,
)
from fbseg_core.experiments.records import Row, path_of, read
from fbseg_core.experiments.report import mean
from fbseg_core.models.registry import build, count_weights

X = torch.zeros(1, 2, 24, 24)
LOOPED = model_of(FEEDBACK, 6)


def macs(config):
    model = build(config)
    return cost(model, X).run_macs(model.steps)


def test_all_are_trained_alike_and_differ_in_what_their_names_say():
    runs = {cell["model"]: run_of(cell) for cell in EXPERIMENT.cells("full") if cell["seed"] == 3}
    assert set(runs) == set(MODELS) and len({run_of(c).train.replace(updates=1) for c in two_seeds()}) == 2
    assert runs[CUT].model == LOOPED.replace(kind="loop_cut")
    assert runs[UNROLLED].model == LOOPED.replace(kind="unrolled")
    for name, (depth, width) in PLAIN.items():
        assert runs[name].model == LOOPED.replace(kind="feedforward", depth=depth, width=width)
    assert not any(run.train.examples or run.train.loss_from for run in runs.values())


def two_seeds():
    return [cell for cell in EXPERIMENT.cells("full") if cell["seed"] in (3, 4)]


@pytest.mark.parametrize("name", PLAIN)
def test_no_other_width_comes_nearer_to_the_feedback_model(name):
    measured = count_weights if name in SMALL else macs
    goal, config = measured(LOOPED), model_of(name, 6)
    near = [config.replace(width=w) for w in (config.width - 1, config.width, config.width + 1) if w]
    off = [abs(math.log(measured(each) / goal)) for each in near]
    assert min(off) == off[near.index(config)] < 0.1


def test_the_rival_sees_as_far_as_the_loop_and_depth_one_as_far_as_one_step():
    assert receptive_field(LOOPED) == receptive_field(model_of(UNROLLED, 6)) == 98
    assert receptive_field(model_of(RIVAL, 6)) == 100
    assert receptive_field(LOOPED, 1) == receptive_field(model_of(CUT, 6)) == 18


def rows(seeds=8, models=MODELS, spread=0.002, **scores):
    """Rows of every model with pooled F1 0.7 or as given, by the first word of its name or two."""
    found, rng = [], np.random.default_rng(1)
    for name in models:
        key = name.replace(", ", "_").replace(" ", "_").replace("-", "_")
        f1 = scores.get(key, scores.get(key.split("_")[0], 0.7))
        for seed in range(seeds):
            value = f1 + spread * rng.standard_normal()
            result = {
                "f1": value, "trivial": 0.7, "chance": 0.42, "weights": 100, "macs": 1.5, "field": 18,
            }  # fmt: skip
            settings = {"model": name, "seed": seed, "side": 24, "updates": 400}
            found.append(Row(settings, result, 2.0, ""))
    return found


@pytest.mark.parametrize(
    ("word", "scores"),
    [
        ("reproduced", {"feedback": 0.95}),
        ("not reproduced", {}),
        ("not reproduced", {"feedback": 0.9, "loop": 0.95}),
        ("partly", {"feedback": 0.95, "depth_3_equal_multiply_adds": 0.955}),
        ("partly", {"feedback": 0.95, "unrolled": 0.945}),
        ("explained by a wide view", {"feedback": 0.95, "depth_3_equal_weights": 0.945}),
        ("explained by a wide view", {"feedback": 0.95, "depth_4_equal_weights": 0.99}),
    ],
)
def test_each_word_has_its_rows(word, scores):
    assert EXPERIMENT.conclude(rows(**scores)).verdict == word


def test_what_cannot_be_told_is_neither_behind_nor_level():
    noisy = rows(feedback=0.9, depth_4_equal_weights=0.89, spread=0.08)
    answer = Compare.of(noisy).against[SMALL[3]].answer
    assert answer == "not told apart" and EXPERIMENT.conclude(noisy).word in ("partly", "undecided")


def test_too_few_seeds_decide_nothing_and_fewer_models_are_enough():
    few = rows(seeds=2, models=(FEEDBACK, CUT, SMALL[0]), feedback=0.95)
    assert EXPERIMENT.conclude(few).word == "undecided"
    assert len(EXPERIMENT.panels(few)) == 2 and len(EXPERIMENT.table(few)) == 5


def test_the_sentence_names_what_is_level_and_what_it_takes():
    found = EXPERIMENT.conclude(rows(feedback=0.95, depth_3_equal_multiply_adds=0.955))
    assert "Level with feedback without a loop: depth 3, equal multiply-adds." in found.because
    assert "1.0 times the weights" in found.details and "marking every region" in found.details
    assert "none of those tried" in EXPERIMENT.conclude(rows(feedback=0.95)).because


def test_other_budgets_are_shown_and_enter_no_verdict():
    main = rows(feedback=0.95)
    more = [
        Row(row.settings | {"updates": n}, row.result | {"f1": 0.1}, 1.0, "")
        for n in (200, 800)
        for row in main
        if row.settings["model"] in (FEEDBACK, RIVAL)
    ]
    beside, alone = EXPERIMENT.conclude(main + more), EXPERIMENT.conclude(main)
    assert (beside.verdict, beside.brief, beside.because) == (alone.verdict, alone.brief, alone.because)
    assert list(beside.points[:-1]) == alone.points and "200 updates, feedback 0.10" in str(beside.points[-1])
    assert "400 updates were chosen" in str(beside.points[-1])
    assert EXPERIMENT.panels(main + more)[-1].series[0].x == (200, 400, 800)
    assert {cell["updates"] for cell in EXPERIMENT.cells("full")} == {200, 400, 800}


def test_the_table_has_a_line_a_model_and_the_two_baselines():
    lines = EXPERIMENT.table(rows(feedback=0.95))
    assert [line["model"] for line in lines] == [*MODELS, "mark every region", "chance"]
    assert lines[1]["feedback − it"].endswith("different") and lines[-2]["F1"] == "0.70"
    assert len({tuple(line) for line in lines}) == 1


def test_a_cell_says_what_its_model_takes():
    cell = EXPERIMENT.cells("tiny")[0]
    result = EXPERIMENT.measure(cell)
    assert cell["model"] == FEEDBACK and result["weights"] == count_weights(model_of(FEEDBACK, 2))
    assert len(result["counts"]["f1"]["tp"]) == cell["images"] and result["updates"] == cell["updates"]
    assert result["chance"] < result["trivial"] < 1 and WEIGHTS in SMALL[0]


@pytest.mark.skipif(not path_of("grouping", "full").exists(), reason="not measured yet")
def test_the_shipped_loop_does_more_than_mark_every_region_and_its_cut_hardly_does():
    found = Compare.of(read(path_of("grouping", "full"))[1])
    assert found.ahead(CUT)


def test_the_readme_says_of_the_budgets_what_their_rows_say():
    found = read(path_of("grouping", "full"))[1]
    text = " ".join((Path(__file__).resolve().parents[3] / "README.md").read_text().split())
    compare = Compare.of(found)
    assert f"at 24 px and 400 updates, the loop adds {compare.against[CUT].difference.mean:.2f}" in text
    assert not any(compare.level(name) for name in PLAIN) and compare.level(UNROLLED)
    rival, loop = (mean(found, "f1", model=name, updates=800) for name in (RIVAL, FEEDBACK))
    assert rival.k == loop.k == 3
    assert f"has {rival.mean:.2f}, and feedback {loop.mean:.2f} (3 seeds, looked at afterwards)" in text
