"""Inference: r and s move down the energy, the weights held.

r goes along Uᵀ(π ε₀) − π₁ ε₁ + π_y Vᵀ ε_y and is then thresholded, by λ and at 0; s goes along
π₁ Wᵀ ε₁ − β s. That is the proximal gradient method (ISTA; Beck and Teboulle 2009): with a step of at most
1/L, L a Lipschitz constant of the smooth part's gradient, the energy never rises.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from fbseg_core.predictive.energy import Energy, Errors, Senses, energy_of, errors
from fbseg_core.predictive.model import PredictiveCoding


@dataclass(frozen=True)
class State:
    """Where inference stands after t steps; prediction is U∗r (B, C, H, W)."""

    t: int
    r: Tensor
    s: Tensor
    prediction: Tensor
    errors: Errors
    energy: Energy


def infer(
    model: PredictiveCoding, senses: Senses, start: State | None = None, step: float | None = None
) -> Iterator[State]:
    """The states of inference, lazily and without end: first `start`, or r = 0 and s = 0.

    senses may differ from those of `start`: another image, or other precisions, under the same r and s.
    step: a share of the gradient; 1/L where it is not given. Raises ConfigError for images of a size that the
    model does not take.
    """
    config = model.config
    step = 1 / lipschitz(model, senses) if step is None else step
    if start is None:
        r, s = (senses.x.new_zeros(len(senses.x), *one) for one in model.shapes(tuple(senses.x.shape[2:])))
        t = 0
    else:
        r, s, t = start.r, start.s, start.t
    while True:
        found = errors(model, senses, r, s)
        yield State(t, r, s, senses.x - found.image, found, energy_of(config, senses, found, r, s))
        up, up_top = drive(model, senses, found, s)
        r = (r + step * (up - config.sparsity)).clamp_min(0)
        s = s + step * up_top
        t += 1


def settle(model: PredictiveCoding, senses: Senses, steps: int, start: State | None = None) -> State:
    """The state after so many more steps."""
    return next(islice(infer(model, senses, start), steps, None))


def drive(model: PredictiveCoding, senses: Senses, found: Errors, s: Tensor) -> tuple[Tensor, Tensor]:
    """What pulls at r and s: −∂/∂r and −∂/∂s of the energy's smooth part, all of it but λ‖r‖₁."""
    up = model.to_r(senses.pi * found.image, model.U) - senses.pi_top * found.features
    if found.label is not None:
        up = up + model.to_r(senses.pi_label * found.label, model.V)
    return up, model.to_s(senses.pi_top * found.features) - model.config.shrink * s


def lipschitz(model: PredictiveCoding, senses: Senses) -> float:
    """An upper bound L on the curvature of the energy's smooth part, for images of this size.

    The largest squared gain of [√π U; √π_y V], that of √π₁ [I, −W], which is at most π₁ (1 + that of W),
    and β. A convolution with zero borders is a part of one on a torus too large for it to meet itself, whose
    gain is that of its strongest frequency.
    """
    config = model.config
    size = tuple(side // config.stride for side in senses.x.shape[2:])
    pi, pi_label = (math.sqrt(float(torch.as_tensor(one).max())) for one in (senses.pi, senses.pi_label))
    both = torch.cat([pi * model.U, pi_label * model.V * (senses.y is not None)], 1)
    top = tuple(side // config.stride_top for side in size)
    gain = squared_gain(both, config.stride, size)
    found = gain + senses.pi_top * (1 + squared_gain(model.W, config.stride_top, top)) + config.shrink
    return max(found, 1e-6)  # where nothing is trusted, any step will do


def squared_gain(weight: Tensor, stride: int, size: tuple[int, int]) -> float:
    """The largest ‖weight∗code‖²/‖code‖² over codes of `size`, from above; weight (codes, C, k, k).

    Image pixels are sorted by their place within a stride: each such part is a plain convolution of the code,
    so at each frequency of the torus the whole is a matrix, whose largest singular value is its gain.
    """
    codes, channels, kernel, _ = weight.shape
    taps = -(-kernel // stride)
    padded = weight.new_zeros(codes, channels, taps * stride, taps * stride)
    padded[:, :, :kernel, :kernel] = weight
    parts = padded.unflatten(3, (taps, stride)).unflatten(
        2, (taps, stride)
    )  # codes, C, taps, stride, taps, stride
    parts = parts.permute(0, 1, 3, 5, 2, 4).reshape(codes, -1, taps, taps)
    torus = tuple(side + taps - 1 for side in size)
    found = (
        torch.fft.rfft2(parts.double(), s=torus).permute(2, 3, 0, 1).flatten(0, 1)
    )  # frequencies, codes, parts
    return float(torch.linalg.eigvalsh(found @ found.mH)[:, -1].max())
