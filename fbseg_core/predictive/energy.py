"""What predictive coding makes small: the energy, term by term, and the errors that it is made of.

E = ½Σ π (x − U∗r)² + ½ π₁ ‖r − W∗s‖² + ½ Σ π_y (y − V∗r)² + λ‖r‖₁ + ½ β‖s‖², with r ≥ 0. A precision is a
number, or a map that says of each pixel how far its error counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from fbseg_core.config import PredictiveConfig
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.scores.metrics import VOID


@dataclass(frozen=True)
class Senses:
    """What is given while r and s are sought, and how far it is trusted.

    x (B, C, H, W). y (B, K−1, H, W), or None where no label is shown: V∗r is then only a prediction. pi and
    pi_label: numbers, or maps that broadcast to x and y, none of them below 0. pi_top: a number.
    """

    x: Tensor
    y: Tensor | None
    pi: Tensor | float
    pi_top: float
    pi_label: Tensor | float

    @classmethod
    def of(cls, config: PredictiveConfig, x: Tensor, labels: Tensor | None = None) -> Self:
        """With the precisions of a model's settings. labels (B, H, W) int64; a void pixel says nothing."""
        if labels is None:
            return cls(x, None, config.pi, config.pi_top, 0.0)
        y = torch.stack([labels == k for k in range(1, config.classes)], 1).to(x.dtype)
        return cls(x, y, config.pi, config.pi_top, config.pi_label * (labels != VOID)[:, None].to(x.dtype))


@dataclass(frozen=True)
class Errors:
    """What is left of each prediction: image ε₀ (B, C, H, W), r ε₁ (B, features, h, w), label ε_y or None."""

    image: Tensor
    features: Tensor
    label: Tensor | None


@dataclass(frozen=True)
class Energy:
    """The terms of E, each (B,), for every image."""

    image: Tensor
    features: Tensor
    label: Tensor
    sparsity: Tensor
    shrink: Tensor

    @property
    def total(self) -> Tensor:
        """E, (B,)."""
        return self.image + self.features + self.label + self.sparsity + self.shrink


def errors(model: PredictiveCoding, senses: Senses, r: Tensor, s: Tensor) -> Errors:
    """ε₀ = x − U∗r, ε₁ = r − W∗s and ε_y = y − V∗r."""
    label = None if senses.y is None else senses.y - model.label(r)
    return Errors(senses.x - model.image(r), r - model.features(s), label)


def energy(model: PredictiveCoding, senses: Senses, r: Tensor, s: Tensor) -> Energy:
    """E at r (B, features, h, w) and s (B, causes, h', w')."""
    found = errors(model, senses, r, s)
    return energy_of(model.config, senses, found, r, s)


def energy_of(config: PredictiveConfig, senses: Senses, found: Errors, r: Tensor, s: Tensor) -> Energy:
    """E where the errors are known."""
    label = r.new_zeros(len(r)) if found.label is None else _half(senses.pi_label * found.label**2)
    return Energy(
        image=_half(senses.pi * found.image**2),
        features=_half(senses.pi_top * found.features**2),
        label=label,
        sparsity=config.sparsity * r.flatten(1).abs().sum(1),
        shrink=_half(config.shrink * s**2),
    )


def _half(squares: Tensor) -> Tensor:
    return squares.flatten(1).sum(1) / 2
