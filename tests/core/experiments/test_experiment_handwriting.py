"""What models of few real digits differ in, how a mask is scored, and what rows of known numbers come to."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.experiments.handwriting import EXPERIMENT, Images, examples_of, model_of, pooled, run_of
from fbseg_core.experiments.handwriting_rows import (
    CUT,
    FEEDBACK,
    LEVELS,
    MODELS,
    RIVALS,
    SAME,
    TARGETS,
    VISIBLE,
    WHOLE,
    WIDE,
    ahead,
    at,
    compared,
    hidden,
    learned,
)
from fbseg_core.experiments.records import Row, path_of, read
from fbseg_core.experiments.report import mean, words
from fbseg_core.experiments.thresholds import MARGIN
from fbseg_core.models.registry import build, count_weights

FULL = EXPERIMENT.cells("full")
TASK = run_of(next(cell for cell in FULL if cell["target"] == VISIBLE))[0]
MOST = max(cell["examples"] for cell in FULL)


def test_all_learn_from_the_same_images_for_as_many_updates():
    for n, target, seed in {(cell["examples"], cell["target"], cell["seed"]) for cell in FULL}:
        same = {"examples": n, "target": target, "seed": seed}
        runs = [run_of(cell) for cell in FULL if same.items() <= cell.items()]
        assert [run.name for _, run in runs] == list(MODELS)
        assert len({(task, run.train) for task, run in runs}) == 1
        task, run = runs[0]
        assert (run.train.examples, run.train.seed, task.target) == (n, seed, target)
        assert not run.train.flips  # of a digit that is mirrored
    assert {cell["examples"] for cell in FULL if cell["target"] == WHOLE} == {MOST}


def test_models_differ_in_what_their_names_say():
    loop = model_of(FEEDBACK)
    assert model_of(CUT) == loop.replace(kind="loop_cut")
    assert model_of(SAME) == loop.replace(kind="feedforward")
    assert 0.9 < count_weights(model_of(SAME)) / count_weights(loop) < 1
    whole = 2 * 32 - 1  # px, to see all of the canvas from all of it
    assert receptive_field(model_of(CUT)) == receptive_field(model_of(SAME)) == 18
    assert receptive_field(loop) >= whole and receptive_field(model_of(WIDE)) >= whole


def test_both_targets_show_the_same_images_and_hidden_ink_is_what_differs():
    one, other = (Images.of(TASK.replace(target=target), 16, 7) for target in TARGETS)
    assert torch.equal(one.batch.x, other.batch.x)
    assert torch.equal(one.batch.labels, other.seen) and torch.equal(other.batch.labels, one.whole)
    shown = one.seen > 0
    assert torch.equal(one.seen[shown], one.whole[shown])
    assert one.scores(one.whole)["hidden"] == 1 and one.scores(one.seen)["hidden"] == 0
    assert 0 < (one.whole != one.seen).float().mean() < 0.1


def test_a_mask_is_scored_by_the_pixels_of_all_digits_and_by_the_mean_of_the_ten():
    test = Images.of(TASK, 40, 7)
    right = test.scores(test.seen)
    assert right["f1"] == right["f1_classes"] == right["seen"] == 1
    wrong = torch.where(test.seen > 0, test.seen % 10 + 1, 0)  # each is named as the next
    assert test.scores(wrong)["f1"] == 0
    ones = torch.where(test.seen == 1, 1, 0)  # one digit is named, and right
    share = float((test.seen == 1).sum() / (test.seen > 0).sum())
    assert test.scores(ones)["f1"] == pytest.approx(2 * share / (1 + share), abs=1e-4)
    assert test.scores(ones)["f1_classes"] == pytest.approx(0.1)
    tp, fp, fn = pooled(wrong, test.seen).T
    assert tp.sum() == 0 and torch.equal(fp, fn) and torch.equal(fn, (test.seen > 0).sum((1, 2)))


def test_levels_are_the_best_answers_that_recognise_nothing():
    test = Images.of(TASK, 40, 7)
    pixels = torch.bincount(test.seen.flatten(), minlength=11).double()
    ink, most = float(pixels[1:].sum()), float(pixels[1:].max())
    found = test.levels()["f1"]
    assert found["trivial"] == 0
    assert found["chance"] == pytest.approx(2 * most / (ink + float(pixels.sum())), abs=1e-4)
    assert found["one_name"] == pytest.approx(most / ink, abs=1e-4)


def test_the_images_learned_from_are_drawn_from_other_digits_than_those_of_the_test():
    cell = FULL[0]
    task, run = run_of(cell)
    learned_from = examples_of(task, run, 5)
    assert len(learned_from) == cell["examples"]
    tested = Images.of(task, 8, 5).batch
    assert not set(learned_from.info["source"].flatten().tolist()) & set(
        tested.info["source"].flatten().tolist()
    )


def rows(seeds=8, spread=0.002, least=4, extra=0.0, **leads):
    """F1 of feedback 0.5, and of each rival less by its lead: a number, or one for each number of examples.

    extra: what the lead over the loop cut grows by with whole digits. Below `least` examples all score 0.1.
    """
    found, rng = [], np.random.default_rng(1)
    asked = [(n, VISIBLE) for n in (4, 16, 64)] + [(64, WHOLE)]
    for (i, (n, target)), name, seed in product(enumerate(asked), MODELS, range(seeds)):
        lead = leads.get(name.replace(" ", "_"), 0.0)
        lead = lead if isinstance(lead, float) else lead[min(i, 2)]
        lead += extra * (name == CUT and target == WHOLE)
        f1 = (0.5 if n >= least else 0.1) - lead + spread * rng.standard_normal()
        levels = {"trivial": 0.0, "chance": 0.04, "one_name": 0.15}
        scores = dict.fromkeys(("f1", "f1_classes", "hidden", "seen"), f1)
        result = {
            **scores, "levels": {score: levels for score in scores}, "fitted": 0.9, "updates": 300,
            "weights": 9, "macs": 1.0, "field": 18,
        }  # fmt: skip
        found.append(
            Row({"model": name, "examples": n, "target": target, "seed": seed}, result, 2.0 + seed, "")
        )
    return found


ALL = {"loop_cut": 0.1, "equal_weights": 0.1, "equal_view": 0.1}
SAME_NETWORK = {"loop_cut": 0.1, "equal_weights": 0.1}


@pytest.mark.parametrize(
    ("verdict", "brief", "made"),
    [
        ("reproduced", "every model without a loop with n = 4, 16 and 64.", ALL),
        ("reproduced", "with n = 64.", ALL | {"least": 64}),
        ("explained by a deeper network", "a deeper one", SAME_NETWORK),
        ("explained by a deeper network", "a deeper one", SAME_NETWORK | {"equal_view": -0.1}),
        ("partly", "ahead of its loop cut (n = 4), of no other.", {"loop_cut": (0.1, 0.0, 0.0)}),
        ("partly", "of its loop cut (n = 4, 16); behind a deeper network (n = 64).",
         {"loop_cut": (0.1, 0.1, 0.0), "equal_view": (0.0, 0.0, -0.1)}),
        ("not reproduced", "at most 0.02 F1 behind feedback.", {}),
        ("not reproduced", "of none, and behind its loop cut (n = 16).", {"loop_cut": (0.0, -0.1, 0.0)}),
        ("undecided", "do not tell whether", {"spread": 0.2}),
        ("undecided", "No model is known", {"least": 100}),
        ("undecided", "No model is known", ALL | {"seeds": 2}),  # no interval, so nothing is known
    ],
)  # fmt: skip
def test_each_word_has_its_rows(verdict, brief, made):
    found = EXPERIMENT.conclude(rows(**made))
    assert found.verdict == verdict and brief in found.brief
    assert len(found.brief) <= 130 and "[" not in found.brief
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z])", found.because)
    assert len(sentences) == 3 and all(len(sentence) <= 200 for sentence in sentences)


def test_what_cannot_be_told_is_said_so_and_numbers_with_which_nothing_is_learned_are_named():
    wide = EXPERIMENT.conclude(rows(spread=0.2))
    assert "not told apart" in wide.because and "none is known" not in wide.because
    found = rows(least=64)
    assert [learned(found, n) for n in (4, 16, 64)] == [False, False, True]
    assert "with n = 4 or 16 none is known to tell digits." in EXPERIMENT.conclude(found).because


def test_who_marks_all_ink_but_tells_no_digits_has_learned_nothing():
    found = rows()
    for row in found:
        row.result["levels"] = {
            score: {"trivial": 0.0, "chance": 0.04, "one_name": 0.6} for score in row.result["levels"]
        }
    assert not any(learned(found, n) for n in (4, 16, 64))


def test_whether_the_loop_helps_more_where_ink_is_hidden_is_a_difference_of_differences():
    apart = hidden(rows(loop_cut=0.1, extra=0.05))
    assert apart["whole", CUT].difference.mean == pytest.approx(0.15, abs=0.005)
    assert apart["more", CUT].difference.mean == pytest.approx(0.05, abs=0.005)
    assert apart["more", CUT].different and not apart["more", SAME].different
    assert len(apart) == 9 and len(compared(rows())) == 9
    assert "changes by +0.05" in EXPERIMENT.conclude(rows(loop_cut=0.1, extra=0.05)).because
    assert "equal within margin" in EXPERIMENT.conclude(rows(loop_cut=0.1)).because.split("whole digit")[1]


def test_every_chart_has_the_levels_that_recognise_nothing():
    charts = EXPERIMENT.panels(rows())
    names = {name for name, _ in LEVELS.values()}
    assert [chart.series[0].x for chart in charts] == [
        *[("4", "16", "64")] * 2, ("visible ink", "whole digit"), ("hidden ink", "ink that is seen"),
    ]  # fmt: skip
    for chart in charts:
        there = [series.name for series in chart.series]
        assert there[: len(MODELS)] == [name for name, _ in MODELS.values()]
        assert {"mark no digit", "chance"} <= set(there) and set(there[len(MODELS) :]) <= names
        assert len(set(there)) == len(there)


def test_the_table_has_a_line_a_model_and_a_level():
    lines = EXPERIMENT.table(rows(loop_cut=0.1))
    assert [line["model"] for line in lines] == [name for name, _ in (*MODELS.values(), *LEVELS.values())]
    assert lines[0]["F1, n = 64"].startswith("0.50") and lines[1]["F1, n = 64"].startswith("0.40")
    assert lines[-1]["F1, n = 4"] == "0.15"
    assert len({tuple(line) for line in lines}) == 1


def test_a_cell_keeps_the_counts_of_its_score_image_by_image():
    cell = next(cell for cell in EXPERIMENT.cells("tiny") if cell["model"] == FEEDBACK)
    found = EXPERIMENT.measure(cell)
    tp, fp, fn = (np.array(found["counts"]["f1"][name]) for name in ("tp", "fp", "fn"))
    assert len(tp) == cell["images"] and found["updates"] == cell["updates"]
    assert found["f1"] == pytest.approx(2 * tp.sum() / (2 * tp + fp + fn).sum(), abs=1e-4)
    assert found["weights"] == sum(weight.numel() for weight in build(model_of(FEEDBACK)).parameters())


@pytest.mark.slow
def test_the_tiny_grid_can_be_told_of():
    found = [Row(cell, EXPERIMENT.measure(cell), 1.0, "") for cell in EXPERIMENT.cells("tiny")]
    assert EXPERIMENT.conclude(found).word == "undecided"
    assert len(EXPERIMENT.panels(found)) == 4 and len(EXPERIMENT.table(found)) == 7
    assert {row.result["test_seed"] for row in found} == {1001, 1002} and len(RIVALS) == 3


def test_the_readme_says_of_real_digits_what_their_rows_say():
    found = read(path_of("handwriting", "full"))[1]
    text = " ".join((Path(__file__).resolve().parents[3] / "README.md").read_text().split())
    less, apart = compared(found), hidden(found)
    deeper, cut = (words(less[name, 64].difference, sign=name == CUT) for name in (WIDE, CUT))
    assert f"ten times the weights, by {deeper} with 64 images" in text and ahead(less[WIDE, 64])
    assert f"with its loop cut, at {cut}, nor from one pass" in text
    assert {less[name, 64].answer for name in (CUT, SAME)} == {"not told apart"}
    assert apart["found", CUT].answer == "equal within margin" and f"loop cut, within {MARGIN:g}." in text
    for value, told in (("f1", "the four have {} to {}"), ("fitted", "{} to {} on those they learned from")):
        scores = [mean(found, value, model=name, **at(64)).mean for name in MODELS]
        assert told.format(f"{min(scores):.2f}", f"{max(scores):.2f}") in text
