"""Has a model settled on its answer, or was it merely switched off by its clock?

Under E4 every run comes to rest, because its gain does; that says nothing of F. So a run is judged by
what an undamped step would still do, and by going on from the same state with the clock frozen. With δ
instance-normalised (E3) the frozen map has no fixed point, whatever F is: ‖δ‖ cannot vanish, so the
state drifts for ever, while v̂ and the mask may well stand still. Hence two verdicts, state and mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fbseg_core.analysis.verdicts import SHORTEST, TOLERANCE, Verdict, mask_verdict, verdict
from fbseg_core.config import Switches
from fbseg_core.dynamics import AS_BUILT, Model
from fbseg_core.knobs import ConfigError
from fbseg_core.metrics import mask_of
from fbseg_core.rollout import State, Trajectory, rollout


@dataclass(frozen=True)
class Judgement:
    """A model's run from one state, continued twice: as it is, and with the clock frozen there.

    clocked, frozen: the two trajectories. state and mask are the verdicts to show: of the frozen run, or
    "switched off" where only the clock keeps the run still. The four they come from are beside them.
    """

    clocked: Trajectory
    frozen: Trajectory
    clock: int
    clocked_state: Verdict
    clocked_mask: Verdict
    frozen_state: Verdict
    frozen_mask: Verdict

    @property
    def state(self) -> Verdict:
        return _combine(self.clocked_state, self.frozen_state)

    @property
    def mask(self) -> Verdict:
        return _combine(self.clocked_mask, self.frozen_mask)

    def __str__(self) -> str:
        """All of it in words."""
        return (
            f"Clock running: {self.clocked_state} {self.clocked_mask} "
            f"Clock frozen at t = {self.clock}: {self.frozen_state} {self.frozen_mask}"
        )


def judge(
    model: Model,
    x: Tensor,
    start: State | None = None,
    steps: int = 60,
    switches: Switches = AS_BUILT,
    *,
    clock: int | None = None,
    image: int = 0,
    tolerance: float = TOLERANCE,
) -> Judgement:
    """Run on from `start` (rest if None) for `steps` ≥ 8 steps, clocked and frozen, and judge one image.

    x (B, C, H, W), `image` its row. The frozen run holds the clock at `clock`, or at start.t if None; hold
    it early enough that half its steps let a whole correction through, or a mask cannot be told settled.
    Raises ConfigError for a feedforward model, which has no map to iterate, and for fewer than 8 steps.
    """
    if model.config.kind == "feedforward":
        raise ConfigError("kind: a feedforward model takes one step, so there is nothing to settle.")
    if steps < SHORTEST:
        raise ConfigError(f"steps: a verdict needs at least {SHORTEST} steps, not {steps}.")
    start = start or State(0, model.initial(x))
    clock = start.t if clock is None else clock
    running, held = switches.replace(clock=None), switches.replace(clock=clock)
    clocked = rollout(model, x, steps, start, running)
    frozen = clocked if _timeless(model, clocked, switches, clock) else rollout(model, x, steps, start, held)
    return Judgement(
        clocked,
        frozen,
        clock,
        *_judge_run(model, clocked, running, image, tolerance),
        *_judge_run(model, frozen, held, image, tolerance),
    )


@torch.no_grad()
def gains(model: Model, trajectory: Trajectory, switches: Switches = AS_BUILT) -> Tensor:
    """The largest factor on δ among A's eigenvectors at each step of a trajectory, (T,) float64. (E4)"""
    times = range(trajectory.start, trajectory.start + len(trajectory))
    return torch.tensor([float(model.gain(t, switches).max()) for t in times], dtype=torch.float64)


def _timeless(model: Model, run: Trajectory, switches: Switches, clock: int) -> bool:
    """Whether a run is the same with the clock held: the gain is constant, and no statistics go by step."""
    held = model.gain(clock, switches.replace(clock=clock))
    times = range(run.start, run.start + len(run) + 1)  # the step that overflowed, too
    same = all(torch.equal(model.gain(t, switches.replace(clock=None)), held) for t in times)
    return same and model.config.norm != "batch"


def _judge_run(
    model: Model, run: Trajectory, switches: Switches, image: int, tolerance: float
) -> tuple[Verdict, Verdict]:
    allowed = gains(model, run, switches)
    shared = {"tolerance": tolerance, "stopped": run.stopped}
    return (
        verdict(run.h[:, image], allowed, undamped=run.residual[:, image], **shared),
        mask_verdict(mask_of(run.logits[:, image]), allowed, **shared),
    )


def _combine(clocked: Verdict, frozen: Verdict) -> Verdict:
    """The frozen run decides, unless only the clock keeps the run still, or drives it."""
    if clocked.name in ("diverging", "oscillating"):
        return clocked
    if clocked.quiet and not frozen.quiet:
        return replace(clocked, name="switched off", beneath=frozen.name)
    return frozen
