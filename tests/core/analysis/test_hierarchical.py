"""Intervals over seeds and images: known cases, and how often they hold the truth."""

import time

import numpy as np
import pytest

from fbseg_core.analysis import hierarchical
from fbseg_core.analysis.hierarchical import hierarchical_difference, hierarchical_mean
from fbseg_core.settings import ConfigError


def counts(recall, shape=40):
    """Counts (k, images, 3) of images with `shape` pixels of shape, of which a share (k, images) is found."""
    tp = np.round(np.asarray(recall) * shape).astype(int)
    return np.stack([tp, np.zeros_like(tp), shape - tp], -1)


def draw(rng, k, images, over_seeds, over_images):
    """Counts whose recall varies over seeds and over images, its mean 0.5."""
    recall = 0.5 + over_seeds * rng.standard_normal((k, 1)) + over_images * rng.standard_normal((k, images))
    return counts(recall.clip(0, 1), shape=1000)


def test_the_mean_is_that_of_the_seeds_pooled_f1():
    recall = np.array([[0.25, 0.75], [1.0, 1.0]] * 3)
    found = hierarchical_mean(counts(recall))
    assert found.mean == pytest.approx((40 / 60 + 1) / 2) and found.k == 6
    assert found.over == "seeds and images" and found.low < found.inner[0] < found.mean < found.high


def test_seeds_and_images_that_are_all_alike_leave_no_spread():
    alike = hierarchical_mean(counts(np.full((8, 20), 0.5)))
    assert alike.low == alike.mean == alike.high == pytest.approx(2 / 3)
    nothing = hierarchical_mean(np.zeros((8, 20, 3), int))  # no shape, and none found: the right answer
    assert nothing.mean == nothing.low == 1


def test_either_kind_of_spread_alone_is_seen():
    images = counts(np.tile(np.linspace(0.1, 0.9, 20), (8, 1)))  # all seeds alike
    seeds = counts(np.tile(np.linspace(0.1, 0.9, 8)[:, None], (1, 20)))  # all images of a seed alike
    assert hierarchical_mean(images).error == 0 and hierarchical_mean(images).low < 0.65
    assert hierarchical_mean(seeds).low < hierarchical_mean(images).low


def test_pairing_takes_out_what_both_models_find_hard():
    rng = np.random.default_rng(0)
    hard = rng.uniform(0.1, 0.9, (8, 30))
    better = hierarchical_difference(counts(hard + 0.05, 1000), counts(hard, 1000))
    assert better.low > 0.03 and better.high < 0.06
    apart = hierarchical_difference(counts(hard + 0.05, 1000), counts(rng.permuted(hard), 1000))
    assert not apart.called
    mirrored = hierarchical_difference(counts(hard, 1000), counts(hard + 0.05, 1000))
    assert mirrored.mean == pytest.approx(-better.mean) and mirrored.high == pytest.approx(-better.low)


def test_same_seed_same_interval():
    a, b = (draw(np.random.default_rng(i), 8, 30, 0.1, 0.1) for i in (0, 1))
    assert hierarchical_difference(a, b) == hierarchical_difference(a, b)
    assert hierarchical_difference(a, b) != hierarchical_difference(a, b, seed=1)


def test_few_seeds_have_no_interval_however_many_images():
    assert hierarchical_mean(counts(np.full((4, 500), 0.5))).high == np.inf


@pytest.mark.parametrize(("over_seeds", "over_images"), [(0.05, 0.02), (0.01, 0.1)])
def test_nineteen_in_twenty_intervals_hold_the_truth_or_more(over_seeds, over_images):
    rng, held = np.random.default_rng(3), 0
    for _ in range(200):
        a, b = (draw(rng, 8, 50, over_seeds, over_images) for _ in range(2))
        found = hierarchical_difference(a, b, resamples=1000)
        held += found.low <= 0 <= found.high
    assert held >= 183  # 0.915: five standard errors below would be 0.87


def test_a_family_of_comparisons_takes_no_time_to_speak_of():
    a, b = (draw(np.random.default_rng(i), 8, 200, 0.1, 0.1) for i in (0, 1))
    hierarchical_difference(a, b, resamples=2000)
    start = time.process_time()
    hierarchical_difference(a, b, resamples=2000)
    assert time.process_time() - start < 0.1  # 3 ms as measured, and 40 ms the first time


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros((8, 3)), np.zeros((8, 3))),
        (np.zeros((8, 5, 2)), np.zeros((8, 5, 2))),
        (np.zeros((8, 5, 3)), np.zeros((8, 4, 3))),
        (np.zeros((0, 5, 3)), np.zeros((0, 5, 3))),
    ],
)
def test_counts_that_do_not_pair_up_are_refused(a, b):
    with pytest.raises(ConfigError, match="counts"):
        hierarchical_difference(a, b)


def test_weights_are_a_draw_of_as_many_images():
    weights = hierarchical._weights(7, 50, 0)
    assert (weights.sum(1) == 7).all() and 0.8 < weights.var() < 1.0  # 1 − 1/7 = 0.857
