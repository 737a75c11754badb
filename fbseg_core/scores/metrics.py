"""Scores of a segmentation, all of them lines on one confusion count.

Empty masks: where neither the prediction nor the truth has a pixel of a class, the prediction is right,
and F1 and IoU are 1; where only one of them has, both are 0. No score is ever NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


def mask_of(logits: Tensor) -> Tensor:
    """The class (…, H, W) int64 of each pixel of logits (…, K, H, W), the first of equals.

    What argmax gives, in a twentieth of its time: on CPUs it is slow along an axis that is not the last.
    """
    return logits.max(-3).indices


class Counts(NamedTuple):
    """Pixels by outcome, each (B, K) int64: image by image, class by class."""

    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor

    def pooled(self) -> Counts:
        """All images as one, each (1, K)."""
        return Counts(*(count.sum(0, keepdim=True) for count in self))


def confusion(predicted: Tensor, labels: Tensor, classes: int) -> Counts:
    """Count for class indices predicted and labels (B, H, W) int64 in [0, classes); void, 255, counts not."""
    if predicted.shape != labels.shape:
        raise ValueError(
            f"predicted {tuple(predicted.shape)} and labels {tuple(labels.shape)} differ in shape"
        )
    pairs = (labels * classes + predicted).flatten(1)
    offset = torch.arange(len(pairs), device=pairs.device)[:, None] * classes**2
    seen = (labels != 255).flatten(1)
    table = torch.bincount((pairs + offset)[seen], minlength=len(pairs) * classes**2)
    table = table.view(len(pairs), classes, classes)  # image, true class, predicted class
    tp = table.diagonal(dim1=1, dim2=2)
    fp, fn = table.sum(1) - tp, table.sum(2) - tp
    return Counts(tp, fp, fn, table.sum((1, 2))[:, None] - tp - fp - fn)


def f1(counts: Counts) -> Tensor:
    """F1 (Dice) 2tp / (2tp + fp + fn), (B, K) float64."""
    return _share(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def iou(counts: Counts) -> Tensor:
    """Intersection over union tp / (tp + fp + fn), (B, K) float64."""
    return _share(counts.tp, counts.tp + counts.fp + counts.fn)


def foreground(score: Tensor) -> Tensor:
    """Mean of a score (B, K) over the classes other than the background, (B,)."""
    return score[:, 1:].mean(1)


def score_by_step(masks: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Foreground F1 and IoU of each image at each step, both (N, B), from masks and labels (N, B, H, W)."""
    counts = confusion(masks.flatten(0, 1), labels.flatten(0, 1), classes)
    return tuple(foreground(score(counts)).unflatten(0, masks.shape[:2]) for score in (f1, iou))


def f1_over_time(logits: Tensor, labels: Tensor) -> Tensor:
    """Foreground F1 of each image at each step, (T+1, B), from logits (T+1, B, K, H, W)."""
    masks = mask_of(logits)
    return score_by_step(masks, labels.expand_as(masks), logits.shape[2])[0]


def chance(labels: Tensor, classes: int = 2) -> float:
    """Pooled foreground F1 of the better of two constant answers: all background, or all one class.

    With two classes this is 2p/(1+p), p the shape's share of the pixels of labels (B, H, W); 1 without any.
    """
    constants = [torch.full_like(labels, k) for k in range(classes)]
    return max(float(foreground(f1(confusion(c, labels, classes).pooled()))) for c in constants)


def entropy(probs: Tensor, dim: int = 2) -> Tensor:
    """Entropy of each pixel's class probabilities, in bits; `dim` is the class axis, which is dropped."""
    return torch.special.entr(probs).sum(dim) / torch.tensor(2.0).log()


def flips(masks: Tensor) -> Tensor:
    """Pixels whose label changed in step t, (T+1, B) int64, from labels masks (T+1, B, H, W); 0 at t = 0."""
    changed = (masks[1:] != masks[:-1]).flatten(2).sum(2)
    return torch.cat([changed.new_zeros(1, masks.shape[1]), changed])


def commit_time(masks: Tensor) -> Tensor:
    """The last step, as seen from step t, at which each pixel changed its label; 0 if it never did.

    masks and the result are (T+1, B, H, W) int64. A pixel whose value is t itself has just flipped.
    """
    steps = torch.arange(len(masks), device=masks.device).view(-1, 1, 1, 1)
    changed = torch.zeros_like(masks)
    changed[1:] = (masks[1:] != masks[:-1]) * steps[1:]
    return changed.cummax(0).values


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part.double() / whole.clamp_min(1).double(), 1.0)
