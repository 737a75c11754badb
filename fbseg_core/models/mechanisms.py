"""Mechanisms of the loop by name: how v is projected before it is fed back (E2), how updates are damped (E4).

Either table may be added to before a model is built that names the new entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

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


def fractional_kernel(t: int, steps: int, alpha: float) -> float:
    """The authors' weight (1 − t/T)^(α−1)/Γ(α). It depends on the horizon T and is NaN past it."""
    left = 1 - t / steps
    if left < 0 or (left == 0 and alpha < 1):
        return math.nan
    return left ** (alpha - 1) / math.gamma(alpha)
