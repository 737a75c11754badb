"""The numbers of one run over time, step by step, ready to be plotted or written to a table."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from fbseg_core.rollout.trajectory import Trajectory, norm_by_step
from fbseg_core.scores.metrics import entropy, label_flips, mask_of, score_by_step


def answer_curves(logits: Tensor, labels: Tensor) -> dict[str, np.ndarray]:
    """f1, iou, entropy (mean bits a pixel) and label_flips (pixels that changed class in this step), (T+1,).

    logits (T+1, 1, K, H, W), or one answer (1, 1, K, H, W) that holds at every step; labels (T+1, 1, H, W)
    are the truth at each step.
    """
    masks, labels = mask_of(logits), labels.to(logits.device)
    bits = entropy(logits.softmax(2)).mean((1, 2, 3))
    f1, iou = score_by_step(masks.expand_as(labels), labels, logits.shape[2])
    steps = len(labels)
    return {
        "f1": f1[:, 0].cpu().numpy(),
        "iou": iou[:, 0].cpu().numpy(),
        "entropy": bits.expand(steps).cpu().numpy(),
        "label_flips": label_flips(masks)[:, 0].expand(steps).cpu().numpy(),
    }


def state_curves(trajectory: Trajectory) -> dict[str, np.ndarray]:
    """update ‖Δh‖/‖h‖, delta ‖δ‖ undamped (‖δ − h‖ where the state leaks), applied ‖δ̃‖ and norm ‖h‖, each
    (T+1,).

    update, delta and applied belong to the step that led to their entry; the first is NaN.
    """
    none = np.full(1, np.nan)
    return {
        "update": np.concatenate([none, trajectory.relative_update[:, 0].cpu().numpy()]),
        "delta": np.concatenate([none, trajectory.residual[:, 0].cpu().numpy()]),
        "applied": np.concatenate([none, trajectory.update[:, 0].cpu().numpy()]),
        "norm": norm_by_step(trajectory.h)[:, 0].cpu().numpy(),
    }


def arrival(curve: np.ndarray, near: float = 0.05) -> int | None:
    """The first step from which on a curve (T+1,) stays within that share of its end, None for an end ≤ 0.

    A curve that goes on growing only arrives near T, where it is cut off: that is not settling.
    """
    return from_when(np.abs(curve - curve[-1]) <= near * curve[-1]) if curve[-1] > 0 else None


def from_when(true: np.ndarray) -> int | None:
    """The first index from which on all of `true` (N,) are; None where the last is not."""
    wrong = np.flatnonzero(~true)
    first = int(wrong[-1]) + 1 if len(wrong) else 0
    return first if first < len(true) else None
