"""The difference of two models over seeds: what it is, and when it may be called one."""

import math

import numpy as np
import pytest

from fbseg_core.analysis.paired import Difference, paired_difference
from fbseg_core.settings import ConfigError

NOISE = np.random.default_rng(0).standard_normal(8)


def test_a_shift_far_beyond_the_spread_is_called_and_lies_within():
    result = paired_difference(0.5 + 0.01 * NOISE, [0.3] * 8)
    assert result.called and result.low < 0.2 < result.high
    assert result.mean == pytest.approx(0.2 + 0.01 * NOISE.mean())
    mirrored = paired_difference([0.3] * 8, 0.5 + 0.01 * NOISE)
    assert mirrored.called and mirrored.high < 0 and mirrored.mean == pytest.approx(-result.mean)


def test_pairing_takes_out_what_the_seeds_share():
    hard = NOISE * 0.3  # some seeds are harder for both
    assert paired_difference(hard + 0.02, hard + 0.01 * NOISE[::-1]).called
    assert not paired_difference(hard + 0.02, NOISE[::-1] * 0.3).called


def test_equal_scores_are_no_difference():
    result = paired_difference([0.9] * 6, [0.9] * 6)
    assert (result.mean, result.low, result.high) == (0, 0, 0) and not result.called


@pytest.mark.parametrize("k", [1, 2, 4])
def test_few_seeds_are_never_called(k):
    result = paired_difference([1.0] * k, [0.0] * k)
    assert not result.called and result.mean == 1 and result.low == -math.inf and result.k == k


def test_false_calls_stay_rare():
    rng = np.random.default_rng(1)
    called = sum(paired_difference(rng.standard_normal(8), np.zeros(8)).called for _ in range(200))
    assert called <= 18  # these draws give 12; a plain percentile interval calls 25 of such 200


def test_same_seed_same_interval():
    assert paired_difference(NOISE, NOISE[::-1]) == paired_difference(NOISE, NOISE[::-1])


@pytest.mark.parametrize(
    "a, b", [([1.0], [1.0, 2.0]), ([], []), ([math.nan] * 5, [0.0] * 5), ([[1.0]], [[1.0]])]
)
def test_scores_that_do_not_pair_up_are_refused(a, b):
    with pytest.raises(ConfigError, match="scores"):
        paired_difference(a, b)


def test_zero_at_the_edge_is_not_excluded():
    assert not Difference(0.1, 0.0, 0.2, 9).called
