"""The lesson on whole-trajectory against fixed-point learning: a loop of one number, where both are exact."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pages.learn.outcome import Outcome

K, X, WANTED = 0.5, 1.0, 8.0  # of `step`; h is to come to WANTED
W = 0.8  # of the loop that is asked about
RESTLESS = 1.2  # above 1 the loop moves away from its fixed point
LONG = 60  # steps that are drawn: a loop that rests has come to rest


def path(steps: float) -> Outcome:
    """The whole path's gradient over so many steps, as a share of the fixed point's; what each teaches."""
    T, rest = int(steps), at_rest(W)
    share, later = (100 * whole_path_gradient(W, many) / rest.gradient for many in (T, LONG))
    told = (
        f"The loop rests at {rest.h:g}, where ∂g/∂h = {rest.step_by_h:g} and ∂g/∂w = {rest.step_by_w:g}: the "
        f"fixed point's gradient is ({rest.h:g} − {WANTED:g}) · (1 − {rest.step_by_h:g})⁻¹ · "
        f"{rest.step_by_w:g} = {rest.gradient:.0f}. The path's is {share:.0f} % of it: in the first steps w "
        f"has hardly had a say, and they count in the mean. After {LONG} steps it is {later:.0f} %."
    ).replace("-", "−")
    aim, best = 1 - X / WANTED, best_for_path(T)  # of the first the fixed point is WANTED
    rests = follow(aim, LONG)
    lines = {"by the fixed point": rests.tolist()}
    if best is not None:
        led = follow(best, LONG)
        then = "never comes to rest" if best >= 1 else f"comes to rest at {X / (1 - best):.1f}"
        told += (
            f" So the two teach different loops. To rest at {WANTED:g} takes w = {aim:g}, at "
            f"{float(rests[T]):.1f} after {T} steps. The path of {T} steps is nearest to {WANTED:g} with w = "
            f"{best:.2f}, at {float(led[T]):.1f} by then; that loop {then}."
        )
        lines["by the whole path"] = [h for h in led.tolist() if h <= 4 * WANTED]
    formula, true = at_rest(RESTLESS).gradient, whole_path_gradient(RESTLESS, 20)
    told += (
        f" The formula needs a loop that rests by itself: with w = {RESTLESS:g}, which grows past every "
        f"bound, it asks for a {_changed(formula)} w. The path's gradient over 20 steps asks for a "
        f"{_changed(true)} one, and all 20 states are kept for it. The paper's loop has no such point: its δ "
        "is never 0 (lesson 7), only its clock stops it."
    )
    return Outcome(share, told, lines=lines, x="step", y=f"h, wanted {WANTED:g}")


def step(h: Tensor, w: Tensor) -> Tensor:
    """g(h, w): a step of the loop, h + K (w h + X − h), of any shape."""
    return h + K * (w * h + X - h)


def follow(w: float | Tensor, steps: int) -> Tensor:
    """h after 0 … `steps` steps from 0, (steps + 1, …), for weights w of any shape."""
    w = torch.as_tensor(w, dtype=torch.float64)
    states = [torch.zeros_like(w)]
    for _ in range(steps):
        states.append(step(states[-1], w))
    return torch.stack(states)


def whole_path_loss(w: float | Tensor, steps: int) -> Tensor:
    """Mean over the steps of ½ (h − WANTED)², of the shape of w."""
    return ((follow(w, steps)[1:] - WANTED) ** 2 / 2).mean(0)


def whole_path_gradient(w: float, steps: int) -> float:
    """∂/∂w of that, through all of its steps."""
    weight = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(whole_path_loss(weight, steps), weight)
    return float(found)


class AtRest(NamedTuple):
    """h = g(h, w), and there ∂L/∂h of L = ½ (h − WANTED)², ∂g/∂h and ∂g/∂w."""

    h: float
    loss_by_h: float
    step_by_h: float
    step_by_w: float

    @property
    def gradient(self) -> float:
        """dL/dw by implicit differentiation: dh/dw = ∂g/∂h dh/dw + ∂g/∂w, solved for dh/dw."""
        return self.loss_by_h * self.step_by_w / (1 - self.step_by_h)


def at_rest(w: float) -> AtRest:
    """The loop's fixed point, which it comes to where |w| < 1, or for w > 1 moves away from."""
    h, weight = (torch.tensor(one, dtype=torch.float64, requires_grad=True) for one in (X / (1 - w), w))
    by_h, by_w = torch.autograd.grad(step(h, weight), (h, weight))
    return AtRest(h.item(), h.item() - WANTED, by_h.item(), by_w.item())


def best_for_path(steps: int) -> float | None:
    """The w ≥ 0 of the least loss over a path, to 0.005; None where w has no say, as in a single step."""
    weights = torch.arange(0, 40, 0.005, dtype=torch.float64)
    losses = whole_path_loss(weights, steps)
    return None if losses[0] == losses[-1] else float(weights[losses.argmin()])


def _changed(gradient: float) -> str:
    """What a step down the gradient makes of w."""
    return "larger" if gradient < 0 else "smaller"
