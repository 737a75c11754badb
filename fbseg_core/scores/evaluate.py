"""How good a model is on fresh images: pooled F1 at every step, with an interval over images.

Images are read a few at a time and counted at each step, so neither their number nor that of the steps
takes memory: what is held is the state of one part of the images, and a few counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import iterate
from fbseg_core.scores.metrics import (
    Counts,
    chance_of,
    confusion,
    counts_of,
    f1,
    iou,
    mask_of,
    mean_iou,
    pooled_f1,
    tally,
)
from fbseg_core.tasks import Batch
from fbseg_core.tasks.batches import at_once


@dataclass(frozen=True)
class Score:
    """Pooled foreground F1 (T+1,) at t = 0 … T, with the bounds of a 95 % bootstrap interval over images.

    chance is the F1 of the better constant answer on the same images. The interval says how far other
    images would move the score of this one model; it says nothing of other training seeds.
    trivial is the F1 of the task's trivial baseline on them, None where it has none.
    iou (T+1,) is the pooled foreground IoU. class_f1 and class_iou (T+1, K) are those of each class, the
    background's first; None where neither truth nor answer holds the class. f1 and iou are their means over
    the foreground classes present.
    """

    f1: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    images: int
    chance: float
    iou: tuple[float, ...] = ()
    class_f1: tuple[tuple[float | None, ...], ...] = ()
    class_iou: tuple[tuple[float | None, ...], ...] = ()
    trivial: float | None = None


def evaluate(
    model: Model, images: Batch | Iterable[Batch], steps: int, switches: Switches = AS_BUILT, seed: int = 0
) -> Score:
    """Score images at each step; `seed` draws the 1000 bootstrap samples.

    images: a batch, or several one after the other, such as `tasks.batches.Batches` draws as they are read.
    """
    batches = (images,) if isinstance(images, Batch) else images
    answers: list[Counts] = []
    seen = _with_trivial(batches, model.classes, answers)
    return replace(score(counts_by_step(model, seen, steps, switches), seed), trivial=_pooled(answers))


def trivial_f1(images: Batch | Iterable[Batch], classes: int) -> float | None:
    """Pooled foreground F1 of the task's trivial baseline on the images; None where it has none."""
    batches = (images,) if isinstance(images, Batch) else images
    answers: list[Counts] = []
    for _ in _with_trivial(batches, classes, answers):
        pass
    return _pooled(answers)


def _with_trivial(batches: Iterable[Batch], classes: int, answers: list[Counts]) -> Iterator[Batch]:
    """The batches as they come, the counts of each one's trivial answer added to `answers`."""
    for batch in batches:
        if batch.trivial is not None:
            answers.append(confusion(batch.trivial, batch.labels.cpu(), classes))
        yield batch


def _pooled(answers: Sequence[Counts]) -> float | None:
    return pooled_f1(Counts(*map(torch.cat, zip(*answers)))) if answers else None


def score(by_step: Sequence[Counts], seed: int = 0) -> Score:
    """The Score of a Counts for each step, all of the same images."""
    spans = [_interval(counts, seed) for counts in by_step]
    pooled = [counts.pooled() for counts in by_step]
    return Score(
        f1=tuple(map(pooled_f1, by_step)),
        low=tuple(low for low, _ in spans),
        high=tuple(high for _, high in spans),
        images=len(by_step[0].tp),
        chance=chance_of(by_step[0]),
        iou=tuple(float(mean_iou(counts)) for counts in pooled),
        class_f1=tuple(_where_present(f1(counts), counts) for counts in pooled),
        class_iou=tuple(_where_present(iou(counts), counts) for counts in pooled),
    )


@dataclass(frozen=True)
class Means:
    """Pooled foreground F1 and IoU (T+1,) at t = 0 … T, and the F1 of each class (K,) at T, as in `Score`."""

    f1: tuple[float, ...]
    iou: tuple[float, ...]
    class_f1: tuple[float | None, ...]


def means(by_step: Sequence[Counts]) -> Means:
    """What `score` says without an interval, which takes no time."""
    pooled = [counts.pooled() for counts in by_step]
    iou_by_step = tuple(float(mean_iou(counts)) for counts in pooled)
    return Means(tuple(map(pooled_f1, by_step)), iou_by_step, _where_present(f1(pooled[-1]), pooled[-1]))


def f1_by_step(
    model: Model, images: Batch | Iterable[Batch], steps: int, switches: Switches = AS_BUILT
) -> tuple[float, ...]:
    """Pooled foreground F1 at t = 0 … steps."""
    return tuple(map(pooled_f1, counts_by_step(model, images, steps, switches)))


def counts_by_step(
    model: Model, images: Batch | Iterable[Batch], steps: int, switches: Switches = AS_BUILT
) -> list[Counts]:
    """Confusion counts of every image at t = 0 … steps, a Counts of (B, K) each, on the host.

    A part of the images whose run ends early keeps its last masks for the steps it did not reach. With
    `switches.batch_statistics` such a part is the batch: `tasks.batches.at_once` images of each of `images`.
    """
    batches = (images,) if isinstance(images, Batch) else images
    parts = [_run(model, x, labels, steps, switches) for batch in batches for x, labels in _parts(batch)]
    return [counts_of(table) for table in torch.cat(parts, 1)]


def _parts(batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels that are run together."""
    size = at_once(batch.labels[:1].numel())
    yield from zip(batch.x.split(size), batch.labels.split(size))


@torch.no_grad()
def _run(model: Model, x: Tensor, labels: Tensor, steps: int, switches: Switches) -> Tensor:
    """The tallies of one part at t = 0 … T, (T+1, B, K, K). Nothing else of a step is kept."""
    x, labels = x.to(model.device), labels.to(model.device)
    # made before the first step: small tensors that stay among large ones that are freed fragment the heap,
    # and the process grows by a megabyte a step
    tallies = torch.zeros(steps + 1, len(x), model.classes, model.classes, dtype=torch.int64)
    reached = 0
    for state in islice(iterate(model, x, switches=switches), steps + 1):
        logits = model.readout(state.h)
        if state.t and not torch.isfinite(logits).all():
            break
        reached = state.t
        tallies[reached] = tally(mask_of(logits), labels, model.classes)
    tallies[reached + 1 :] = tallies[reached]
    return tallies


def _where_present(score: Tensor, counts: Counts) -> tuple[float | None, ...]:
    """A score (1, K) class by class, None for a class that is not present."""
    values = zip(score[0].tolist(), counts.present[0].tolist())
    return tuple(value if present else None for value, present in values)


def _interval(counts: Counts, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap  # over a second to import, and only scores with intervals need it

    if len(counts.tp) < 2:
        return pooled_f1(counts), pooled_f1(counts)
    tp, miss = counts.tp[:, 1:].numpy(), (counts.fp + counts.fn)[:, 1:].numpy()

    def pooled(rows: np.ndarray, axis: int) -> np.ndarray:
        """What `pooled_f1` is of resampled image numbers."""
        hit, wrong = 2 * tp[rows].sum(axis), miss[rows].sum(axis)
        whole = hit + wrong
        present = (whole > 0).sum(-1)
        return np.where(present > 0, (hit / np.maximum(whole, 1)).sum(-1) / np.maximum(present, 1), 1.0)

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
