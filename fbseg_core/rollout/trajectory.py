"""The one loop over time. Everything that steps a model, in training too, goes through `iterate`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise

import torch
from torch import Tensor

from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model


@dataclass(frozen=True)
class State:
    """h(t) (B, U+V, H, W), and how it was reached. Edit h, or continue on another x, to intervene.

    delta δ(t−1), applied δ̃(t−1), v_hat v̂(t−1) and error, as in StepResult, belong to the step that led
    here; None at a start.
    """

    t: int
    h: Tensor
    delta: Tensor | None = None
    applied: Tensor | None = None
    v_hat: Tensor | None = None
    error: Tensor | None = None


@dataclass(frozen=True)
class Trajectory:
    """A rollout of len(self) = T steps from time `start`.

    h (T+1, B, U+V, H, W) with h[0] the start; logits and probs (T+1, B, K, H, W); delta and applied
    (T, B, U+V, H, W); v_hat (T, B, V, H, W) or None with the loop cut; error δ(t) − h(t), alike, where the
    state leaks (E5'), None where δ itself is added. residual ‖δ(t)‖, or ‖δ(t) − h(t)‖ where the state leaks,
    and update ‖δ̃(t)‖ (T, B). u is the first u_channels of h, v its v_channels, all that follow u if None.
    stopped says why fewer steps than asked were taken, or is None.
    A small update does not mean that F is satisfied with the mask: for that look at the residual.
    """

    h: Tensor
    logits: Tensor
    delta: Tensor
    applied: Tensor
    v_hat: Tensor | None
    u_channels: int
    start: int = 0
    stopped: str | None = None
    v_channels: slice | None = None
    error: Tensor | None = None

    def __len__(self) -> int:
        return len(self.h) - 1

    @property
    def u(self) -> Tensor:
        return self.h[:, :, : self.u_channels]

    @property
    def v(self) -> Tensor:
        return self.h[:, :, self.v_channels or slice(self.u_channels, None)]

    @property
    def probs(self) -> Tensor:
        return self.logits.softmax(2)

    @property
    def residual(self) -> Tensor:
        return norm_by_step(self.delta if self.error is None else self.error)

    @property
    def update(self) -> Tensor:
        return norm_by_step(self.applied)

    @property
    def relative_update(self) -> Tensor:
        """‖h(t+1) − h(t)‖ / ‖h(t+1)‖, (T, B); 0 where the state is zero."""
        return norm_by_step(self.h[1:] - self.h[:-1]) / norm_by_step(self.h[1:]).clamp_min(1e-12)

    def state(self, index: int) -> State:
        """The state after `index` of these steps, to resume from or to edit."""
        index = range(len(self.h))[index]
        return State(self.start + index, self.h[index])


def iterate(
    model: Model, x: Tensor, start: State | None = None, switches: Switches = AS_BUILT
) -> Generator[State, None, str]:
    """The states from `start` (rest at t = 0 if None) on, itself first: lazy, endless, resumable.

    x (B, C, H, W). Ends after the last finite state; the generator's return value is then the reason.
    Image and start are brought to the model's device, and all states are there.
    """
    x = x.to(model.device)
    state = start or State(0, model.initial(x))
    if state.h.device != model.device:
        state = replace(state, h=state.h.to(model.device))
    prepared = model.prepare(x, switches)
    yield state
    h = state.h
    for t in count(state.t):
        h, *how = model.step(x, h, t, switches=switches, prepared=prepared)
        if not torch.isfinite(h).all():
            return f"the state is no longer a finite number at step {t + 1}"
        yield State(t + 1, h, *how)
    raise AssertionError("time is endless")


@torch.no_grad()
def rollout(
    model: Model,
    x: Tensor,
    steps: int | None = None,
    start: State | None = None,
    switches: Switches = AS_BUILT,
    *,
    report: Callable[[int], object] | None = None,
) -> Trajectory:
    """Take `steps` steps (the config's own number if None) and keep them all, without gradients.

    x (B, C, H, W). A rollout continued from any of its states equals the whole one bit for bit. It ends
    early, with the reason in `stopped`, at the last step whose state and logits are finite. report: called
    with t of each state that is reached; it may raise to give up.
    """
    steps = model.config.steps if steps is None else steps
    states, stopped = [], None
    states_of_time = iterate(model, x, start, switches)
    while len(states) <= steps:
        try:
            states.append(next(states_of_time))
        except StopIteration as end:
            stopped = end.value
            break
        if report is not None:
            report(states[-1].t)
    logits = model.readout(torch.stack([state.h for state in states]))
    finite = torch.isfinite(logits).flatten(1).all(1)
    if not finite.all():
        keep = max(int(finite.long().argmin()), 1)
        stopped = f"the logits are no longer finite numbers at step {states[0].t + keep}"
        states, logits = states[:keep], logits[:keep]
    h = torch.stack([state.h for state in states])
    moves = states[1:]
    empty = h[:0]
    looped = bool(moves) and moves[0].v_hat is not None
    leaks = bool(moves) and moves[0].error is not None
    return Trajectory(
        h=h,
        logits=logits,
        delta=torch.stack([state.delta for state in moves]) if moves else empty,
        applied=torch.stack([state.applied for state in moves]) if moves else empty,
        v_hat=torch.stack([state.v_hat for state in moves]) if looped else None,
        u_channels=model.config.u,
        start=states[0].t,
        stopped=stopped,
        v_channels=model.feedback_channels,
        error=torch.stack([state.error for state in moves]) if leaks else None,
    )


def join(parts: Sequence[Trajectory]) -> Trajectory:
    """Trajectories that follow one another as one; where two meet, the later one's start is kept.

    v_hat is zero in the steps whose loop was cut, and None where it was cut in all of them. Raises
    ValueError for parts that do not follow one another.
    """
    for before, after in pairwise(parts):
        if after.start != before.start + len(before):
            raise ValueError(
                f"a part ends at step {before.start + len(before)}, the next begins at {after.start}"
            )
    parts = [part for part in parts[:-1] if len(part)] + [parts[-1]]
    if len(parts) == 1:  # nothing to copy
        return parts[0]
    looped = next((part.v_hat for part in parts if part.v_hat is not None), None)
    if looped is not None:
        fed = [
            looped.new_zeros(len(part), *looped.shape[1:]) if part.v_hat is None else part.v_hat
            for part in parts
        ]
    return Trajectory(
        h=torch.cat([*(part.h[:-1] for part in parts[:-1]), parts[-1].h]),
        logits=torch.cat([*(part.logits[:-1] for part in parts[:-1]), parts[-1].logits]),
        delta=torch.cat([part.delta for part in parts]),
        applied=torch.cat([part.applied for part in parts]),
        v_hat=None if looped is None else torch.cat(fed),
        u_channels=parts[0].u_channels,
        start=parts[0].start,
        stopped=parts[-1].stopped,
        v_channels=parts[0].v_channels,
        error=_joined_errors(parts),
    )


def _joined_errors(parts: Sequence[Trajectory]) -> Tensor | None:
    """Of parts that leak; the others' δ is what they add."""
    if all(part.error is None for part in parts):
        return None
    return torch.cat([part.delta if part.error is None else part.error for part in parts])


def norm_by_step(tensor: Tensor) -> Tensor:
    """Euclidean norm (T, B) over all but the first two axes, in double precision, so it cannot overflow.

    Step by step: one call over all steps, converting on its way, gives the same bits in three times the time.
    """
    return torch.cat([torch.linalg.vector_norm(step.double(), dim=2) for step in tensor.flatten(2).split(1)])
