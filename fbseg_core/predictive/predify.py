"""Prediction and error around a feedforward U-Net, in the manner of predify (Choksi et al. 2021,
arXiv 2106.04749).

The levels e₁ … e_L of the net's way down, with e₀ = x, each predict the level below: dₙ₋₁ = gₙ(eₙ). From one
ordinary pass on they move by

    eₙ(t+1) = β fₙ(eₙ₋₁(t+1)) + λ dₙ(t) + (1 − β − λ) eₙ(t) − α/Lₙ ∂εₙ₋₁(t)/∂eₙ,  εₙ₋₁ = ½‖eₙ₋₁ − dₙ₋₁‖²

with β the share of the feedforward drive fₙ, λ of feedback, the rest memory. Lₙ bounds the curvature of the
error, so that for α ≤ 1 its step alone never raises it; Choksi et al. scale it by sizes instead. Nothing
predicts the top level, which keeps λ's share of itself. The answer is read by the net's own way up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
import torch.nn.functional as F
from pydantic import model_validator
from torch import Tensor, nn

from fbseg_core.models.feedforward import FeedforwardUNet
from fbseg_core.settings import Config, setting


class Dials(Config):
    """β, λ and α of every level; memory is what β and λ leave. Choksi et al. tune them for each network."""

    feedforward: float = setting(0.6, "Share of what the level below drives, β.", lo=0.0, hi=1.0)
    feedback: float = setting(0.2, "Share of what the level above predicts, λ.", lo=0.0, hi=1.0)
    error: float = setting(
        0.2, "Step that lowers what a level's prediction misses, α, as a share of 1/L.", lo=0.0, hi=1.0
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.memory < -1e-9:
            raise ValueError("feedforward, feedback: together they are at most 1")
        return self

    @property
    def memory(self) -> float:
        """Share that a level keeps of itself, 1 − β − λ."""
        return 1 - self.feedforward - self.feedback


class Predified(nn.Module):
    """A feedforward U-Net, which stays as it is, and decoders gₙ from each level to the one below."""

    def __init__(self, net: FeedforwardUNet, seed: int) -> None:
        """seed: of the decoders' first weights; the caller's random numbers are left alone."""
        super().__init__()
        self.net = net.eval().requires_grad_(False)
        widths = [net.config.in_channels, *(net.config.width * 2**n for n in range(net.config.depth + 1))]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.decoders = nn.ModuleList(
                nn.Conv2d(above, below, 3, padding=1) for below, above in pairwise(widths)
            )

    def drive(self, n: int, below: Tensor) -> Tensor:
        """fₙ: the level n, from 1, that the net makes of the one below it."""
        f = self.net.F
        if n == 1:
            return f.enter(f.stem.activate(f.drive(below), 0, False), 0, False)
        first, second = f.down[n - 2]
        return second(first(F.max_pool2d(below, 2), 0, False), 0, False)

    def predict(self, n: int, level: Tensor, size: torch.Size) -> Tensor:
        """gₙ: what the level n predicts of the one below, whose height and width are `size`."""
        return self.decoders[n - 1](F.interpolate(level, size=size, mode="nearest"))

    def curvature(self, n: int, above: tuple[int, ...], below: tuple[int, ...]) -> float:
        """Lₙ, an upper bound on the squared gain of gₙ between these heights and widths.

        Of the convolution by Schur's test, its largest sums of |w| into one output and out of one input; of
        the enlargement the most pixels that one becomes.
        """
        sizes = self.decoders[n - 1].weight.detach().abs()
        repeats = math.prod(-(-to // size) for to, size in zip(below, above))
        return float(sizes.sum((1, 2, 3)).max() * sizes.sum((0, 2, 3)).max()) * repeats

    def levels(self, x: Tensor) -> list[Tensor]:
        """e₀ = x, e₁ … e_L of one ordinary pass: (B, C, H, W); each from e₂ on at half the size."""
        found = [x]
        for n in range(1, len(self.decoders) + 1):
            found.append(self.drive(n, found[-1]))
        return found

    def readout(self, levels: list[Tensor]) -> Tensor:
        """Class logits (B, K, H, W) by the net's own way up."""
        f, z = self.net.F, levels[-1]
        for (first, second), skip in zip(f.up, levels[-2:0:-1]):
            z = torch.cat([skip, F.interpolate(z, size=skip.shape[-2:], mode="nearest")], 1)
            z = second(first(z, 0, False), 0, False)
        return self.net.readout(self.net.norm_delta(f.out(z)))


@dataclass(frozen=True)
class Levels:
    """After t updates: e₀ … e_L; d₀ … d_{L−1}; ε₀ … ε_{L−1}, each (B,); and class logits (B, K, H, W)."""

    t: int
    levels: list[Tensor]
    predictions: list[Tensor]
    errors: list[Tensor]
    logits: Tensor


@torch.no_grad()
def predict_and_correct(model: Predified, x: Tensor, dials: Dials) -> Iterator[Levels]:
    """The states of x (B, C, H, W), lazily and without end: first the ordinary pass and the net's answer."""
    levels, t = model.levels(x), 0
    while True:
        predictions = [model.predict(n, levels[n], levels[n - 1].shape[-2:]) for n in range(1, len(levels))]
        errors = [(level - guess).square().flatten(1).sum(1) / 2 for level, guess in zip(levels, predictions)]
        yield Levels(t, levels, predictions, errors, model.readout(levels))
        new = [x]
        for n in range(1, len(levels)):
            expected = predictions[n] if n < len(predictions) else levels[n]
            down = _error_step(model, n, levels) if dials.error else 0.0
            new.append(
                dials.feedforward * model.drive(n, new[-1])
                + dials.feedback * expected
                + dials.memory * levels[n]
                - dials.error * down
            )
        levels, t = new, t + 1


def _error_step(model: Predified, n: int, levels: list[Tensor]) -> Tensor:
    """1/Lₙ ∂εₙ₋₁/∂eₙ, the level below held."""
    size = levels[n - 1].shape[-2:]
    with torch.enable_grad():
        level = levels[n].detach().requires_grad_()
        missed = levels[n - 1] - model.predict(n, level, size)
        slope = torch.autograd.grad(missed.square().sum() / 2, level)[0]
    return slope / model.curvature(n, level.shape[-2:], size)


def fit_decoders(
    model: Predified, draw: Callable[[int], Tensor], updates: int, lr: float = 0.01
) -> Iterator[float]:
    """Teach the decoders to predict, without labels, the net held; yields the error before each update.

    draw(k): the images (B, C, H, W) of update k. The error: ‖eₙ₋₁ − gₙ(eₙ)‖² / ‖eₙ₋₁‖², its mean over levels.
    """
    adam = torch.optim.Adam(model.decoders.parameters(), lr)
    for k in range(updates):
        with torch.no_grad():
            levels = model.levels(draw(k))
        missed = torch.stack([
            (below - model.predict(n, above, below.shape[-2:])).square().sum() / below.square().sum()
            for n, (below, above) in enumerate(pairwise(levels), 1)
        ]).mean()  # fmt: skip
        adam.zero_grad()
        missed.backward()
        adam.step()
        yield missed.item()
