"""A proof that a run converges, with its conditions, and a bound on how far it still is from its end.

Derivation. norm_delta gives channel c the values γ_c z + β_c, z its instance-normalised pixels: Σz = 0 and
Σz² = HW·var/(var + ε) ≤ HW. So Σ(γ_c z + β_c)² = γ_c² Σz² + 2γ_cβ_c Σz + HW β_c² ≤ HW (γ_c² + β_c²), and

    ‖δ(t)‖ ≤ R = √(HW Σ_c (γ_c² + β_c²))        at every t, whatever F, x and h are.        (E3)

Q is orthogonal, so δ̃ = Q e^{(t/τ)Σ} Qᵀ δ has ‖δ̃(t)‖ ≤ qᵗ R with q = e^{λ_max/τ}, λ_max the largest of A's
eigenvalues (E4). By the triangle inequality over the steps t … T−1 (E5)

    ‖h(T) − h(t)‖ ≤ R Σ_{s=t}^{T−1} qˢ = R (qᵗ − qᵀ)/(1 − q),

for q < 1 below R qᵗ/(1 − q) for every T: the states form a Cauchy sequence, so h(∞) exists, and the bound
holds for ‖h(∞) − h(t)‖. A fractional kernel (1 − t/T)^{α−1}/Γ(α), α ≥ 1, is at most 1/Γ(α), which is put into
R; it has no value past its horizon T, so the bound then is of the states up to h(T+1) and not of h(∞).

Normalised at each pixel, δ has the bound of `mechanisms.largest_norm`. Of a state that leaks (E5'), with
equal eigenvalues and from rest, h(t) is a weighted mean of 0 and of the δ before it, so ‖δ − h‖ ≤ 2R, and a
step is at most 2k qᵗ R: 2kR takes the place of R.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model

PROVES = (
    "The state converges, whatever the network computes and whatever the image: with the clock running, "
    "‖h(∞) − h(t)‖ ≤ R·qᵗ/(1−q)."
)
DOES_NOT_PROVE = (
    "That the end is right, or that the network is satisfied with it: the clock stops the state, not a "
    "restoring force. A perturbation is not undone, and a late one is never forgotten."
)


@dataclass(frozen=True)
class Certificate:
    """The bound on ‖h(T) − h(t)‖ for one model, image size and switches, or why there is none.

    holds: whether its conditions are met. reason: one sentence, why it holds or why it is withdrawn.
    radius: R, of the whole state in units of h; q: the decay of one step (both NaN if unknown). horizon: the
    last step it speaks of, None for every step and h(∞). epsilon: rounding unit of the state's numbers.
    """

    holds: bool
    reason: str
    radius: float = math.nan
    q: float = math.nan
    horizon: int | None = None
    epsilon: float = 0.0

    @property
    def proves(self) -> str:
        return PROVES if self.holds and self.horizon is None else self.reason

    @property
    def does_not_prove(self) -> str:
        return DOES_NOT_PROVE

    def bound(self, t: int, end: int | None = None) -> float:
        """The bound on ‖h(end) − h(t)‖, or on ‖h(∞) − h(t)‖ if end is None, in exact arithmetic.

        Raises ValueError where the certificate is withdrawn, end < t, or a step past the horizon is asked of.
        """
        if not self.holds:
            raise ValueError(self.reason)
        if not 0 <= t <= (math.inf if end is None else end):
            raise ValueError(f"the bound runs from a step t ≥ 0 to a later one, not from {t} to {end}")
        if self.horizon is not None and (end is None or end > self.horizon):
            raise ValueError(f"with the fractional kernel there is no step past {self.horizon}")
        sum_left = 1.0 if end is None else -math.expm1((end - t) * math.log(self.q))
        return self.radius * self.q**t * sum_left / (1 - self.q)

    def envelope(self, start: int, end: int, size: float | None = None) -> Tensor:
        """The bound on ‖h(end) − h(t)‖ for t = start … end, (end − start + 1,) float64, rounding allowed for.

        Each step rounds h by at most ε/2·‖h‖, and δ̃ in its own digits; `size` is the largest ‖h‖ of the run,
        R/(1 − q) if None, which bounds every run from rest.
        """
        size = self.radius / (1 - self.q) if size is None else size
        exact = [self.bound(t, end) * (1 + 16 * self.epsilon) for t in range(start, end + 1)]
        rounding = [(end - t) * self.epsilon / 2 * size for t in range(start, end + 1)]
        return torch.tensor(exact, dtype=torch.float64) + torch.tensor(rounding, dtype=torch.float64)


@torch.no_grad()
def certify(model: Model, size: tuple[int, int], switches: Switches = AS_BUILT) -> Certificate:
    """The certificate of a model on images of size (H, W) in px, under these switches.

    Raises ConfigError where the switches' spectrum does not fit the model.
    """
    if not model.traits.takes_steps:
        return Certificate(
            False, "A feedforward model takes one step: there is no sequence that could converge."
        )
    step = model.step_bound(switches)
    if math.isnan(step.q):
        return Certificate(False, step.reason)
    radius = math.sqrt(size[0] * size[1]) * step.scale
    horizon = None if step.last is None else step.last + 1
    return Certificate(True, step.reason, radius, step.q, horizon, torch.finfo(model.dtype).eps)
