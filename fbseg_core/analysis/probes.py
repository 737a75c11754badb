"""How a run responds to a perturbation; and the switches that take its stability mechanisms away."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import State, Trajectory, rollout
from fbseg_core.scores.metrics import mask_of
from fbseg_core.settings import ConfigError

# name -> what it sets; the four ways of the paper's Figure 6
ABLATIONS: dict[str, dict[str, bool]] = {
    "softmax, decay": {"softmax": True, "decay": True},
    "softmax only": {"softmax": True, "decay": False},
    "decay only": {"softmax": False, "decay": True},
    "neither": {"softmax": False, "decay": False},
}


@dataclass(frozen=True)
class Response:
    """Distance between a perturbed run and the same run unperturbed, step by step from the perturbation on,
    with the clock running and with it frozen at that step.

    clocked, frozen (S+1, B): ‖h_perturbed − h‖, first the perturbation's own size. clocked_mask, frozen_mask
    (S+1, B): share of pixels whose class differs. Shorter than asked where a run overflowed.
    """

    clocked: Tensor
    frozen: Tensor
    clocked_mask: Tensor
    frozen_mask: Tensor


def response(
    model: Model,
    x: Tensor,
    state: State,
    size: float,
    steps: int = 60,
    switches: Switches = AS_BUILT,
    *,
    direction: Tensor | None = None,
    seed: int = 0,
) -> Response:
    """Add a change of Euclidean length `size` to each image's h at `state`, and follow both runs.

    x (B, C, H, W). direction (U+V, H, W) or (B, U+V, H, W), of any length; random by `seed` if None. size is
    in the units of h: multiply a share by ‖h‖ for a relative perturbation. Raises ConfigError for a
    direction of length zero, as the leading eigenvector of a cut loop is.
    """
    if direction is None:
        direction = torch.randn(state.h.shape[1:], generator=torch.Generator().manual_seed(seed))
    direction = direction.to(state.h).expand_as(state.h)
    lengths = direction.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    if not (lengths > 0).all():
        raise ConfigError("direction: a perturbation needs a direction, and this one is zero.")
    perturbed = replace(state, h=state.h + size * direction / lengths)
    runs = []
    for clock in (None, state.t):
        how = switches.replace(clock=clock)
        runs += _apart(rollout(model, x, steps, state, how), rollout(model, x, steps, perturbed, how))
    return Response(runs[0], runs[2], runs[1], runs[3])


def _apart(one: Trajectory, other: Trajectory) -> tuple[Tensor, Tensor]:
    """Distance of states and share of mask pixels that differ, (S+1, B) float64 each, as far as both go."""
    both = min(len(one), len(other)) + 1
    gap = (one.h[:both] - other.h[:both]).flatten(2)
    masks = mask_of(one.logits[:both]) != mask_of(other.logits[:both])
    return torch.linalg.vector_norm(gap, dim=2, dtype=torch.float64), masks.flatten(2).double().mean(2)
