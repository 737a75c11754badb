"""When to stop: rules that read a run as it goes, and the one that Explore's "Stop by itself" follows.

A rule's name is how result files know it: "T = 10" stops after 10 steps, "‖Δh‖/‖h‖ < 0.1" after the first
step whose relative update is below 0.1, "mask steady 2" after the first two steps in a row that change no
label. A small update is not a satisfied model: under a decay every update becomes small in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fbseg_core.rollout.trajectory import Trajectory

LONGEST = 30  # steps after which the experiment gives up on a rule


@dataclass(frozen=True)
class Rule:
    """A kind of rule and its number: T in steps, ε, or the steps in a row that must change no label."""

    kind: Literal["fixed", "update", "mask"]
    value: float

    @property
    def name(self) -> str:
        return {"fixed": "T = {:g}", "update": "‖Δh‖/‖h‖ < {:g}", "mask": "mask steady {:g}"}[
            self.kind
        ].format(self.value)

    @property
    def reason(self) -> str:
        """Why it stopped, for the end of a sentence."""
        if self.kind == "mask":
            return f"mask unchanged for {self.value:g} step{'s' * (self.value > 1)}"
        return self.name

    def stop(self, trajectory: Trajectory) -> Tensor:
        """The step at which it stops each image of a run from rest, (B,) int64; −1 where it never does."""
        if self.kind == "fixed":
            reached = self.value <= len(trajectory)
            return trajectory.h.new_full(
                (trajectory.h.shape[1],), int(self.value) if reached else -1, dtype=torch.int64
            )
        if self.kind == "update":
            return _first(trajectory.relative_update < self.value, 1)
        k, masks = int(self.value), trajectory.logits.argmax(2)
        steady = (masks[1:] == masks[:-1]).flatten(2).all(2)  # (T, B)
        if len(steady) < k:
            return masks.new_full((masks.shape[1],), -1)
        return _first(torch.stack([steady[i : len(steady) - k + 1 + i] for i in range(k)]).all(0), k)


def _first(true: Tensor, steps: int) -> Tensor:
    """The first row (T, B) that is true plus `steps`, or −1 where none is, (B,)."""
    if not len(true):
        return true.new_full((true.shape[1],), -1, dtype=torch.int64)
    return torch.where(true.any(0), true.long().argmax(0) + steps, -1)


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        *(Rule("fixed", k) for k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30)),
        *(Rule("update", epsilon) for epsilon in (0.3, 0.2, 0.1, 0.05, 0.02, 0.01)),
        *(Rule("mask", k) for k in (1, 2, 3)),
    )
}

# Of the rules that read the run, the best by `experiments.halting_rows.best_rule` of the result that ships.
AUTO = RULES["mask steady 1"]


def stops(trajectory: Trajectory, limit: int = LONGEST) -> dict[str, Tensor]:
    """The step at which each rule stops each image of a rollout, (B,) int64, `limit` if it never does."""
    found = {name: rule.stop(trajectory) for name, rule in RULES.items()}
    return {name: torch.where(steps < 0, limit, steps).clamp_max(limit) for name, steps in found.items()}
