"""Has a model settled on its answer, or was it merely switched off by its clock?

Under E4 every run comes to rest, because its gain does; that says nothing of F. So two runs go on from one
state, with the clock running and with the clock held. Each has its own verdicts; only the two together tell
what has settled from what was switched off. With δ instance-normalised (E3) the held map has no fixed point,
whatever F is: ‖δ‖ cannot vanish, so the state drifts for ever, while v̂ and the mask may well stand still.
Hence verdicts on both, state and mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fbseg_core.analysis.describe import TOLERANCE, Conclusion, Verdict, sentence, with_clock
from fbseg_core.analysis.verdicts import SHORTEST, mask_verdict, verdict
from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import State, Trajectory, rollout
from fbseg_core.scores.metrics import mask_of
from fbseg_core.settings import ConfigError

GAIN_ALONE = dict.fromkeys(
    ("decay", "tau", "clock", "spectrum", "kernel")
)  # switches read by E4's gain alone


@dataclass(frozen=True)
class Judgement:
    """A model's run from one state, continued twice: as it is, and with the clock held at `clock`.

    clocked, frozen: the two trajectories. state, mask: what they come to together; the verdicts on each run
    are in them.
    """

    clocked: Trajectory
    frozen: Trajectory
    clock: int
    state: Conclusion
    mask: Conclusion

    def __str__(self) -> str:
        """The verdicts on both runs in words."""
        return " ".join(
            sentence(verdict, with_clock(clock))
            for clock, pair in (
                (None, (self.state.running, self.mask.running)),
                (self.clock, (self.state.held, self.mask.held)),
            )
            for verdict in pair
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
    report: Callable[[int], object] | None = None,
) -> Judgement:
    """Run on from `start` (rest if None) for `steps` ≥ 8 steps, clocked and frozen, and judge one image.

    x (B, C, H, W), `image` its row. The frozen run holds the clock at `clock`, or at start.t if None; hold
    it early enough that half its steps let a whole correction through, or a mask cannot be told settled.
    report: as in `rollout`, of both runs.
    Raises ConfigError for a feedforward model, which has no map to iterate, and for fewer than 8 steps.
    """
    if not model.traits.takes_steps:
        raise ConfigError("kind: a feedforward model takes one step, so there is nothing to settle.")
    if steps < SHORTEST:
        raise ConfigError(f"steps: a verdict needs at least {SHORTEST} steps, not {steps}.")
    start = start or State(0, model.initial(x))
    clock = start.t if clock is None else clock
    running, held = switches.replace(clock=None), switches.replace(clock=clock)
    clocked = rollout(model, x, steps, start, running, report=report)
    times = range(start.t, start.t + len(clocked) + 1)  # the step that overflowed, too
    frozen = clocked
    if not same_steps(model, running, held, times):
        frozen = rollout(model, x, steps, start, held, report=report)
    found = judge_run(model, clocked, running, image, tolerance)
    kept = found if frozen is clocked else judge_run(model, frozen, held, image, tolerance)
    ways = zip(found, kept, _apart(clocked, frozen, image))
    return Judgement(
        clocked, frozen, clock, *(Conclusion(one, other, clock, gap, tolerance) for one, other, gap in ways)
    )


@torch.no_grad()
def gains(model: Model, trajectory: Trajectory, switches: Switches = AS_BUILT) -> Tensor:
    """The largest factor on δ among A's eigenvectors at each step of a trajectory, (T,) float64. (E4)"""
    times = range(trajectory.start, trajectory.start + len(trajectory))
    return torch.tensor([float(model.gain(t, switches).max()) for t in times], dtype=torch.float64)


def same_steps(model: Model, one: Switches, other: Switches, times: Iterable[int]) -> bool:
    """Whether a model provably takes the same step at each of these times under either, bit for bit.

    So where they differ in what E4's gain is made of alone, and the gains are equal; with batch norm, whose
    statistics go by the clock, nothing is said.
    """
    if one.replace(**GAIN_ALONE) != other.replace(**GAIN_ALONE) or model.config.norm == "batch":
        return False
    return all(torch.equal(model.gain(t, one), model.gain(t, other)) for t in times)


def judge_run(
    model: Model, run: Trajectory, switches: Switches, image: int = 0, tolerance: float = TOLERANCE
) -> tuple[Verdict, Verdict]:
    """The verdicts on one image's state and mask along a run of at least 8 steps, taken with `switches`."""
    allowed = gains(model, run, switches)
    shared = {"tolerance": tolerance, "stopped": run.stopped}
    return (
        verdict(run.h[:, image], allowed, undamped=run.residual[:, image], **shared),
        mask_verdict(mask_of(run.logits[:, image]), allowed, **shared),
    )


def _apart(one: Trajectory, other: Trajectory, image: int) -> tuple[float, float]:
    """How far apart two runs of one image end: states by the largest ‖h‖, masks by their pixels."""
    states = [run.h[:, image].flatten(1) for run in (one, other)]
    scale = max(float(torch.linalg.vector_norm(h, dim=1, dtype=torch.float64).max()) for h in states) or 1.0
    masks = [mask_of(run.logits[-1, image]) for run in (one, other)]
    gap = float(torch.dist(states[0][-1].double(), states[1][-1].double()))
    return gap / scale, float((masks[0] != masks[1]).double().mean())
