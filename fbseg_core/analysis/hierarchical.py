"""Intervals over training seeds and test images at once, from the counts of every image.

Each seed is tested on images of its own. A resample draws k seeds, and for each of them as many of its
images, and pools their counts: the hierarchical bootstrap (Davison and Hinkley 1997, section 3.8; Saravanan
et al. 2020). What varies over seeds already holds what varies over their images, so the intervals are a
little too wide where images matter more than seeds: on the safe side.
"""

from __future__ import annotations

import functools

import numpy as np

from fbseg_core.analysis.paired import Difference, from_resamples
from fbseg_core.settings import ConfigError

RESAMPLES = 4000


def hierarchical_mean(counts: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> Difference:
    """The mean over seeds of pooled F1, with its interval over seeds and images.

    counts (k, images, 3): true positives, false positives and false negatives of the foreground class, in
    pixels. F1 of no pixels in truth and answer is 1. `seed` draws the resamples. Raises ConfigError for
    other shapes, or fewer than one seed or image.
    """
    return _resampled([counts], seed, resamples)


def hierarchical_difference(
    a: np.ndarray, b: np.ndarray, seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """The mean over seeds of the difference of pooled F1, a − b, with its interval over seeds and images.

    a and b (k, images, 3) as in `hierarchical_mean`, where a[i] and b[i] come from the same training seed
    and the same images: what either shares with the other drops out. By simulation 93-94 % of the 95 %
    intervals hold the truth at k = 8, and 90-92 % at k = 5, where seeds vary more than images; 99 % at both
    where images vary more. The 90 % ones hold it in 88-90, 86-88 and 98 %.
    """
    return _resampled([a, b], seed, resamples)


def _resampled(models: list[np.ndarray], seed: int, resamples: int) -> Difference:
    stacked = [np.asarray(counts) for counts in models]
    shape = stacked[0].shape
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or any(one.shape != shape for one in stacked):
        raise ConfigError("counts: give tp, fp and fn of as many seeds and images for each model.")
    k, images, _ = shape
    # a model's F1 takes tp and fp + fn alone: (k, images, models, 2)
    halves = np.stack([np.stack([one[..., 0], one[..., 1] + one[..., 2]], -1) for one in stacked], 2)
    values = _signed(_f1(halves.sum(1)))
    weights = _weights(images, resamples, seed)
    pooled = weights @ halves.swapaxes(0, 1).reshape(images, -1).astype(np.float32)
    f1 = _signed(_f1(pooled.astype(np.float64).reshape(resamples, k, len(stacked), 2)))  # (resamples, k)
    # A resample's k seeds take their images from k rows of the weights that are far apart, each of them drawn
    # anew: so one product serves all seeds, and a seed that is drawn twice has other images each time.
    rng = np.random.default_rng([seed, 1])
    seeds = rng.integers(0, k, (resamples, k))
    rows = (np.arange(resamples)[:, None] + np.arange(k) * max(resamples // k, 1)) % resamples
    return from_resamples(values, f1[rows, seeds].mean(1), "seeds and images")


def _f1(halves: np.ndarray) -> np.ndarray:
    """F1 of (…, 2): true positives, and false ones of both kinds."""
    twice, whole = 2.0 * halves[..., 0], 2.0 * halves[..., 0] + halves[..., 1]
    return np.where(whole > 0, twice / np.maximum(whole, 1), 1.0)


def _signed(f1: np.ndarray) -> np.ndarray:
    """The score of one model, or the first's less the second's, from (…, models)."""
    return f1[..., 0] if f1.shape[-1] == 1 else f1[..., 0] - f1[..., 1]


@functools.lru_cache(maxsize=4)
def _weights(images: int, resamples: int, seed: int) -> np.ndarray:
    """How often each image is drawn in a resample of as many, (resamples, images) float32."""
    drawn = np.random.default_rng([seed, 0]).integers(0, images, (resamples, images), dtype=np.int32)
    places = (drawn + np.arange(resamples, dtype=np.int32)[:, None] * images).ravel()
    weights = np.bincount(places, minlength=resamples * images).astype(np.float32)
    weights = weights.reshape(resamples, images)
    weights.setflags(write=False)
    return weights
