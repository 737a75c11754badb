"""Scores of a segmentation, all of them lines on one confusion count.

A pixel whose label is VOID is counted nowhere. A class is present where truth or answer holds a pixel of
it; means are taken over the foreground classes present, so that a class that is in neither does not count.
Without any foreground in both, "nothing there" was the right answer, and the mean is 1; where only one of
them has a class, its scores are 0. No score is ever NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

VOID = 255  # a label that says nothing of its pixel
COUNTED = 2**20  # pixels that are counted at once, which bounds the memory it takes


def mask_of(logits: Tensor) -> Tensor:
    """The class (…, H, W) int64 of each pixel of logits (…, K, H, W), the first of equals.

    What argmax gives, in a twentieth of its time: on CPUs it is slow along an axis that is not the last.
    """
    return logits.max(-3).indices


class Counts(NamedTuple):
    """Pixels by outcome, each (B, K) int64: image by image, class by class. Void pixels are in none."""

    tp: Tensor
    fp: Tensor
    fn: Tensor
    tn: Tensor

    @property
    def present(self) -> Tensor:
        """Whether truth or answer holds a pixel of the class, (B, K) bool."""
        return self.tp + self.fp + self.fn > 0

    def pooled(self) -> Counts:
        """All images as one, each (1, K)."""
        return Counts(*(count.sum(0, keepdim=True) for count in self))


def confusion(predicted: Tensor, labels: Tensor, classes: int) -> Counts:
    """Count for class indices predicted and labels (B, H, W) int64 in [0, classes), or VOID in labels."""
    return counts_of(tally(predicted, labels, classes))


def counts_of(table: Tensor) -> Counts:
    """The Counts (B, K) of a `tally` (B, K, K)."""
    tp = table.diagonal(dim1=1, dim2=2)
    fp, fn = table.sum(1) - tp, table.sum(2) - tp
    return Counts(tp, fp, fn, table.sum((1, 2))[:, None] - tp - fp - fn)


def tally(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Pixels by image, true class and predicted class, (B, K, K) int64; arguments as in `confusion`.

    It is counted where `predicted` is, and labels are brought there.
    """
    if predicted.shape != labels.shape:
        raise ValueError(
            f"predicted {tuple(predicted.shape)} and labels {tuple(labels.shape)} differ in shape"
        )
    labels = labels.to(predicted.device)
    at_once = max(COUNTED // max(labels[:1].numel(), 1), 1)
    parts = zip(predicted.split(at_once), labels.split(at_once))
    return torch.cat([_tally(mask, truth, classes) for mask, truth in parts])


def f1(counts: Counts) -> Tensor:
    """F1 (Dice) 2tp / (2tp + fp + fn), (B, K) float64; 1 for a class that is not present."""
    return _share(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn)


def iou(counts: Counts) -> Tensor:
    """Intersection over union tp / (tp + fp + fn), (B, K) float64; 1 for a class that is not present."""
    return _share(counts.tp, counts.tp + counts.fp + counts.fn)


def mean_f1(counts: Counts) -> Tensor:
    """Mean F1 of the foreground classes present, (B,); 1 where there is none."""
    return _mean(f1(counts), counts.present)


def mean_iou(counts: Counts) -> Tensor:
    """Mean IoU of the foreground classes present, (B,); 1 where there is none."""
    return _mean(iou(counts), counts.present)


def pooled_f1(counts: Counts) -> float:
    """Foreground F1 of all images as one."""
    return float(mean_f1(counts.pooled()))


def score_by_step(masks: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Foreground F1 and IoU of each image at each step, both (N, B), from masks and labels (N, B, H, W)."""
    steps = max(COUNTED // max(labels[:1].numel(), 1), 1)  # that are counted at once
    parts = [
        confusion(some.flatten(0, 1), truth.flatten(0, 1), classes)
        for some, truth in zip(masks.split(steps), labels.split(steps))
    ]
    counts = Counts(*map(torch.cat, zip(*parts)))
    return tuple(score(counts).unflatten(0, masks.shape[:2]) for score in (mean_f1, mean_iou))


def f1_over_time(logits: Tensor, labels: Tensor) -> Tensor:
    """Foreground F1 of each image at each step, (T+1, B), from logits (T+1, B, K, H, W)."""
    masks = mask_of(logits)
    return score_by_step(masks, labels.expand_as(masks), logits.shape[2])[0]


def chance(labels: Tensor, classes: int = 2) -> float:
    """Pooled foreground F1 of the better of two constant answers: all background, or all one class.

    With two classes this is 2p/(1+p), p the shape's share of the pixels of labels (B, H, W); 1 without any.
    """
    return chance_of(confusion(torch.zeros_like(labels), labels, classes))


def chance_of(counts: Counts) -> float:
    """`chance` from any counts on the same images: only how often each class is true matters."""
    true = (counts.tp + counts.fn).sum(0)
    same = torch.eye(len(true), dtype=true.dtype, device=true.device)  # answer, class
    constants = Counts(
        tp=same * true,
        fp=same * (true.sum() - true),
        fn=(1 - same) * true,
        tn=(1 - same) * (true.sum() - true),
    )
    return float(mean_f1(constants).max())


def entropy(probs: Tensor, dim: int = 2) -> Tensor:
    """Entropy of each pixel's class probabilities, in bits; `dim` is the class axis, which is dropped."""
    return torch.special.entr(probs).sum(dim) / torch.tensor(2.0).log()


def label_flips(masks: Tensor) -> Tensor:
    """Pixels whose label changed in step t, (T+1, B) int64, from labels masks (T+1, B, H, W); 0 at t = 0."""
    changed = (masks[1:] != masks[:-1]).flatten(2).sum(2)
    return torch.cat([changed.new_zeros(1, masks.shape[1]), changed])


def commit_time(masks: Tensor) -> Tensor:
    """The last step, as seen from step t, at which each pixel changed its label; 0 if it never did.

    masks and the result are (T+1, B, H, W) int64. A pixel whose value is t itself has just changed.
    """
    steps = torch.arange(len(masks), device=masks.device).view(-1, 1, 1, 1)
    changed = torch.zeros_like(masks)
    changed[1:] = (masks[1:] != masks[:-1]) * steps[1:]
    return changed.cummax(0).values


def _tally(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    bins = classes**2 + 1  # of an image: one for each pair, the last for what is void
    pairs = torch.where(labels == VOID, classes**2, labels * classes + predicted).flatten(1)
    pairs += torch.arange(len(pairs), device=pairs.device)[:, None] * bins
    table = torch.bincount(pairs.flatten(), minlength=len(pairs) * bins).view(len(pairs), bins)
    return table[:, :-1].unflatten(1, (classes, classes))


def _mean(score: Tensor, present: Tensor) -> Tensor:
    """Mean of a score (B, K) over the foreground classes present, (B,); 1 where there is none."""
    score, present = score[:, 1:], present[:, 1:]
    mean = (score * present).sum(1) / present.sum(1).clamp_min(1)
    return torch.where(present.any(1), mean, 1.0)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part.double() / whole.clamp_min(1).double(), 1.0)
