"""Verdict words that several cards come to by one rule, from comparisons and rows made by hand."""

import numpy as np
import pytest

from fbseg_core.analysis.equivalence import family
from fbseg_core.analysis.paired import paired_difference
from fbseg_core.experiments import fewshot, help, noise
from fbseg_core.experiments.records import Row
from fbseg_core.experiments.thresholds import MARGIN
from fbseg_core.experiments.verdict import by_protocol, near_chance

NOISE = np.random.default_rng(0).standard_normal(8)
NOISE = (NOISE - NOISE.mean()) / NOISE.std(ddof=1)


def shifted(mean, spread):
    return paired_difference(mean + spread * NOISE, np.zeros(8))


KINDS = {
    "better": shifted(0.3, 0.02), "slightly better": shifted(0.01, 0.002), "equal": shifted(0.0, 0.01),
    "worse": shifted(-0.3, 0.02), "wide": shifted(0.0, 0.3),
}  # fmt: skip


def some(*names):
    return list(family({i: KINDS[name] for i, name in enumerate(names)}, MARGIN).values())


@pytest.mark.parametrize(
    ("paper", "alike", "word"),
    [
        (["better"], ["equal"], "explained by"),
        (["better"], ["worse"], "explained by"),
        (["better"], ["slightly better"], "explained by"),  # a difference, but none to speak of
        (["better"], ["wide"], "undecided"),  # zero is inside, which shows no equality
        (["better"], ["better"], "reproduced"),
        (["equal"], ["better"], "not reproduced"),
        (["worse"], ["equal"], "not reproduced"),
        (["slightly better"], ["equal"], "not reproduced"),
        (["wide"], ["equal"], "undecided"),
        (["better", "equal"], ["equal", "equal"], "partly"),
        (["better", "better"], ["better", "equal"], "partly"),
        (["better", "better"], ["equal", "slightly better"], "explained by"),
    ],
)
def test_the_word_from_what_both_protocols_tell(paper, alike, word):
    assert by_protocol(some(*paper), some(*alike)) == word


def test_near_chance_is_told_by_a_test_and_not_by_the_mean():
    assert near_chance(shifted(0.02, 0.02)) == "near chance"
    assert near_chance(shifted(0.5, 0.1)) == "not near chance"
    assert near_chance(shifted(0.08, 0.1)) == near_chance(shifted(0.2, 0.3)) == "perhaps near chance"


def fewshot_rows(feedback, plain, alike=(0.95, 0.95), batch=0.8, seeds=8):
    """Rows of n = 1, 2 and 4. feedback, plain: F1 as the paper trains at each; alike: both trained so."""

    def row(protocol, n, model, f1, i):
        noise = 0.005 * NOISE[(i + 3 * (model == "feedback")) % 8]
        settings = {"protocol": protocol, "examples": n, "model": model, "seed": i, "side": 64, "sigma": 0.5}
        return Row(settings, {"f1": f1 + noise, "f1_batch": batch + noise, "chance": 0.07}, 1.0, "")

    scores = {
        **{("paper", n, "feedback"): f1 for n, f1 in zip((1, 2, 4), feedback)},
        **{("paper", n, "feedforward"): f1 for n, f1 in zip((1, 2, 4), plain)},
        **{("matched", n, m): f1 for n in (1, 2, 4) for m, f1 in zip(("feedback", "feedforward"), alike)},
    }
    return [row(*key, f1, i) for key, f1 in scores.items() for i in range(seeds)]


GAP = ((0.6, 0.9, 0.9), (0.07, 0.3, 0.6))


@pytest.mark.parametrize(
    ("verdict", "scores"),
    [
        ("explained by the training protocol", GAP),
        ("reproduced", (*GAP, (0.95, 0.5))),
        ("not reproduced", ((0.6, 0.9, 0.9), (0.07, 0.9, 0.9))),
    ],
)
def test_few_examples_verdict(verdict, scores):
    assert fewshot.conclude(fewshot_rows(*scores)).verdict == verdict


def test_few_examples_name_one_two_and_four_chance_and_the_batchs_own_statistics():
    told = text(fewshot.conclude(fewshot_rows(*GAP)))
    assert "feedback from n = 1 on, feedforward from n = 2 on" in told
    for n in (1, 2, 4):
        assert told.count(f"n = {n}, feedback ") == 2  # as the paper trains, and alike
    assert "With the test batch's own statistics the same feedforward model scores 0.80" in told
    assert told.count("equal within margin") == 4  # with 2 in the short text, too
    random = text(fewshot.conclude(fewshot_rows((0.07, 0.9, 0.9), (0.07, 0.07, 0.3))))
    assert "feedback from n = 2 on, feedforward from n = 4 on" in random  # as the paper has it


def text(finding):
    return f"{finding.because} {finding.details}"


def test_few_examples_of_few_seeds_decide_nothing():
    assert fewshot.conclude(fewshot_rows(*GAP, seeds=3)).word == "undecided"


def noise_rows(feedback, plain, alike=(0.9, 0.9), sigmas=(4.0, 6.0, 8.0)):
    def row(protocol, sigma, model, f1, i):
        noise = 0.005 * NOISE[(i + 3 * (model == "feedback")) % 8]
        scores = {"f1": f1 + noise, "f1_batch": 0.7 + noise, "chance": 0.07}
        settings = {"protocol": protocol, "paper_sigma": sigma, "model": model, "seed": i, "side": 64}
        return Row(settings, {"at": {f"{sigma:g}": scores}}, 1.0, "")

    scores = {"paper": (feedback, plain), "matched": alike}
    return [
        row(protocol, sigma, model, f1, i)
        for protocol, pair in scores.items()
        for model, f1 in zip(("feedback", "feedforward"), pair)
        for sigma in sigmas
        for i in range(8)
    ]


@pytest.mark.parametrize(
    ("verdict", "scores"),
    [
        ("explained by the training protocol", (0.9, 0.3)),
        ("reproduced", (0.9, 0.1, (0.9, 0.3))),
        ("partly", (0.9, 0.4, (0.9, 0.3))),  # feedforward falls, but not to chance
        ("partly", (0.4, 0.1, (0.9, 0.3))),  # feedback is better, but not high
        ("not reproduced", (0.9, 0.9)),
    ],
)
def test_strong_noise_verdict(verdict, scores):
    assert noise.conclude(noise_rows(*scores)).verdict == verdict


def test_strong_noise_says_whether_feedforward_is_near_chance():
    assert "not near chance" in noise.conclude(noise_rows(0.9, 0.4)).details
    fallen = text(noise.conclude(noise_rows(0.9, 0.1)))
    assert "above chance, near chance" in fallen and "own statistics" in fallen
    assert "Paper sigma 4" not in fallen  # strong noise only


def help_rows(path=0.0, loop=0.0, seeds=8, spread=0.004):
    """F1 where a loss on every step adds `path` to feedback, which is `loop` better than feedforward."""

    def f1(model, name):
        last = name == "loss on the last step only"
        return 0.8 + (loop - path * last if model == "feedback" else 0)

    return [
        Row(
            {"examples": 2, "model": model, "help": name, "seed": i},
            {"f1": f1(model, name) + spread * NOISE[(i + 3 * j) % 8], "chance": 0.07},
            1.0,
            "",
        )
        for model in ("feedback", "feedforward")
        for j, name in enumerate(help.HELPS)
        for i in range(seeds)
    ]


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("reproduced", {"path": 0.1, "loop": 0.1}),
        ("partly", {"path": 0.1}),
        ("partly", {"loop": 0.1}),
        ("not reproduced", {}),
        ("not reproduced", {"path": -0.1, "loop": -0.1}),
        ("undecided", {"spread": 0.2}),
        ("undecided", {"path": 0.1, "loop": 0.1, "seeds": 2}),
    ],
)
def test_whole_trajectory_verdict(word, options):
    assert help.conclude(help_rows(**options)).word == word
