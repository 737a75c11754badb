"""Runs followed for long, a step at a time: what their masks score, and whether the state comes to rest.

Nothing but masks is kept of a step, so 500 steps of a 96-px image are followed in little memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from fbseg_core.config import GroupingConfig, Switches
from fbseg_core.experiments.common import observe, rounded_all, seed_of_test
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import State, iterate
from fbseg_core.scores.metrics import confusion, mask_of, pooled_f1
from fbseg_core.tasks import Batch, make_batch

AT_REST = 1e-3  # ‖Δh‖/‖h‖ below which a state counts as at rest
SAME = 0.98  # F1 with the last mask from which on a mask is done
PART = 8  # images followed at once
OTHERS = 500  # from the seed of the test images to that of the images they are swapped for
JUDGED = 4  # images whose states are held at once, to be judged


@dataclass(frozen=True)
class Course:
    """B images followed for T steps. masks (T+1, B, H, W) uint8; moves (T, B): ‖Δh‖/‖h‖; end: h(T) on the
    CPU. A run that overflows stands still from there on, at an infinite move."""

    masks: Tensor
    moves: Tensor
    end: Tensor

    def f1(self, labels: Tensor, t: int) -> float:
        """Pooled F1 of the masks at step t with labels (B, H, W)."""
        return pooled_f1(confusion(self.masks[t].long(), labels, 2))

    def rested(self) -> Tensor:
        """The step from which on every move is small, (B,); −1 of a state that does not come to rest."""
        first = _since(self.moves < AT_REST)
        return torch.where(first < 0, -1, first + 1)

    def done(self) -> Tensor:
        """The step from which on the mask is as good as the last, (B,)."""
        last = self.masks[-1].bool()
        return _since(_overlap(self.masks.bool(), last) >= SAME)


def course(
    model: Model, x: Tensor, steps: int, start: Tensor | None = None, switches: Switches = AS_BUILT
) -> Course:
    """Follow images x (B, C, H, W) from states (B, N, H, W), or from rest."""
    parts = [
        _course(model, some, steps, None if start is None else start[i : i + PART], switches)
        for i, some in zip(range(0, len(x), PART), x.split(PART))
    ]
    masks, moves, ends = zip(*parts)
    return Course(torch.cat(masks, 1), torch.cat(moves, 1), torch.cat(ends))


@torch.no_grad()
def _course(
    model: Model, x: Tensor, steps: int, start: Tensor | None, switches: Switches
) -> tuple[Tensor, Tensor, Tensor]:
    h = model.initial(x) if start is None else start
    masks, moves = [_mask(model, h)], []
    for state in islice(iterate(model, x, State(0, h), switches), 1, steps + 1):
        change = (state.h - h).flatten(1).norm(dim=1) / state.h.flatten(1).norm(dim=1).clamp_min(1e-12)
        h = state.h
        masks.append(_mask(model, h))
        moves.append(change)
    lost = steps - len(moves)
    masks += masks[-1:] * lost
    moves += [torch.full((len(x),), torch.inf)] * lost
    return torch.stack(masks), torch.stack(moves), h


def _mask(model: Model, h: Tensor) -> Tensor:
    return mask_of(model.readout(h)).to(torch.uint8)


def _overlap(masks: Tensor, others: Tensor) -> Tensor:
    """F1 of masks (…, H, W) bool with others, image by image, (…); 1 of two that are empty."""
    both = (masks & others).flatten(-2).sum(-1)
    sizes = masks.flatten(-2).sum(-1) + others.flatten(-2).sum(-1)
    return torch.where(sizes > 0, 2 * both / sizes.clamp_min(1), 1.0)


def _since(holds: Tensor) -> Tensor:
    """The first index from which on (T, B) holds to the end, (B,); −1 where it does not at the end."""
    to_the_end = holds.flip(0).long().cumprod(0).sum(0)
    return torch.where(to_the_end > 0, len(holds) - to_the_end, -1)


def verdicts(
    model: Model, batch: Batch, steps: int, switches: Switches = AS_BUILT
) -> dict[str, dict[str, int]]:
    """How many states and masks come to what, by the names of `analysis.verdicts`."""
    states, masks = Counter(), Counter()
    for i in range(0, len(batch), JUDGED):
        seen = observe(model, Batch(batch.x[i : i + JUDGED], batch.labels[i : i + JUDGED]), steps, switches)
        states.update(seen["states"])
        masks.update(seen["masks"])
    return {"states": dict(states), "masks": dict(masks)}


def perturbed(model: Model, batch: Batch, at: int, steps: int, size: float, seed: int) -> dict[str, float]:
    """A change of `size` times ‖h‖ at step `at`, in a random direction: what is left of it after `steps`.

    left: distance to the same run without it, of the distance at first, mean over images. f1: pooled, after.
    """
    calm = course(model, batch.x, at).end
    noise = torch.randn(calm.shape, generator=torch.Generator().manual_seed(seed)).to(calm)
    scale = size * calm.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
    hit = course(model, batch.x, steps, calm + scale.view(-1, 1, 1, 1) * noise)
    onward = course(model, batch.x, steps, calm)
    away = (hit.end - onward.end).flatten(1).norm(dim=1) / (size * calm.flatten(1).norm(dim=1))
    return {
        "left": float(f"{float(away.mean()):.4g}"),
        "f1": round(hit.f1(batch.labels, steps), 4),
        "f1_calm": round(onward.f1(batch.labels, steps), 4),
    }


def swapped(
    model: Model, task: GroupingConfig, n: int, seed: int, at: int, after: Sequence[int]
) -> dict[str, list[float]]:
    """The image replaced at step `at`: pooled F1 on the new one so many steps `after`, and of fresh runs."""
    old, new = (make_batch(task, n, seed_of_test(seed) + shift, "test") for shift in (0, OTHERS))
    found = {}
    for name, start in (("swapped", course(model, old.x, at).end), ("fresh", None)):
        run = course(model, new.x, after[-1], start)
        found[name] = [round(run.f1(new.labels, t), 4) for t in after]
    return found


def path_independence(model: Model, batch: Batch, steps: int, starts: int, seed: int) -> dict[str, float]:
    """From rest, from the states that other images led to, and from noise: do the ends agree?

    agreement: F1 of each end's mask with that from rest, mean over images and the other starts; worst: the
    lowest of them; state: mean distance of the ends' states to that from rest, of its norm.
    """
    rest = course(model, batch.x, steps)
    generator = torch.Generator().manual_seed(seed)
    agreement, distance = [], []
    for k in range(1, starts):
        if k % 2:
            start = course(model, batch.x.roll(k, 0), 10 * k).end
        else:
            start = torch.randn(rest.end.shape, generator=generator).to(rest.end)
        found = course(model, batch.x, steps, start)
        agreement.append(_overlap(found.masks[-1].bool(), rest.masks[-1].bool()))
        distance.append((found.end - rest.end).flatten(1).norm(dim=1) / rest.end.flatten(1).norm(dim=1))
    agreement, distance = torch.stack(agreement), torch.stack(distance)
    return {
        "agreement": round(float(agreement.mean()), 4),
        "worst": round(float(agreement.min()), 4),
        "state": round(float(distance.mean()), 4),
    }


def timed(run: Course, batch: Batch) -> dict[str, list[Any]]:
    """Image by image: px of the longest way from the cue, step at which the mask is done, and at rest."""
    return {
        "way": rounded_all(batch.info["path_length"].tolist()),
        "done": run.done().tolist(),
        "rested": run.rested().tolist(),
    }
