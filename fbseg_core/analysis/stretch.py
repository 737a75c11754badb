"""How far n steps stretch a small change at most: the largest singular value of ∂h(t+n)/∂h(t).

Eigenvalues say what becomes of a change in the end, not on the way: a matrix that shrinks every change in the
end may first stretch some a great deal. Where n steps stretch none, the n-step map contracts there. A loop
whose pixel norms have no largest slope has no bound on this that holds everywhere, so it is measured: at a
state, and at others around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fbseg_core.analysis.tangents import Linearised
from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import State
from fbseg_core.settings import ConfigError

SPANS = (1, 2, 4, 8, 16)
ITERATIONS = 8  # of the power iteration: from below, within a few per cent
Report = Callable[[int], object]  # told the passes done so far; may raise to stop


@dataclass(frozen=True)
class Stretch:
    """factors (len(spans), 1 + m): the largest stretch of a small change over so many steps, at the state and
    at m others around it, each found by power iteration and so from below. distance: of those others, as a
    share of the state's norm."""

    spans: tuple[int, ...]
    factors: Tensor
    distance: float

    @property
    def contracts_after(self) -> int | None:
        """The first of the spans over which no change was stretched at any of the states; None if none is."""
        worst = self.factors.amax(1)
        return next((span for span, factor in zip(self.spans, worst) if factor < 1), None)


def stretch(
    model: Model,
    x: Tensor,
    state: State,
    switches: Switches = AS_BUILT,
    *,
    spans: Sequence[int] = SPANS,
    others: int = 2,
    distance: float = 0.05,
    seed: int = 0,
    report: Report | None = None,
) -> Stretch:
    """Of x (1, C, H, W) at state.h (1, N, H, W), the clock held at state.t. others: how many more states are
    looked at, in random directions at `distance` times ‖h‖.

    Takes 2·ITERATIONS passes over each span at each state. Raises ConfigError for a model that takes no
    steps, or more than one image.
    """
    if not model.traits.takes_steps:
        raise ConfigError("kind: a feedforward model takes one step, so it has no map to examine.")
    if len(x) != 1 or len(state.h) != 1:
        raise ConfigError(f"x: the stretch is of one image at a time, not of {len(x)}.")
    held = switches.replace(clock=state.t if switches.clock is None else switches.clock)
    with torch.no_grad():
        prepared = model.prepare(x.to(model.device), held)
    generator = torch.Generator().manual_seed(seed)
    h = state.h.detach().to(model.device)
    places = [h]
    for _ in range(others):
        away = torch.randn(h.shape, generator=generator).to(h)
        places.append(h + distance * h.norm() / away.norm() * away)

    def onward(h: Tensor) -> Tensor:
        return model.step(x, h, state.t, switches=held, prepared=prepared).h_next

    done, rows = 0, []
    for span in spans:
        found = []
        for place in places:
            w = torch.randn(h.shape, generator=generator).to(h)
            factor = 0.0
            for _ in range(ITERATIONS):
                if report is not None:
                    report(done)
                factor, w = _iteration(onward, span, place, w / w.norm())
                done += 2
            found.append(factor)
        rows.append(found)
    return Stretch(tuple(spans), torch.tensor(rows), distance)


def passes(spans: Sequence[int] = SPANS, others: int = 2) -> int:
    """How many passes `stretch` takes, as its report counts them."""
    return 2 * ITERATIONS * len(spans) * (1 + others)


def _iteration(onward: Callable[[Tensor], Tensor], span: int, h: Tensor, w: Tensor) -> tuple[float, Tensor]:
    """‖Jw‖ of a unit change w over so many steps, and JᵀJw: one iteration towards J's largest singular value.

    Step by step: what is kept for one step is over twenty times the state.
    """
    states = []
    for _ in range(span):
        step = Linearised(onward, h)
        states.append(h)
        h, w = step.value, step.push(w)
    size = float(w.norm())
    for h in reversed(states):
        w = Linearised(onward, h).pull(w)
    return size, w
