"""The paper's few-shot comparison: two runs that read the same examples with the same noise, and the changes
that turn the paper's feedforward baseline into one treated like the feedback model.

Under the `paper` protocol the two differ in more than the loop, as in the authors' code: their feedforward
U-Net has batch norm and no normalisation of its output, and their feedback model has another normalisation.
Our feedback model takes group norm there. A gap under that protocol is therefore not yet a gap due to
feedback: each change removes one of these other differences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fbseg_core.config import FewShotConfig, ModelConfig, ShapesConfig, TaskConfig, TrainConfig
from fbseg_core.scores.metrics import VOID
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Content, task_of
from fbseg_core.training.examples import are_labels
from fbseg_core.training.fit import PROTOCOLS

PAPER_TAU = 0.2  # the authors' default, in steps
# task -> the network its runs start from; the default one for a task that is not named.
BACKBONES: dict[str, ModelConfig] = {"grouping": ModelConfig(depth=1, v=8, tau=8.0)}


@dataclass(frozen=True)
class TrainingRun:
    """One model to train, under a name to show. Runs of a later turn wait for those of earlier ones."""

    name: str
    model: ModelConfig
    train: TrainConfig
    turn: int = 0


# name -> what one ablation step changes of a run. Each may be made alone, or with others.
CHANGES: dict[str, Callable[[TrainingRun], TrainingRun]] = {
    "group norm": lambda run: _with_model(run, norm="group"),
    "normalised output": lambda run: _with_model(run, delta_norm=True),
    # The feedback model learns from T losses an example, a feedforward one from a single one.
    "more updates": lambda run: _with_train(run, epochs=0, updates=run.train.total * run.train.steps_max),
}


def few_shot(task: TaskConfig, setup: FewShotConfig) -> tuple[TaskConfig, TrainingRun, TrainingRun]:
    """The task as the protocol shows it, the feedback run and the feedforward run.

    Both have one seed, batch size and schedule, so that update k of both reads the same examples, turned
    alike, with the same noise. Raises ConfigError for a task that is not known.
    """
    if setup.protocol == "paper" and isinstance(task, ShapesConfig):
        task = task.replace(normalise="minmax", rotate=False, border="cut")
    kind = task_of(task)
    train = PROTOCOLS[setup.protocol].replace(
        examples=setup.examples, steps_min=setup.steps, steps_max=setup.steps, seed=setup.seed
    )
    train = train.replace(batch=min(train.batch, setup.examples))
    if setup.updates:
        train = train.replace(epochs=0, updates=setup.updates)
    backbone = BACKBONES.get(task.name, ModelConfig())
    own_tau = PAPER_TAU if setup.protocol == "paper" else backbone.tau
    feedback = backbone.replace(
        in_channels=len(kind.channel_names(task)),
        classes=len(kind.class_names(task)),
        projection="softmax" if setup.softmax else "none",
        decay="exponential" if setup.decay else "none",
        tau=own_tau if setup.tau is None else setup.tau,
        steps=2 * setup.steps,
    )
    baseline = feedback.replace(kind="feedforward")
    if setup.protocol == "paper":
        baseline = baseline.replace(norm="batch", delta_norm=False)
    return task, TrainingRun("feedback", feedback, train), TrainingRun("feedforward", baseline, train)


def with_changes(run: TrainingRun, *names: str) -> TrainingRun:
    """The run with these changes, named after them. Raises ConfigError for one that is not in CHANGES."""
    name = run.name
    for change in names:
        if change not in CHANGES:
            raise ConfigError(f"change: {change!r:.60} is not one of {', '.join(CHANGES)}.")
        run = CHANGES[change](run)
        name = f"{name} + {change}"
    return TrainingRun(name, run.model, run.train, run.turn)


def open_changes(run: TrainingRun) -> tuple[str, ...]:
    """The names in CHANGES of those that would still alter the run."""
    return tuple(name for name, change in CHANGES.items() if change(run) != run)


def seeds(run: TrainingRun, k: int) -> tuple[TrainingRun, ...]:
    """The run over k seeds from its own on, one turn after the other, to see how much the seed decides."""
    first = run.train.seed
    return tuple(
        TrainingRun(
            f"{run.name}, seed {first + i}", run.model, run.train.replace(seed=first + i), run.turn + i
        )
        for i in range(k)
    )


def replace_example(examples: Content, row: int, one: Content) -> Content:
    """The examples with one of them replaced by the single image of `one`. Raises IndexError."""
    row = range(len(examples.labels))[row]
    clean, labels = examples.clean.clone(), examples.labels.clone()
    clean[row], labels[row] = one.clean[0], one.labels[0]
    info = {key: value.clone() for key, value in examples.info.items() if key in one.info}
    for key, value in info.items():
        value[row] = one.info[key][0]
    return Content(clean, labels, info)


def own_example(task: TaskConfig, labels: Tensor, clean: Tensor | None = None) -> Content:
    """One example of a visitor's own. labels (H, W) class numbers or void; clean (C, H, W), before noise.

    Without an image the drawing is its own: 1 where a class other than the background is, as the shapes task
    draws it. Raises ConfigError where sizes or classes do not fit the task, or where the task needs an image
    of its own: one whose images show more than a drawing holds.
    """
    kind, size = task_of(task), task.size
    channels, classes = len(kind.channel_names(task)), len(kind.class_names(task))
    if labels.shape != size or labels.is_floating_point() or labels.is_complex():
        raise ConfigError(f"labels: expected whole numbers of shape {size}.")
    labels = labels.to(torch.int64)
    if not are_labels(labels, classes):
        raise ConfigError(f"labels: classes run from 0 to {classes - 1}; {VOID} is void.")
    if clean is None:
        if not kind.drawable or kind.has_cue(task):
            raise ConfigError(
                f"image: task {task.name!r} needs one with channels {kind.channel_names(task)}."
            )
        clean = ((labels > 0) & (labels != VOID)).float().expand(channels, *size)
    if clean.shape != (channels, *size) or not torch.isfinite(clean).all():
        raise ConfigError(f"image: expected finite numbers of shape {(channels, *size)}.")
    return Content(clean.float()[None].contiguous(), labels[None])


def _with_model(run: TrainingRun, **changes) -> TrainingRun:
    return TrainingRun(run.name, run.model.replace(**changes), run.train, run.turn)


def _with_train(run: TrainingRun, **changes) -> TrainingRun:
    return TrainingRun(run.name, run.model, run.train.replace(**changes), run.turn)
