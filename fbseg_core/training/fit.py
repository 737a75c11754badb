"""Training: one backward pass an update, through the whole trajectory (E7) or as far as `losses` lets it.

`fit` is a generator. It yields after every update; its caller draws, prints, saves or stops. Everything
random in update k is drawn from (seed, k), so a run resumed at k goes on exactly as if never stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fbseg_core.config import ModelConfig, TaskConfig, TrainConfig
from fbseg_core.models.base import Model
from fbseg_core.scores.evaluate import Means, counts_by_step, means
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Batch, Content, make_batch, task_of
from fbseg_core.training.average import Average
from fbseg_core.training.examples import Examples, seed_of
from fbseg_core.training.losses import lipschitz_penalty, losses_of, objective

PROTOCOLS: dict[str, TrainConfig] = {
    # As the paper trains: each example ten times, one by one, nothing to help it.
    "paper": TrainConfig(
        examples=10,
        batch=1,
        epochs=10,
        lr=0.01,
        schedule="constant",
        warmup=0,
        clip=0.0,
        steps_min=5,
        steps_max=5,
    ),
    # The same budget and the same help for every model, so that only the loop differs.
    "matched": TrainConfig(
        examples=2,
        batch=2,
        updates=120,
        lr=0.01,
        schedule="cosine",
        warmup=10,
        clip=1.0,
        steps_min=5,
        steps_max=5,
        flips=True,
    ),
    # For loops that must settle: trajectories of random length, whose first third is free, so that
    # the state has time to spread and no step count of its own to rely on.
    "settling": TrainConfig(
        batch=8,
        updates=2000,
        lr=0.004,
        schedule="cosine",
        warmup=50,
        clip=1.0,
        steps_min=6,
        steps_max=14,
        loss_from=0.33,
        flips=True,
    ),
    # For a leaky state that comes to rest and holds what it has: a front from the cue as a moving target;
    # free steps before the trained ones; and images without a cue, of which nothing is to be marked.
    "rest": TrainConfig(
        batch=8,
        updates=1200,
        lr=0.004,
        schedule="cosine",
        warmup=50,
        clip=1.0,
        steps_min=5,
        steps_max=8,
        loss="front",
        loss_from=0.2,
        front_speedup=3.0,
        front_rest=1.0,
        flips=True,
        free=30,
        no_cue=0.1,
        average=0.99,
    ),
}

VALIDATION_IMAGES = 32


@dataclass
class TrainingState:
    """All that a run needs to go on: tensors by name, and plain numbers.

    model and optimiser are name → tensor; update counts the updates done; best and stale serve early
    stopping. The random state is (seed, update), from which every draw of an update is made. raw: the
    weights that learn, where `model` holds their running average; else empty.
    """

    update: int
    model: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    best: float = -math.inf
    stale: int = 0
    raw: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """One update. loss is the trained loss; losses (T,) that of each step; f1 (T+1,) the validation score
    from rest on, where one was taken, means with it. snapshot() copies all that is needed to resume."""

    update: int
    total: int
    loss: float
    losses: tuple[float, ...]
    grad_norm: float
    lr: float
    f1: tuple[float, ...] | None = None
    stopped: str | None = None
    snapshot: Callable[[], TrainingState] = field(repr=False, compare=False, default=None)
    means: Means | None = None


def fit(
    model: Model,
    task: TaskConfig,
    train: TrainConfig,
    resume: TrainingState | None = None,
    *,
    examples: Content | None = None,
    rate: Callable[[int], float] | None = None,
) -> Iterator[Progress]:
    """Train `model` in place; yield a Progress after each update.

    examples: `train.examples` clean images to train on in place of drawn ones. rate: update (from 0) →
    learning rate, asked anew before every update; the schedule's own if None. Neither is part of a
    snapshot: a resumed run goes on exactly only if its caller gives the same examples and rates again.

    Stop by closing the iterator. The model is in evaluation mode whenever the caller holds it. A loss or
    a gradient that is not finite ends the run with the reason in `stopped` and the last good weights.
    Raises ConfigError where model, task and examples do not fit together.
    """
    check_fit(model.config, task)
    smallest = (train.examples % train.batch or train.batch) if train.examples else train.batch
    lowest = [n >> model.config.depth for n in task.size]  # of the U-Net's levels, in px
    if model.config.norm == "batch" and smallest == 1 and lowest == [1, 1]:
        raise ConfigError("norm: batch norm needs more than one pixel at the lowest level; lower the depth.")
    optimiser = make_optimiser(model, train)
    names = {id(weight): name for name, weight in model.named_parameters()}
    first, best, stale = 0, -math.inf, 0
    if resume is not None:
        first, best, stale = resume.update, resume.best, resume.stale
        try:
            if _kinds(model.state_dict()) != _kinds(resume.model):
                raise ValueError
            model.load_state_dict(resume.model)
            _load_optimiser(optimiser, names, resume.optimiser)
        except (RuntimeError, KeyError, ValueError):
            raise ConfigError("resume: the saved run is of another model or optimiser.") from None
    reader = Examples(task, train, examples)
    rate = rate or partial(learning_rate, train)
    validation = None
    if train.eval_every:
        supply = task_of(task).supply(task, "test")
        images = VALIDATION_IMAGES if supply is None else min(VALIDATION_IMAGES, supply)
        validation = make_batch(task, images, seed_of(train.seed, 3), "test")

    average = Average(model, train.average, resume.raw if resume else {})
    for update in range(first, train.total):
        good = {name: value.clone() for name, value in model.state_dict().items()}
        for group in optimiser.param_groups:
            group["lr"] = rate(update)
        batch, steps = reader.batch(update)
        batch = batch.to(model.device)
        model.train()
        average.learn()
        losses, loss = _losses(model, batch, steps, train, update, reader.way(batch))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        limit = train.clip or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), limit))
        fault = _fault(losses, _expected(model, steps, train), norm)
        if fault is None:
            optimiser.step()
            finite = all(bool(torch.isfinite(value).all()) for value in model.state_dict().values())
            fault = None if finite else "the weights are no longer finite numbers"
        model.eval()
        if fault is None:
            average.show(update)
        else:
            model.load_state_dict(good)
        score = None
        if fault is None and validation is not None and (update + 1) % train.eval_every == 0:
            score = means(counts_by_step(model, validation, model.config.steps))
            best, stale = (score.f1[-1], 0) if score.f1[-1] > best else (best, stale + 1)
            if train.patience and stale >= train.patience:
                fault = f"no better validation score for {stale} evaluations"

        def snapshot(done=update + 1, best=best, stale=stale) -> TrainingState:
            state = {name: value.clone() for name, value in model.state_dict().items()}
            return TrainingState(
                done, state, _save_optimiser(optimiser, names), best, stale, average.snapshot()
            )

        yield Progress(
            update=update + 1,
            total=train.total,
            loss=float(loss.detach()),
            losses=tuple(losses.detach().tolist()),
            grad_norm=norm,
            lr=optimiser.param_groups[0]["lr"],
            f1=score and score.f1,
            means=score,
            stopped=fault,
            snapshot=snapshot,
        )
        if fault is not None:
            return


def check_fit(model: ModelConfig, task: TaskConfig) -> None:
    """Raise ConfigError unless the model takes the task's channels and gives its classes."""
    kind = task_of(task)
    for key, needed in (
        ("in_channels", len(kind.channel_names(task))),
        ("classes", len(kind.class_names(task))),
    ):
        if getattr(model, key) != needed:
            raise ConfigError(
                f"{key}: task {task.name!r} needs {needed}, the model has {getattr(model, key)}."
            )
    height, width = task.size
    if min(height, width) >> model.depth == 0:
        raise ConfigError(f"depth: an image of {height} × {width} px cannot be halved {model.depth} times.")


def make_optimiser(model: Model, train: TrainConfig) -> torch.optim.Optimizer:
    """The optimiser a TrainConfig names."""
    kind = torch.optim.AdamW if train.optimiser == "adamw" else torch.optim.Adam
    return kind(model.parameters(), lr=train.lr, weight_decay=train.weight_decay)


def learning_rate(train: TrainConfig, update: int) -> float:
    """The learning rate of an update (from 0): linear warm-up, then a cosine to zero, or constant."""
    if train.schedule == "constant":
        return train.lr
    if update < train.warmup:
        return train.lr * (update + 1) / (train.warmup + 1)
    left = max(train.total - train.warmup, 1)
    return train.lr * 0.5 * (1 + math.cos(math.pi * (update - train.warmup) / left))


def scale_at(changes: Sequence[tuple[int, float]], update: int) -> float:
    """The factor on the learning rate in force at an update (from 0).

    changes: (first update, factor) in the order they were made; of those that apply the last made holds.
    """
    return next((factor for first, factor in reversed(changes) if first <= update), 1.0)


def _losses(
    model: Model, batch: Batch, steps: int, train: TrainConfig, update: int, way: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The losses of the steps, and what is minimised."""
    losses, end = losses_of(model, batch, steps, train, update, way)
    loss = objective(losses, train)
    if train.lipschitz and end is not None:
        loss = loss + train.lipschitz * lipschitz_penalty(model, batch, end, seed_of(train.seed, 8, update))
    return losses, loss


def _expected(model: Model, steps: int, train: TrainConfig) -> int:
    """How many losses an update has that does not overflow."""
    if not model.traits.takes_steps or train.gradient == "fixed_point":
        return 1
    return min(steps, train.window) if train.gradient == "truncated" else steps


def _fault(losses: Tensor, expected: int, norm: float) -> str | None:
    if not torch.isfinite(losses).all():
        return "the loss is no longer a finite number; a smaller learning rate may help"
    if len(losses) < expected:
        return "the state overflowed within the trajectory; a smaller learning rate may help"
    if not math.isfinite(norm):
        return "the gradient is no longer a finite number; a smaller learning rate may help"
    return None


def _save_optimiser(optimiser: torch.optim.Optimizer, names: dict[int, str]) -> dict[str, Tensor]:
    return {
        f"{names[id(weight)]}/{key}": torch.as_tensor(value).clone()
        for weight, values in optimiser.state.items()
        for key, value in values.items()
    }


def _load_optimiser(
    optimiser: torch.optim.Optimizer, names: dict[int, str], saved: dict[str, Tensor]
) -> None:
    """Raises KeyError or ValueError for a state that is not one of Adam's on these weights."""
    weights: dict[str, Any] = {name: {} for name in names.values()}
    for full, value in saved.items():
        name, key = full.rsplit("/", 1)
        weights[name][key] = value.clone()
    by_name = {names[id(w)]: w for group in optimiser.param_groups for w in group["params"]}
    for name, values in weights.items():
        if values:
            moment = (by_name[name].shape, by_name[name].dtype)
            kinds = {"step": (torch.Size(), torch.float32), "exp_avg": moment, "exp_avg_sq": moment}
            if _kinds(values) != kinds or values["step"] < 0 or (values["exp_avg_sq"] < 0).any():
                raise ValueError(name)
            device = by_name[name].device
            optimiser.state[by_name[name]] = {
                key: value if key == "step" else value.to(device) for key, value in values.items()
            }


def _kinds(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (value.shape, value.dtype) for name, value in tensors.items()}
