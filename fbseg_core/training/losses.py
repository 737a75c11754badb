"""What an update minimises, and how far back its gradient goes: the whole trajectory (E7), its last steps, or
the fixed point.

Back-propagation through the whole trajectory keeps every step's activations. Truncated, it keeps those of
the last `window` steps. At a fixed point h = g(h) the gradient is that of implicit differentiation, whose
memory does not depend on the steps taken (recurrent back-propagation: Almeida 1987, Pineda 1987; Linsley et
al. 2020, arXiv 2005.11362; Bai et al. 2019, arXiv 1909.01377).
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fbseg_core.config import TrainConfig
from fbseg_core.models.base import Model
from fbseg_core.rollout.trajectory import State, iterate
from fbseg_core.scores.metrics import VOID
from fbseg_core.tasks import Batch
from fbseg_core.training.class_losses import class_weights, dice_loss
from fbseg_core.training.examples import seed_of
from fbseg_core.training.front import Front

LARGEST_STRETCH = 0.9  # of a random change by a step, above which the Lipschitz penalty counts
DEFAULT = TrainConfig()
NOISE = 1.0  # deviation of the states that a noisy start draws, at each neuron


class Learned(NamedTuple):
    """losses (n,): that of each step that is learned from: cross-entropy, of weighted classes where `balance`
    is above 0, plus `dice` times the Dice loss. end: the last state, without gradients,
    None of a model that takes no steps."""

    losses: Tensor
    end: State | None


def losses_of(
    model: Model,
    batch: Batch,
    steps: int,
    train: TrainConfig = DEFAULT,
    update: int = 0,
    way: Tensor | None = None,
) -> Learned:
    """The losses that an update learns from, with gradients, in the order of time.

    steps: of the trajectory, after as many free ones as `train` and the update say. n = steps where the
    gradient goes through all of them, at most `window` where it is truncated, 1 at the fixed point; fewer
    where the state overflows. A model that takes no steps has one. The mean is over all pixels of the batch
    that are not void; without any it is 0. With ways from the cue (B, H, W) the losses are those of the
    moving target (`front`). Raises nothing: what is not finite is the caller's to see.
    """
    if not model.traits.takes_steps:
        logits = model(batch.x)
        weights = _weights(batch.labels, logits, train)
        loss = F.cross_entropy(logits, batch.labels, weights, ignore_index=VOID)
        loss = torch.where((batch.labels != VOID).any(), loss, 0.0)[None]  # else NaN
        return Learned(_with_dice(loss, logits[None], batch.labels, train), None)
    state, foreign = start_of(model, batch, train, update)
    front = None if way is None else Front(batch.labels, way, foreign, train, update)

    def learned(states: list[Tensor]) -> Tensor:
        return _of_states(model, states, batch.labels, train, front, state.t + 1)

    if train.gradient == "fixed_point":
        state = _onward(model, batch.x, state, steps - 1)
        return Learned(learned([_at_rest(model, batch.x, state, train.window)]), state)
    if train.gradient == "truncated":
        state = _onward(model, batch.x, state, max(steps - train.window, 0))
        steps = min(steps, train.window)
    h = [one.h for one in islice(iterate(model, batch.x, state), 1, steps + 1)]
    end = State(state.t + len(h), (h or [state.h])[-1].detach())
    return Learned(learned(h), end)


def objective(losses: Tensor, train: TrainConfig) -> Tensor:
    """What is minimised: the mean of the counted steps' losses (E7), or the last one."""
    if train.loss == "final":
        return losses[-1]
    return losses[int(train.loss_from * len(losses)) :].mean()


def start_of(model: Model, batch: Batch, train: TrainConfig, update: int) -> tuple[State, Tensor]:
    """Where an update's trajectory begins, without gradients, and which images (B,) were led elsewhere.

    Some images start from noise, or from the state that a loop was led to by another image of the batch, so
    that where a state comes from stops to matter (path independence, Anil et al. 2022, arXiv 2211.09961).
    Then come the free steps. Their number is drawn from 0 to `free`, which rises over the first sixth of the
    training. All is drawn from (seed, update).
    """
    rng = np.random.default_rng(seed_of(train.seed, 6, update))
    most = round(train.free * min(1.0, 6 * (update + 1) / train.total))
    free, before = (int(n) for n in rng.integers(0, most + 1, 2))
    kinds = rng.random(len(batch))  # of start, an image each
    other, noisy = kinds < train.start_other, kinds >= 1 - train.start_noise
    h = model.initial(batch.x)
    if other.any():
        rows = torch.from_numpy(np.flatnonzero(other)).to(h.device)
        shifted = batch.x.roll(1, 0)[rows]  # the image before each in the batch
        h[rows] = _onward(model, shifted, None, before).h
    if noisy.any():
        generator = torch.Generator().manual_seed(seed_of(train.seed, 7, update))
        rows = torch.from_numpy(np.flatnonzero(noisy)).to(h.device)
        drawn = NOISE * torch.randn(len(rows), *h.shape[1:], generator=generator)
        h[rows] = drawn.to(h)
    return _onward(model, batch.x, State(0, h), free), torch.from_numpy(other | noisy).to(h.device)


@torch.no_grad()
def _onward(model: Model, x: Tensor, state: State | None, steps: int) -> State:
    """The state so many steps on, without gradients, or the last finite one."""
    (last,) = deque(islice(iterate(model, x, state), steps + 1), 1)  # holds one state, whatever the steps
    return State(last.t, last.h)


def _at_rest(model: Model, x: Tensor, state: State, terms: int) -> Tensor:
    """One step on from a state near rest, whose gradient is that of the fixed point.

    With h = g(h, w) the gradient to w is (∂g/∂w)ᵀ (I − Jᵀ)⁻¹ ∂L/∂h, J = ∂g/∂h. The inverse is summed as a
    Neumann series, I + Jᵀ + Jᵀ² + …, of `terms` terms, which converges where J contracts.
    """
    onward = next(islice(iterate(model, x, state), 1, None), None)
    if onward is None:
        return state.h.new_full(state.h.shape, math.nan).requires_grad_()
    with torch.enable_grad():
        at = state.h.detach().clone().requires_grad_()
        again = model.step(x, at, state.t).h_next

    def summed(grad: Tensor) -> Tensor:
        total = term = grad
        for _ in range(terms - 1):
            (term,) = torch.autograd.grad(again, at, term, retain_graph=True)
            total = total + term
        return total

    onward.h.register_hook(summed)
    return onward.h


def _of_states(
    model: Model,
    states: list[Tensor],
    labels: Tensor,
    train: TrainConfig,
    front: Front | None,
    first: int,
) -> Tensor:
    """The loss of the answer read from each state (B, N, H, W), the first of them at step `first`."""
    if not states:
        return torch.full((1,), math.nan, device=model.device, requires_grad=True)
    logits = model.readout(torch.stack(states))  # (T, B, K, H, W)
    if front is not None:
        losses = torch.stack([front.loss(one, t) for t, one in enumerate(logits, first)])
        return losses + train.front_rest * front.moves(states, first) if train.front_rest else losses
    loss = F.cross_entropy(
        logits.flatten(0, 1),
        labels.expand(len(states), *labels.shape).flatten(0, 1),
        _weights(labels, logits, train),
        ignore_index=VOID,
        reduction="none",
    )  # 0 at void
    loss = loss.view(len(states), -1).sum(1) / (labels != VOID).sum().clamp_min(1)
    return _with_dice(loss, logits, labels, train)


def _weights(labels: Tensor, logits: Tensor, train: TrainConfig) -> Tensor | None:
    """What the classes of logits (…, K, H, W) weigh; None where all pixels weigh the same."""
    return class_weights(labels, logits.shape[-3], train.balance).to(logits) if train.balance else None


def _with_dice(losses: Tensor, logits: Tensor, labels: Tensor, train: TrainConfig) -> Tensor:
    """losses (T,) of logits (T, B, K, H, W), with the Dice loss where it is asked for."""
    return losses + train.dice * dice_loss(logits, labels) if train.dice else losses


def lipschitz_penalty(model: Model, batch: Batch, state: State, seed: int) -> Tensor:
    """How far a step from a state (B, N, H, W) stretches: mean over images of ((‖Jᵀw‖/‖w‖ − 0.9)⁺)².

    J = ∂h(t+1)/∂h(t), w a random direction of that seed, so that ‖Jᵀw‖² estimates the mean of J's squared
    singular values (Hoffman et al. 2019, arXiv 1908.02729). The w = 1 of Linsley et al. 2020 (arXiv
    2005.11362) would be blind under a norm over a pixel's channels, which makes them sum up to a constant.
    """
    h = state.h.detach().clone().requires_grad_()
    w = torch.randn(h.shape, generator=torch.Generator().manual_seed(seed)).to(h)
    onward = model.step(batch.x, h, state.t).h_next
    (back,) = torch.autograd.grad((onward * w).sum(), h, create_graph=True)
    stretch = back.flatten(1).norm(dim=1) / w.flatten(1).norm(dim=1)
    return F.relu(stretch - LARGEST_STRETCH).square().mean()
