"""Many noise draws of one image, side by side: how far curves depend on the draw, and if draws meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from fbseg_core.analysis.pca import Projection
from fbseg_core.config import Switches, TaskConfig
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import iterate
from fbseg_core.scores.metrics import confusion, entropy, mask_of, mean_f1, mean_iou
from fbseg_core.tasks import Batch, Content, task_of


@dataclass(frozen=True)
class EnsembleStep:
    """All draws at one step: f1, iou, entropy (bits) and relative_update ‖Δh‖/‖h‖, each (N,).

    spread: root mean square distance of the states h(t) from their mean over the draws, one number.
    points: the draws in a plane, (N, k) or (G, N, k) as in `Projection.points`; None without a plane.
    """

    t: int
    f1: np.ndarray
    iou: np.ndarray
    entropy: np.ndarray
    relative_update: np.ndarray
    spread: float
    points: np.ndarray | None


def redraw(task: TaskConfig, content: Content, n: int, seed: int) -> Batch:
    """One image (content of one) under n noise draws: x (n, C, H, W)."""
    kind = task_of(task)
    clean, labels = content.clean.expand(n, -1, -1, -1), content.labels.expand(n, -1, -1)
    return kind.observe(task, Content(clean, labels), kind.noise(task, n, seed))


def ensemble(
    model: Model, batch: Batch, switches: Switches = AS_BUILT, plane: Projection | None = None
) -> Iterator[EnsembleStep]:
    """Run all draws of a batch in lock-step and measure them: lazy, one step at a time, nothing is kept.

    Endless but for overflow, where it ends after the last finite state. `spread(t+1)/spread(t)` is the
    contraction in step t: below 1 the draws approach one another, which the decay alone can never do.
    """
    classes, before, labels = model.config.classes, None, batch.labels.to(model.device)
    with torch.no_grad():
        for state in iterate(model, batch.x, switches=switches):
            logits = model.readout(state.h)
            if not torch.isfinite(logits).all():
                return
            counts = confusion(mask_of(logits), labels, classes)
            flat = state.h.flatten(1).double()
            move = flat.new_zeros(len(flat)) if before is None else (flat - before).norm(dim=1)
            values = None
            if plane is not None:
                part = {"u": state.h[:, : model.config.u], "v": state.h[:, model.feedback_channels]}
                values = plane.place(part.get(plane.what, logits if plane.what == "logits" else state.h))
            yield EnsembleStep(
                t=state.t,
                f1=mean_f1(counts).cpu().numpy(),
                iou=mean_iou(counts).cpu().numpy(),
                entropy=entropy(logits.softmax(1), 1).mean((1, 2)).cpu().numpy(),
                relative_update=(move / flat.norm(dim=1).clamp_min(1e-12)).cpu().numpy(),
                spread=float((flat - flat.mean(0)).square().sum(1).mean().sqrt()),
                points=values,
            )
            before = flat
