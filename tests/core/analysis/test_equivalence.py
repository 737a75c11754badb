"""Different, equal within a margin, or not told apart."""

import math

import numpy as np
import pytest

from fbseg_core.analysis.equivalence import Compared, equivalent, family, holm, not_better, not_worse
from fbseg_core.analysis.paired import Difference, paired_difference

NOISE = np.random.default_rng(0).standard_normal(8)
NOISE = (NOISE - NOISE.mean()) / NOISE.std(ddof=1)


def shifted(mean, spread, k=8):
    """A difference over k seeds with that mean and standard deviation."""
    noise = np.resize(NOISE, k) if k != 8 else NOISE
    return paired_difference(mean + spread * noise, np.zeros(k))


def test_holm_against_known_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.9]) == (1.0, 1.0) and holm([0.02]) == (0.02,) and holm([]) == ()
    assert holm([0.01, 0.01]) == pytest.approx((0.02, 0.02))


def test_holm_keeps_any_false_call_of_a_family_below_the_level():
    rng = np.random.default_rng(0)
    false = [min(holm(rng.uniform(size=10))) < 0.05 for _ in range(1000)]
    assert 0.03 < np.mean(false) < 0.07


def test_the_p_value_is_that_of_a_paired_t_test():
    from scipy.stats import ttest_rel

    a, b = NOISE + 0.8, np.roll(NOISE, 3)
    assert paired_difference(a, b).p == pytest.approx(ttest_rel(a, b).pvalue)
    assert paired_difference([0.5] * 8, [0.5] * 8).p == 1 and paired_difference([0.5] * 8, [0.4] * 8).p < 1e-9
    assert paired_difference([0.5] * 4, [0.1] * 4).p == 1  # too few to tell


@pytest.mark.parametrize(
    ("difference", "answer"),
    [
        (shifted(0.1, 0.01), "different"),
        (shifted(-0.1, 0.01), "different"),
        (shifted(0.01, 0.002), "different, by less than the margin"),
        (shifted(0.0, 0.01), "equal within margin"),
        (shifted(0.005, 0.01), "equal within margin"),
        (shifted(0.0, 0.1), "not told apart"),  # zero is inside, and so is much else
        (shifted(0.02, 0.03), "not told apart"),
        (shifted(0.1, 0.0, k=4), "not told apart"),
    ],
)
def test_the_answer_to_each_kind_of_difference(difference, answer):
    (found,) = family({"one": difference}, margin=0.02).values()
    assert found.answer == answer


def test_an_interval_that_holds_zero_shows_no_equality():
    wide = shifted(0.0, 0.1)
    assert wide.low < 0 < wide.high and not equivalent(wide, 0.02) and equivalent(wide, 0.2)


def test_equality_is_asked_of_the_90_per_cent_interval():
    edge = Difference(0.0, -0.025, 0.025, 8, (-0.019, 0.019))
    assert equivalent(edge, 0.02) and not equivalent(edge, 0.019)
    assert not equivalent(Difference(0.0, -0.01, 0.01, 8), 0.02)  # without one there is no claim


def test_two_models_that_differ_by_the_margin_are_rarely_called_equal():
    rng = np.random.default_rng(1)
    called = [
        equivalent(paired_difference(0.02 + 0.02 * rng.standard_normal(8), np.zeros(8)), 0.02)
        for _ in range(300)
    ]
    assert np.mean(called) < 0.09  # 5 % is the aim


def test_not_worse_looks_down_only():
    assert not_worse(shifted(0.1, 0.01), 0.02) and not not_worse(shifted(-0.1, 0.01), 0.02)
    assert not not_worse(Difference(0.1, -math.inf, math.inf, 3), 0.02)
    assert not_better(shifted(-0.1, 0.01), 0.02) and not not_better(shifted(0.1, 0.01), 0.02)


def test_a_difference_that_stands_alone_may_fall_in_a_family():
    weak = shifted(0.1, 0.1)  # p = 0.025
    assert family({"a": weak}, 0.02)["a"].different
    assert not family({name: weak for name in "abc"}, 0.02)["a"].different
    strong = family({"a": shifted(0.1, 0.01), "b": weak, "c": weak}, 0.02)
    assert strong["a"].different and strong["b"].p == pytest.approx(2 * weak.p)


def test_both_the_interval_and_the_test_must_call_it():
    assert not Compared(Difference(0.1, -0.01, 0.2, 8, error=0.01), 0.001, 0.02).different
    assert not Compared(Difference(0.1, 0.01, 0.2, 8, error=0.09), 0.2, 0.02).different
