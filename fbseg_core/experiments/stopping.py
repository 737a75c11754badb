"""Where rules stop a model's runs on some images, what that scores and costs, and what they go by.

A rule may go by the image, or by the clock alone: the decay makes every update small in time, and a state to
which updates of one size are added without end grows until each is small beside it. So each stop is held
against the step at which the rule would stop if every δ were the same, which the gains of the clock give, and
against the step from which on the image's mask is as good as final.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbseg_core.analysis.cost import Cost
from fbseg_core.config import Switches
from fbseg_core.experiments.common import COUNTED
from fbseg_core.experiments.thresholds import MARGIN
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.halting import LONGEST, RULES, Rule
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.metrics import confusion, mask_of, pooled_f1, score_by_step

READING = {name: rule for name, rule in RULES.items() if rule.kind != "fixed"}  # those that read the run
PART = 25  # images whose trajectories are held at once
NEAR = 1  # step by which a stop may differ from the clock's own, since that takes every δ to be the same


@dataclass(frozen=True)
class Runs:
    """Runs of B images for LONGEST steps. masks (LONGEST+1, B, H, W); stops: rule -> the step at which it
    fires on each image, (B,) int64, −1 where it never does."""

    masks: Tensor
    stops: Mapping[str, Tensor]

    def taken(self, rule: str) -> Tensor:
        """The steps that each image takes under a rule, (B,): LONGEST where it never fires."""
        return torch.where(self.stops[rule] < 0, len(self.masks) - 1, self.stops[rule])

    def answer(self, rule: str) -> Tensor:
        """The masks at which it stops, (B, H, W)."""
        steps = self.taken(rule)
        return self.masks[steps, torch.arange(len(steps))]


def runs_of(model: Model, x: Tensor, switches: Switches = AS_BUILT, longest: int = LONGEST) -> Runs:
    """Run images x (B, C, H, W) from rest, a few at a time, and ask each rule where it would stop them."""
    masks, stops = [], []
    for some in x.split(PART):
        trajectory = rollout(model, some, longest, switches=switches)
        masks.append(mask_of(trajectory.logits).cpu())
        stops.append({name: rule.stop(trajectory).cpu() for name, rule in RULES.items()})
    return Runs(torch.cat(masks, 1), {name: torch.cat([each[name] for each in stops]) for name in RULES})


def scored(answer: Tensor, taken: Tensor, labels: Tensor, price: Cost, looks: bool) -> dict[str, Any]:
    """Pooled F1 of masks `answer` (B, H, W), the steps `taken` (B,): mean, least, most; and what they cost.

    macs: multiply-adds an image in millions, mean. A rule that looks at the mask pays for a readout at t = 0
    and after each step, another for the last alone; ‖Δh‖ itself is not counted.
    """
    counts = confusion(answer, labels, 2)
    steps = float(taken.float().mean())
    return {
        "f1": round(pooled_f1(counts), 4),
        "steps": round(steps, 3),
        "least": int(taken.min()),
        "most": int(taken.max()),
        "macs": round(price.run_macs(steps, steps + 1 if looks else 1) / 1e6, 4),
        "counts": {"f1": {name: getattr(counts, name)[:, 1].tolist() for name in COUNTED}},
    }


def looks(rule: str) -> bool:
    """Whether a rule, by its name, reads the mask after each step."""
    return rule in RULES and RULES[rule].kind == "mask"


def followed(
    runs: Runs, gains: Sequence[float], way: Tensor | None = None, longest: int = LONGEST
) -> dict[str, dict[str, Any]]:
    """Of each rule that reads the run, what its stops go by.

    fired: share of the images on which it fires. common: share at the commonest step, never counted as one.
    alone: the step that the clock alone would give, −1 for never, and near: share of the images within NEAR
    of it; None for a rule that reads the mask. done, way: rank correlation of the steps taken with those from
    which on the mask is as good as final, and with `way` (B,), the length of the way from the cue; None
    where either is the same for all images.
    """
    done, found = done_at(runs.masks), {}
    for name, rule in READING.items():
        stops = runs.stops[name]
        late = torch.where(stops < 0, longest + 1, stops)  # never is later than all
        alone = clock_alone(gains, rule) if rule.kind == "update" else None
        expected = longest + 1 if alone == -1 else alone
        near = None if alone is None else float(((late - expected).abs() <= NEAR).float().mean())
        found[name] = {
            "fired": round(float((stops >= 0).float().mean()), 4),
            "common": round(float(torch.bincount(late).max() / len(late)), 4),
            "alone": alone,
            "near": None if near is None else round(near, 4),
            "done": rank_correlation(late, done),
            "way": None if way is None else rank_correlation(late, way),
        }
    return found


def clock_alone(gains: Sequence[float], rule: Rule) -> int:
    """The step at which ‖Δh‖/‖h‖ < ε first holds if every δ is the same, −1 if it never does.

    gains: what step t multiplies δ(t) by (E4), t = 0, 1, …. Then h(t+1) is δ times their sum so far, and the
    relative update is the last of them over that sum, whatever the image.
    """
    sums = np.cumsum(gains)
    small = np.flatnonzero(np.asarray(gains) < rule.value * sums)
    return int(small[0]) + 1 if len(small) else -1


def done_at(masks: Tensor) -> Tensor:
    """The first step from which on each mask stays within MARGIN, in F1, of the last one: (B,) int64.

    masks (T+1, B, H, W).
    """
    same, _ = score_by_step(masks, masks[-1:].expand_as(masks), 2)
    steps = torch.arange(1, len(masks) + 1)[:, None]
    return (steps * (same < 1 - MARGIN)).amax(0)


def rank_correlation(a: Tensor, b: Tensor) -> float | None:
    """Spearman's rank correlation of a and b (B,), equals sharing their mean rank; None where either is
    constant."""
    from scipy.stats import rankdata  # over a second to import

    ranks = [rankdata(one.numpy()) for one in (a, b)]
    if any(np.ptp(one) == 0 for one in ranks):
        return None
    return round(float(np.corrcoef(*ranks)[0, 1]), 4)
