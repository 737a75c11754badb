"""Variants of a model on one image, step by step and judged: what is worth keeping of whole trajectories.

A run of 60 steps at 64 px holds 40 MB; a `Walk`, two of them summed up, about 2 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fbseg_core.analysis.curves import answer_curves, state_curves
from fbseg_core.analysis.describe import Conclusion, Verdict, clock_name, sentence, with_clock
from fbseg_core.analysis.pca import Projection, fit_plane
from fbseg_core.analysis.stability import gains, judge, judge_run, same_steps
from fbseg_core.analysis.verdicts import SHORTEST
from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import State, Trajectory, join, rollout
from fbseg_core.scores.metrics import mask_of
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Batch

SAMPLED = 16  # pixels of h kept along each side, for the plane


@dataclass(frozen=True)
class Leg:
    """One image's run over T steps, and the verdicts on it.

    curves, each (T+1,): norm ‖h‖, delta ‖δ‖ undamped, applied ‖δ̃‖, update ‖Δh‖/‖h‖, gain (the largest that
    A allows), f1, iou, to_end ‖h(T) − h(t)‖. delta, applied, update and gain belong to the step that led to
    their entry; the first is NaN. masks (T+1, H, W) uint8 class indices; shape (T+1, H, W) uint8,
    255 times the probability that a pixel is not background; sample (T+1, U+V, 16, 16), h on a coarse grid;
    end (U+V, H, W), h at the last step. stopped: why the run ended early, or None. held: the step its clock
    is held from, None where it runs. state, mask: what the run comes to.
    """

    curves: dict[str, np.ndarray]
    masks: np.ndarray
    shape: np.ndarray
    sample: Tensor
    end: Tensor
    stopped: str | None
    held: int | None
    state: Verdict
    mask: Verdict

    def __len__(self) -> int:
        return len(self.masks) - 1

    @property
    def name(self) -> str:
        """Which run it is, by its clock."""
        return clock_name(self.held)

    @property
    def sentences(self) -> tuple[str, str]:
        """Its verdicts in words that name the run."""
        where = with_clock(self.held)
        return sentence(self.state, where), sentence(self.mask, where)


@dataclass(frozen=True)
class Walk:
    """One variant: with its clock running, and with the clock held from step `clock` on.

    state, mask: what the two legs come to together. All verdicts are `judge`'s, on what follows that step.
    """

    clocked: Leg
    frozen: Leg
    clock: int
    state: Conclusion
    mask: Conclusion

    def leg(self, frozen: bool) -> Leg:
        return self.frozen if frozen else self.clocked


def steps_judged(steps: int, clock: int) -> int:
    """How many of `steps` steps follow `clock`, at least as many as a verdict needs."""
    return max(steps - clock, SHORTEST)


def walk(
    model: Model,
    batch: Batch,
    steps: int = 60,
    clock: int = 0,
    switches: Switches = AS_BUILT,
    *,
    held: Leg | None = None,
    report: Callable[[int], object] | None = None,
) -> Walk:
    """Run the first image of a batch from rest, and judge it from step `clock` on.

    At least 8 steps are taken past `clock`. held: the run with the clock held, judged from that step on,
    where other switches gave it already (`runs_held_as`). report: as in `rollout`. Raises ConfigError for a
    feedforward model.
    """
    x, labels = batch.x[:1], batch.labels[:1]
    before = rollout(model, x, clock, None, switches, report=report)
    start, steps = before.state(-1), steps_judged(steps, clock)
    if held is not None:
        running = switches.replace(clock=None)
        after = rollout(model, x, steps, start, running, report=report)
        told = judge_run(model, after, running)
        clocked = _leg(model, join([before, after]), labels, switches, None, told)
        frozen = replace(held, held=start.t)
        return Walk(clocked, frozen, start.t, *_together(clocked, frozen, start.t))
    found = judge(model, x, start, steps, switches, report=report)
    state, mask = found.state, found.mask
    ways = (
        (found.clocked, None, state.running, mask.running),
        (found.frozen, found.clock, state.held, mask.held),
    )
    legs = [
        _leg(model, join([before, after]), labels, switches, held, verdicts)
        for after, held, *verdicts in ways
    ]
    return Walk(*legs, found.clock, state, mask)


def runs_held_as(model: Model, switches: Switches, other: Switches, steps: int) -> bool:
    """Whether a run with its clock held from rest on is that of `other`, and not its running one."""
    held, times = switches.replace(clock=0), range(steps + 1)
    return same_steps(model, held, other, times) and not same_steps(model, held, switches, times)


@torch.no_grad()
def state_at(model: Model, batch: Batch, at: int, switches: Switches = AS_BUILT) -> State:
    """The state of the first image's clocked run after `at` steps, to be perturbed or examined.

    Raises ConfigError where the run overflows by then or within two steps of it.
    """
    run = rollout(model, batch.x[:1], at + 2, None, switches)
    if run.stopped:
        raise ConfigError(f"At step {at} there is nothing to examine: {run.stopped}.")
    return run.state(at)


def shared_plane(legs: Sequence[Leg]) -> Projection:
    """The plane of two principal axes over all states of these runs of h, one run after the other."""
    return fit_plane(torch.cat([leg.sample for leg in legs]), 2)


def grid(size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of an image of size (H, W) that `Leg.sample` keeps."""
    rows, columns = (np.linspace(0, n - 1, min(SAMPLED, n)).round().astype(int) for n in size)
    return rows, columns


def _together(clocked: Leg, frozen: Leg, clock: int) -> tuple[Conclusion, Conclusion]:
    """What state and mask come to in two runs from rest, told apart as `judge` does."""
    scale = max(float(leg.curves["norm"].max()) for leg in (clocked, frozen)) or 1.0
    gap = float(torch.dist(clocked.end.double(), frozen.end.double()))
    share = float((clocked.masks[-1] != frozen.masks[-1]).mean())
    state = Conclusion(clocked.state, frozen.state, clock, gap / scale)
    return state, Conclusion(clocked.mask, frozen.mask, clock, share)


def _leg(
    model: Model,
    run: Trajectory,
    labels: Tensor,
    switches: Switches,
    held: int | None,
    verdicts: Sequence[Verdict],
) -> Leg:
    frames = len(run.h)
    answer = answer_curves(run.logits, labels.expand(frames, *labels.shape))
    curves = state_curves(run) | {key: answer[key] for key in ("f1", "iou")}
    gain = gains(model, run, switches).numpy()
    if held is not None:
        gain = np.where(np.arange(frames - 1) < held, gain, float(model.gain(held, switches).max()))
    end = run.h[-1, 0].double()
    curves["gain"] = np.concatenate([[np.nan], gain])
    curves["to_end"] = np.array([float((h[0].double() - end).norm()) for h in run.h])
    side = grid(run.h.shape[-2:])
    return Leg(
        curves,
        mask_of(run.logits[:, 0]).byte().cpu().numpy(),
        ((1 - run.probs[:, 0, 0]) * 255).round().byte().cpu().numpy(),
        run.h[:, 0][:, :, side[0]][..., side[1]].clone().cpu(),
        run.h[-1, 0].clone().cpu(),
        run.stopped,
        held,
        *verdicts,
    )
