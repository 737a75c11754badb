"""Prediction and error around a trained U-Net as `predictive` tries them: dials and number of updates are
chosen on validation images, and scored on others."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from torch import Tensor

from fbseg_core.analysis.cost import multiply_adds
from fbseg_core.experiments.common import COUNTED
from fbseg_core.experiments.predictive_rows import AROUND, BOTH, ERRORS, PREDICTIONS
from fbseg_core.predictive.predify import Dials, Predified, predict_and_correct
from fbseg_core.scores.metrics import Counts, confusion, mask_of, pooled_f1
from fbseg_core.tasks import Batch

UPDATES = 6  # most updates of the levels
ALONE = Dials(feedforward=1.0, feedback=0.0, error=0.0)  # the control: nothing but the net's own drive
DIALS = {  # β, λ, α; memory is what β and λ leave
    PREDICTIONS: ((0.9, 0.1, 0.0), (0.6, 0.4, 0.0)),
    ERRORS: ((0.3, 0.0, 1.0), (0.0, 0.0, 1.0)),
    BOTH: ((0.9, 0.1, 1.0), (0.6, 0.4, 1.0)),
}


def course(model: Predified, batch: Batch, dials: Dials, updates: int = UPDATES) -> list[Counts]:
    """Counts of the answers after 0 … `updates` updates of the levels."""
    states = islice(predict_and_correct(model, batch.x, dials), updates + 1)
    return [confusion(mask_of(state.logits), batch.labels, 2) for state in states]


def chosen_and_scored(model: Predified, validation: Batch, batch: Batch) -> dict[str, dict[str, Any]]:
    """By the name of each of DIALS, and of AROUND for all of them, what does best on validation images.

    Of each: f1 and counts on the batch; chosen: β, λ, α and the number of updates; validation: F1 there, and
    net: that of the U-Net alone; macs: multiply-adds of an image in millions.
    """
    found = {}
    for name, dials in DIALS.items():
        tried = {
            one: [pooled_f1(counts) for counts in course(model, validation, _dials(one))] for one in dials
        }
        best, t = best_of(tried)
        found[name] = scored(course(model, batch, _dials(best), t)[-1]) | {
            "chosen": [*best, t],
            "validation": round(tried[best][t], 4),
            "net": round(tried[best][0], 4),
            "macs": round(macs(model, batch.x[:1], _dials(best), t) / 1e6, 3),
        }
    return {AROUND: max(found.values(), key=lambda one: one["validation"])} | found


def best_of(tried: dict[Any, Sequence[float]]) -> tuple[Any, int]:
    """Which key, after how many updates from 1 on, scores best; of equals the fewest updates.

    tried[key][t]: F1 after t updates.
    """
    updates = range(1, min(map(len, tried.values())))
    return max(((key, t) for t in updates for key in tried), key=lambda at: tried[at[0]][at[1]])


def scored(counts: Counts) -> dict[str, Any]:
    """Pooled F1, and the counts of every image."""
    by_image = {name: getattr(counts, name)[:, 1].tolist() for name in COUNTED}
    return {"f1": round(pooled_f1(counts), 4), "counts": {"f1": by_image}}


def macs(model: Predified, x: Tensor, dials: Dials, t: int) -> int:
    """Multiply-adds of t updates, the answer read once, after the last."""
    levels = model.levels(x)
    read = multiply_adds(lambda: model.readout(levels))
    return multiply_adds(lambda: list(islice(predict_and_correct(model, x, dials), t + 1))) - t * read


def _dials(shares: Sequence[float]) -> Dials:
    return Dials(**dict(zip(("feedforward", "feedback", "error"), shares)))
