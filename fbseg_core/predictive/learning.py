"""Learning: at a settled state every synapse moves by what stands at its two ends, and by nothing else.

ΔU ∝ (π ε₀) rᵀ, ΔV ∝ (π_y ε_y) rᵀ, ΔW ∝ (π₁ ε₁) sᵀ: the error at its end times the activity at its start,
summed over all places that share the synapse. It is −∂E/∂(U, V, W), and nothing is propagated back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fbseg_core.config import PredictiveTrain
from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.inference import State, settle
from fbseg_core.predictive.model import PredictiveCoding


@dataclass(frozen=True)
class Updates:
    """Changes of the weights, of their shapes."""

    U: Tensor
    V: Tensor
    W: Tensor


def updates(model: PredictiveCoding, senses: Senses, state: State) -> Updates:
    """The local changes at a state, which are −∂E/∂U, −∂E/∂V and −∂E/∂W, summed over the images."""
    config, found = model.config, state.errors
    near = (config.kernel, config.stride)
    label = torch.zeros_like(model.V)
    if found.label is not None:
        label = _met(state.r, senses.pi_label * found.label, *near)
    return Updates(
        U=_met(state.r, senses.pi * found.image, *near),
        V=label,
        W=_met(state.s, senses.pi_top * found.features, config.kernel_top, config.stride_top),
    )


def learn(model: PredictiveCoding, senses: Senses, state: State, lr: float) -> None:
    """Change the weights in place by the local rules; U and W are then brought back to filters of norm 1.

    Each synapse takes the share lr of its change over the squared activity at its start: what is seldom
    active learns as fast as what is often so, from what the synapse itself can see.
    """
    found = updates(model, senses, state)
    for weight, change, activity, trust in (
        (model.U, found.U, state.r, _mean(senses.pi)),
        (model.V, found.V, state.r, _mean(senses.pi_label)),
        (model.W, found.W, state.s, senses.pi_top),
    ):
        power = (activity**2).sum((0, 2, 3)) * trust
        floor = power.mean().clamp_min(1e-12)  # of what is hardly ever active a single place says little
        weight += lr * change / (power + 0.05 * floor)[:, None, None, None]
    model.rescale()


@dataclass(frozen=True)
class Learned:
    """After an update: how many there were, and the mean energy of its images before it, for each pixel."""

    update: int
    energy: float


def fit(model: PredictiveCoding, draw: Callable[[int], Senses], train: PredictiveTrain) -> Iterator[Learned]:
    """Train a model in place, update by update. draw(k): the images of update k, shown with their labels."""
    for k in range(train.updates):
        senses = draw(k)
        state = settle(model, senses, model.config.steps)
        learn(model, senses, state, train.lr * min(1.0, 2 * (1 - k / train.updates)))
        yield Learned(k + 1, float(state.energy.total.mean()) / senses.x[0, 0].numel())


def _met(activity: Tensor, error: Tensor, kernel: int, stride: int) -> Tensor:
    """Σ over images and places of activity times error at each offset: (codes, channels, k, k)."""
    edge = (kernel - stride) // 2
    padded = torch.nn.functional.pad(error, (edge,) * 4)
    seen = padded.unfold(2, kernel, stride).unfold(3, kernel, stride)  # B, channels, h, w, k, k
    return torch.einsum("bfhw,bchwij->fcij", activity, seen)


def _mean(precision: Tensor | float) -> float:
    return float(torch.as_tensor(precision).mean())
