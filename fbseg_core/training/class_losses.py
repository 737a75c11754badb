"""Losses that let rare classes count: weights of classes, and the Dice loss. Void pixels count nowhere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fbseg_core.scores.metrics import VOID


def class_weights(labels: Tensor, classes: int, power: float) -> Tensor:
    """What a pixel of each class weighs, (K,): its share of the pixels of labels (B, H, W) to minus `power`.

    At power 1 all classes weigh the same, at 0 all pixels. The weights are such that their mean over the
    pixels is 1; a class that has none weighs 0.
    """
    number = torch.bincount(labels[labels != VOID], minlength=classes).double()
    weights = torch.where(number > 0, number.clamp_min(1) ** -power, 0.0)
    mean = (weights * number).sum() / number.sum().clamp_min(1)
    return torch.where(mean > 0, weights / mean, 0.0)


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 minus the soft Dice of each class, its mean over the classes that labels hold, (T,).

    logits (T, B, K, H, W), labels (B, H, W). The Dice of a class is 2 Σ p·y / (Σ p + Σ y) over all pixels of
    the batch that are not void (Milletari et al. 2016, arXiv 1606.04797); 0 where all are void.
    """
    known = labels != VOID
    truth = F.one_hot(torch.where(known, labels, 0), logits.shape[2]).movedim(-1, 1) * known[:, None]
    probs = logits.softmax(2) * known[:, None]
    both, each = (probs * truth).sum((1, 3, 4)), (probs + truth).sum((1, 3, 4))  # T, K
    present = truth.sum((0, 2, 3)) > 0
    loss = (1 - 2 * both / each.clamp_min(1e-6)) * present
    return loss.sum(1) / present.sum().clamp_min(1)
