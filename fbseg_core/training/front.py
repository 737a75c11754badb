"""What a cue can have reached by each step, as a target that moves: not the whole answer from the start.

A loop that must mark a whole region at once learns to guess the region from its looks, and stays there. Told
to mark no farther than a front that runs out from the cue, and nothing that the front cannot have reached, it
has to pass the mark on from pixel to pixel, which is right in an image of any size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fbseg_core.config import TrainConfig
from fbseg_core.scores.metrics import VOID
from fbseg_core.tasks import Batch
from fbseg_core.tasks.grouping import geodesic

DELAY = 2  # steps before the slow front sets out: a state that leaks takes some to rise
FORGET = 8  # steps that a state led elsewhere has to drop what it holds
AHEAD = 3.0  # weight of a pixel that is marked too early, to that of one that is never to be marked
ARRIVED = 10  # steps after the slow front has reached everything, from which on a state is to be at rest
QUIET = 5e-4  # ‖Δh‖/‖h‖ that is rest enough: below it the direction of a move is rounding
SPEEDUP = (0.3, 0.8)  # share of the training at which the fronts begin and end to speed up
FEWEST = 20  # pixels that a mean is taken over at least, so that a dot alone does not weigh as a region


def ways(batch: Batch, cue_channel: int) -> Tensor:
    """From the cue to each pixel within the labelled region, px (B, H, W); infinite where none leads."""
    inside = (batch.labels != 0) & (batch.labels != VOID)
    found = geodesic(inside.cpu().numpy(), (batch.x[:, cue_channel] > 0.5).cpu().numpy())
    return torch.from_numpy(np.where(found < 0, np.inf, found)).to(batch.labels.device)


class Front:
    """The moving target of a batch: labels and ways, both (B, H, W).

    update: of the training, from 0. foreign (B,) bool: images whose state was led elsewhere before; what they
    hold may be anywhere, so nothing is too early in them, and what is wrong counts only after FORGET steps.
    """

    def __init__(self, labels: Tensor, way: Tensor, foreign: Tensor, train: TrainConfig, update: int) -> None:
        self.labels, self.way, self.foreign = labels, way, foreign.view(-1, 1, 1)
        grown = np.interp(update / train.total, SPEEDUP, (1.0, train.front_speedup))
        self.slow = train.front_slow * grown  # px a step
        self.fast = max(train.front_fast * grown, self.slow)

    def weights(self, t: int) -> tuple[Tensor, Tensor]:
        """Of pixels that must be marked at step t, and of those that must not be: both (B, H, W) ≥ 0."""
        void = self.labels == VOID
        inside = (self.labels != 0) & ~void
        marked = inside & (self.way <= self.slow * max(t - DELAY, 0))
        early = inside & (self.way > self.fast * t) & ~self.foreign
        wrong = (self.labels == 0) & ~(self.foreign & (t < FORGET))
        return marked.float(), wrong.float() + AHEAD * early.float()

    def moves(self, states: Sequence[Tensor], first: int) -> Tensor:
        """Mean ‖Δh‖/‖h‖ above QUIET over the images, 0 of those that the front has yet to fill.

        states (B, N, H, W) one step after the other, of which the second is that of step `first` + 1.
        """
        reach = torch.where(self.way.isfinite(), self.way, 0).amax((1, 2))
        steps = torch.arange(first + 1, first + len(states), device=reach.device)
        there = self.slow * (steps[:, None] - DELAY - ARRIVED) >= reach  # (T, B)
        h = torch.stack(list(states)).flatten(2)
        moves = (h[1:] - h[:-1]).norm(dim=2) / h[1:].detach().norm(dim=2)
        return ((moves - QUIET).clamp_min(0) * there).mean()

    def loss(self, logits: Tensor, t: int) -> Tensor:
        """Of the logits (B, K, H, W) at step t: the mean cross-entropy of the pixels to be marked and that of
        those not to be, half each, whatever their numbers."""
        marked, unmarked = self.weights(t)
        loss = F.cross_entropy(logits, torch.where(marked > 0, self.labels, 0), reduction="none")
        halves = [(loss * weight).sum() / weight.sum().clamp_min(FEWEST) for weight in (marked, unmarked)]
        return 0.5 * sum(halves)
