"""How the loop's mask spreads on one image: when a pixel is marked, and how far along the region it lies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from fbseg_core import iterate
from fbseg_core.experiments.stopping import rank_correlation
from fbseg_core.models.base import Model
from fbseg_core.scores.metrics import mask_of
from fbseg_core.tasks import Batch
from fbseg_core.training.front import ways

STEPS = 20  # that the loop is run for
WINDOW = 5  # px: a part of the region is this large, so that no single pixel decides


@dataclass(frozen=True)
class Spread:
    """Of one image. steps (H, W): from which step on a pixel of the region is marked, 0 where it never is or
    outside. ways (H, W): px along the region from the dot, infinite outside. dot, last: pixels by number, row
    by row, of the dot and of the middle of the part that is marked last."""

    steps: Tensor
    ways: Tensor
    dot: int
    last: int

    def told(self, row: int, column: int) -> str:
        """What happens at a place, in a few words."""
        step, way = int(self.steps[row, column]), float(self.ways[row, column])
        return (
            f"marked at step {step}, {way:.0f} px along the region from the dot" if step else "never marked"
        )

    @property
    def correlation(self) -> float | None:
        """Spearman's rank correlation of step and way over what is marked; None where either is constant."""
        there = self.steps > 0
        return rank_correlation(self.steps[there], self.ways[there])


@torch.no_grad()
def spread(net: Model, batch: Batch, cue_channel: int) -> Spread:
    """Follow the loop on a batch of one image of grouping."""
    states = islice(iterate(net, batch.x), 1, STEPS + 1)
    masks = torch.cat([mask_of(net.readout(state.h)) for state in states])  # (STEPS, H, W)
    held = masks.flip(0).cummin(0).values.sum(0)  # steps at the end for which it stays marked
    there = (held > 0) & (batch.labels[0] == 1)
    steps = torch.where(there, STEPS + 1 - held, 0)
    dot = int(batch.x[0, cue_channel].argmax())
    return Spread(steps, ways(batch, cue_channel)[0], dot, last_part(steps))


def later_is_brighter(steps: Tensor) -> Tensor:
    """A map to be drawn, (H, W): black where nothing is marked, and set off from that already at step 1."""
    return torch.where(steps > 0, steps + 0.5 * steps.max(), 0)


def last_part(steps: Tensor) -> int:
    """The number of the pixel about which the marked ones have the latest steps, on average of a WINDOW."""
    kernel = torch.ones(1, 1, WINDOW, WINDOW)
    total, count = (
        F.conv2d(one.float()[None, None], kernel, padding=WINDOW // 2)[0, 0] for one in (steps, steps > 0)
    )
    return int(torch.where(steps > 0, total / count.clamp_min(1), -1.0).argmax())
