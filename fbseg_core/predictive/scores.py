"""How a trained model does on fresh images: what share of them it predicts, and what mask it predicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.inference import settle
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.scores.metrics import Counts, chance_of, confusion, pooled_f1
from fbseg_core.tasks import Batch

PART = 8  # images that are settled together


@dataclass(frozen=True)
class Predicted:
    """Scores after the model's own number of steps, no label shown.

    explained: 1 − Σε₀²/Σx², the share of the images' power that U∗r predicts. active: share of r above 0.
    f1: pooled F1 of the mask V∗r predicts; f1_cut: with the second level cut off; chance: of the better
    constant answer; trivial: of the task's trivial baseline. None where there is no label, or no baseline.
    """

    images: int
    explained: float
    active: float
    f1: float | None = None
    f1_cut: float | None = None
    chance: float | None = None
    trivial: float | None = None


def evaluate(model: PredictiveCoding, images: Tensor | Batch) -> Predicted:
    """Score on images x (B, C, H, W) without a label, or on a task's batch."""
    x = images.x if isinstance(images, Batch) else images
    left = power = active = 0.0
    masks, cut = [], []
    for part in x.split(PART):
        senses = Senses.of(model.config, part)
        state = settle(model, senses, model.config.steps)
        left += float((state.errors.image**2).sum())
        power += float((part**2).sum())
        active += float((state.r > 0).float().mean((1, 2, 3)).sum())
        if model.config.classes:
            masks.append(model.mask(state.r))
            alone = settle(model, replace(senses, pi_top=0.0), model.config.steps)
            cut.append(model.mask(alone.r))
    shares = {"images": len(x), "explained": 1 - left / power, "active": active / len(x)}
    if not isinstance(images, Batch):
        return Predicted(**shares)
    counts = confusion(torch.cat(masks), images.labels, model.config.classes)
    return Predicted(
        **shares,
        f1=pooled_f1(counts),
        f1_cut=_f1(cut, images, model),
        chance=chance_of(counts),
        trivial=None if images.trivial is None else _f1([images.trivial], images, model),
    )


def _f1(masks: Iterable[Tensor], images: Batch, model: PredictiveCoding) -> float:
    counts: Counts = confusion(torch.cat(list(masks)), images.labels, model.config.classes)
    return pooled_f1(counts)
