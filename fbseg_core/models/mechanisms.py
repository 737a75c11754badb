"""Mechanisms of the loop by name: how v is projected before it is fed back (E2), how updates are damped (E4),
what a step adds (E5, E5'), and over what a state is normalised.

Each table may be added to before a model is built that names the new entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

# name -> function of norm(v) (B, V, H, W); the result v̂ has the same shape (E2).
PROJECTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda v: v.softmax(1),
    "none": lambda v: v,
}

# name -> function (t, τ, eigenvalues of A (U+V,)) giving the gain along each eigenvector, (U+V,) (E4).
DECAYS: dict[str, Callable[[int, float, Tensor], Tensor]] = {
    "exponential": lambda t, tau, eigenvalues: torch.exp(t / tau * eigenvalues),
    "none": lambda t, tau, eigenvalues: torch.ones_like(eigenvalues),
}

# name -> function (h, δ), both (B, N, H, W), giving what a step adds before it is damped (E5, E5').
INTEGRATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": lambda h, delta: delta,
    "leaky": lambda h, delta: delta - h,
}


class PixelNorm(nn.Module):
    """Each pixel's channels to mean 0 and variance 1, then a scale and a shift a channel: (B, N, H, W) alike.

    Layer normalisation over the channels (Ba et al. 2016, arXiv 1607.06450). Unlike instance and group
    norm it reads no other pixel, so nothing depends on the size of the image.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, z: Tensor) -> Tensor:
        # faster on the CPU than layer_norm, which wants the channels last
        z = z - z.mean(1, keepdim=True)
        scale = (z.square().mean(1, keepdim=True) + self.eps).rsqrt()
        return z * scale * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


def state_norm(norm: str, channels: int) -> nn.Module:
    """What normalises δ (E3) and v (E2) under that ModelConfig.norm: each pixel's channels, or the image."""
    # GroupNorm with one channel a group is instance norm, at a fifth of its cost on CPUs.
    return PixelNorm(channels) if norm == "pixel" else nn.GroupNorm(channels, channels)


def largest_norm(norm: nn.Module) -> float:
    """The largest ‖z‖/√(H·W) that `state_norm` lets through, z (N, H, W), whatever comes in.

    Instance norm: Σ_c (γ_c² + β_c²), see `fbseg_core.analysis.certificate`. Of a pixel's N channels
    Σ z_c² ≤ N before the scale γ and the shift β, hence max|γ|·√N + ‖β‖ after.
    """
    gamma, beta = norm.weight.detach().double(), norm.bias.detach().double()
    if isinstance(norm, PixelNorm):
        return float(gamma.abs().max()) * math.sqrt(len(gamma)) + float(beta.norm())
    return math.sqrt(float((gamma.square() + beta.square()).sum()))


def fractional_kernel(t: int, steps: int, alpha: float) -> float:
    """The authors' weight (1 − t/T)^(α−1)/Γ(α). It depends on the horizon T and is NaN past it."""
    left = 1 - t / steps
    if left < 0 or (left == 0 and alpha < 1):
        return math.nan
    return left ** (alpha - 1) / math.gamma(alpha)
