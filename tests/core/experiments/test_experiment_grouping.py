from itertools import pairwise

import pytest

from fbseg_core.experiments.grouping import CLIMB, DEEPER, EXPERIMENT, rung_of
from fbseg_core.experiments.records import Row, path_of, read
from fbseg_core.experiments.rungs import LOOP, RUNGS


def runs():
    return {cell["rung"]: rung_of(cell) for cell in EXPERIMENT.cells("full") if cell["seed"] == 3}


def test_each_rung_of_the_climb_changes_one_thing():
    found = runs()
    assert len({found[rung].train for rung in CLIMB}) == 1
    models = [found[rung].model for rung in CLIMB]
    changed = [
        {key for key in type(a).model_fields if getattr(a, key) != getattr(b, key)}
        for a, b in pairwise(models)
    ]
    assert changed == [{"delta_norm"}, {"norm"}, {"kind"}, {"kind"}]
    assert [model.kind for model in models] == ["feedforward"] * 3 + ["loop_cut", "feedback"]


def test_the_rungs_beside_it_change_one_thing_of_the_feedforward_model():
    found = runs()
    plain, more, deeper = (found[rung] for rung in ("feedforward", "+ more updates", DEEPER))
    assert more.model == plain.model and more.train == plain.train.replace(updates=6 * plain.train.total)
    assert deeper.train == plain.train and deeper.model == plain.model.replace(depth=3)
    assert not plain.train.examples  # fresh ones for every update
    assert all(run.train.seed == 3 for run in found.values())


def rows(seeds=8, **changed):
    """Rows of every rung with F1 0.6, but for those changed: names with _ for spaces, + left out."""
    scores = {rung: 0.6 for rung in (*RUNGS, DEEPER)} | {
        name.replace("_", " "): v for name, v in changed.items()
    }
    if "more updates" in scores:
        scores["+ more updates"] = scores.pop("more updates")
    if "normalised output" in scores:
        scores["+ normalised output"] = scores.pop("normalised output")
    other = {"f1_first": 0.4, "f1_cut": 0.4, "f1_batch": None, "chance": 0.45, "weights": 100}
    return [
        Row({"rung": rung, "seed": seed, "side": 24}, {"f1": f1 + seed / 1000, **other}, 1.0, "")
        for rung, f1 in scores.items()
        for seed in range(seeds)
    ]


@pytest.mark.parametrize(
    ("word", "scores"),
    [
        ("reproduced", {"feedback": 0.9}),
        ("partly", {"normalised_output": 0.1, "feedback": 0.7}),  # group norm gains 0.5, the loop 0.1
        (
            "partly",  # more updates gain 0.2, the loop 0.1, the others 0.05 each
            {
                "more_updates": 0.8,
                "normalised_output": 0.65,
                "+_group_norm": 0.7,
                "loop_cut": 0.75,
                "feedback": 0.85,
            },
        ),
        ("not reproduced", {"feedback": 0.6}),
        ("not reproduced", {"feedback": 0.5}),
        ("explained by more updates", {"feedback": 0.9, "more_updates": 0.9}),
    ],
)
def test_each_word_has_its_rows(word, scores):
    assert EXPERIMENT.conclude(rows(**scores)).verdict == word


def test_no_change_that_a_chart_shows_is_larger_than_the_largest_that_is_named():
    because = EXPERIMENT.conclude(rows(feedback=0.9, more_updates=0.65)).because
    assert "any other change but depth at most +0.05 (more updates)" in because


def test_too_few_seeds_reproduce_nothing():
    assert EXPERIMENT.conclude(rows(seeds=2, feedback=0.9)).word == "not reproduced"


def test_the_finding_says_what_depth_does_and_what_the_loop_adds_elsewhere():
    ladder = [
        Row({**end, "seed": seed, "examples": n}, {"f1": f1}, 1.0, "")
        for n, gain in ((2, 0.1), (10, 0.3))
        for end, f1 in zip(LOOP, (0.5 + gain, 0.5))
        for seed in range(8)
    ]
    alone = EXPERIMENT.conclude(rows(feedback=0.9)).because
    assert "depth 3" in alone and "−0.30" in alone
    because = EXPERIMENT.conclude(rows(feedback=0.9), {"ladder": ladder}).because
    assert because == f"{alone} On single shapes (n = 2) the loop adds +0.10."


@pytest.mark.skipif(not path_of("grouping", "full").exists(), reason="not measured yet")
def test_the_shipped_ladder_needs_its_loop():
    found = read(path_of("grouping", "full"))[1]
    assert EXPERIMENT.conclude(found).word == "reproduced"
    first = EXPERIMENT.panels(found)[0].series[0]
    cut, feedback = (first.y[first.x.index(rung)] for rung in ("loop cut", "feedback"))
    assert feedback.low > cut.high + 0.05
