"""How good a model is on fresh images: pooled F1 at every step, with an interval over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.metrics import Counts, chance, confusion, f1, foreground
from fbseg_core.tasks import Batch

PART = 32  # images in one rollout


@dataclass(frozen=True)
class Score:
    """Pooled foreground F1 (T+1,) at t = 0 … T, with the bounds of a 95 % bootstrap interval over images.

    chance is the F1 of the better constant answer on the same images. The interval says how far other
    images would move the score of this one model; it says nothing of other training seeds.
    """

    f1: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    images: int
    chance: float


def evaluate(model: Model, batch: Batch, steps: int, switches: Switches = AS_BUILT, seed: int = 0) -> Score:
    """Score a batch of images at each step; `seed` draws the 1000 bootstrap samples."""
    return score(counts_by_step(model, batch, steps, switches), batch.labels, model.config.classes, seed)


def score(by_step: Sequence[Counts], labels: Tensor, classes: int, seed: int = 0) -> Score:
    """The Score of masks counted against labels (B, H, W), a Counts for each step."""
    spans = [_interval(counts, seed) for counts in by_step]
    return Score(
        f1=tuple(_pooled(counts) for counts in by_step),
        low=tuple(low for low, _ in spans),
        high=tuple(high for _, high in spans),
        images=len(labels),
        chance=chance(labels, classes),
    )


def f1_by_step(model: Model, batch: Batch, steps: int, switches: Switches = AS_BUILT) -> tuple[float, ...]:
    """Pooled foreground F1 at t = 0 … steps."""
    return tuple(_pooled(counts) for counts in counts_by_step(model, batch, steps, switches))


def counts_by_step(model: Model, batch: Batch, steps: int, switches: Switches = AS_BUILT) -> list[Counts]:
    """Confusion counts of every image at t = 0 … steps, a Counts of (B, K) each.

    A run that ends early keeps its last mask for the steps it did not reach.
    """
    parts = []
    for first in range(0, len(batch), PART):
        cut = slice(first, first + PART)
        masks = rollout(model, batch.x[cut], steps, switches=switches).logits.argmax(2)
        masks = torch.cat([masks, masks[-1:].expand(steps + 1 - len(masks), *masks.shape[1:])])
        parts.append([confusion(mask, batch.labels[cut], model.config.classes) for mask in masks])
    return [Counts(*(torch.cat(column) for column in zip(*at_t))) for at_t in zip(*parts)]


def _pooled(counts: Counts) -> float:
    return float(foreground(f1(counts.pooled())))


def _interval(counts: Counts, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap  # over a second to import, and only scores with intervals need it

    if len(counts.tp) < 2:
        return _pooled(counts), _pooled(counts)
    tp, miss = counts.tp[:, 1:].numpy(), (counts.fp + counts.fn)[:, 1:].numpy()

    def pooled(rows: np.ndarray, axis: int) -> np.ndarray:
        """F1 from resampled image numbers; the classes' mean, with an empty class right by definition."""
        hit, wrong = 2 * tp[rows].sum(axis), miss[rows].sum(axis)
        whole = hit + wrong
        return np.where(whole > 0, hit / np.maximum(whole, 1), 1.0).mean(-1)

    def statistic(rows: np.ndarray, axis: int) -> np.ndarray:
        rows = np.moveaxis(np.atleast_1d(rows), axis, -1).astype(int)
        return pooled(rows, rows.ndim - 1)

    result = bootstrap(
        (np.arange(len(tp)),),
        statistic,
        n_resamples=1000,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
