"""The lesson on whole-trajectory against fixed-point learning: a loop of one number, where both are exact."""

from __future__ import annotations

import torch
from torch import Tensor

from pages.learn.outcome import Outcome

K, X, WANTED = 0.5, 1.0, 8.0  # h ← h + K (w h + X − h), which is to come to WANTED
W = 0.8  # of the loop that is asked about
RESTLESS = 1.2  # above 1 the loop moves away from its fixed point
LONG = 60  # steps that are drawn: a loop that rests has come to rest


def path(steps: float) -> Outcome:
    """The whole path's gradient over so many steps, as a share of the fixed point's; what each teaches."""
    T, at_rest = int(steps), fixed_point_gradient(W)
    share, later = (100 * whole_path_gradient(W, many) / at_rest for many in (T, LONG))
    told = (
        f"It is {share:.0f} %: in the first steps w has hardly had a say, and they count in the mean. After "
        f"{LONG} steps it is {later:.0f} %."
    )
    aim, best = 1 - X / WANTED, best_for_path(T)  # of the first the fixed point is WANTED
    rests = follow(aim, LONG)
    lines = {"by the fixed point": rests.tolist()}
    if best is not None:
        led = follow(best, LONG)
        then = "never comes to rest" if best >= 1 else f"comes to rest at {X / (1 - best):.1f}"
        told += (
            f" So the two teach different loops. To rest at {WANTED:g} takes w = {aim:g}; that loop is at "
            f"{float(rests[T]):.1f} after {T} steps. The path of {T} steps is nearest to {WANTED:g} with w = "
            f"{best:.2f}; that loop is at {float(led[T]):.1f} by then and {then}."
        )
        lines["by the whole path"] = [h for h in led.tolist() if h <= 4 * WANTED]
    formula, true = fixed_point_gradient(RESTLESS), whole_path_gradient(RESTLESS, 20)
    told += (
        f" The fixed point's way needs a loop that rests by itself: with w = {RESTLESS:g} it grows past "
        f"every bound, and the formula asks for a {_changed(formula)} w. The path's gradient over 20 steps "
        f"asks for a {_changed(true)} one; its price is that all 20 states are kept. The paper's loop has "
        "no such point: its δ is never 0 (lesson 7), only its clock stops it."
    )
    return Outcome(share, told, lines=lines, x="step", y=f"h, wanted {WANTED:g}")


def follow(w: float | Tensor, steps: int) -> Tensor:
    """h after 0 … `steps` steps from 0, (steps + 1, …), for weights w of any shape."""
    w = torch.as_tensor(w, dtype=torch.float64)
    states = [torch.zeros_like(w)]
    for _ in range(steps):
        states.append(states[-1] + K * (w * states[-1] + X - states[-1]))
    return torch.stack(states)


def whole_path_loss(w: float | Tensor, steps: int) -> Tensor:
    """Mean over the steps of ½ (h − WANTED)², of the shape of w."""
    return ((follow(w, steps)[1:] - WANTED) ** 2 / 2).mean(0)


def whole_path_gradient(w: float, steps: int) -> float:
    """∂/∂w of that, through all of its steps."""
    weight = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(whole_path_loss(weight, steps), weight)
    return float(found)


def fixed_point_gradient(w: float) -> float:
    """∂/∂w of ½ (h − WANTED)² at h = X / (1 − w), by implicit differentiation."""
    return (X / (1 - w) - WANTED) * X / (1 - w) ** 2


def best_for_path(steps: int) -> float | None:
    """The w ≥ 0 of the least loss over a path, to 0.005; None where w has no say, as in a single step."""
    weights = torch.arange(0, 40, 0.005, dtype=torch.float64)
    losses = whole_path_loss(weights, steps)
    return None if losses[0] == losses[-1] else float(weights[losses.argmin()])


def _changed(gradient: float) -> str:
    """What a step down the gradient makes of w."""
    return "larger" if gradient < 0 else "smaller"
