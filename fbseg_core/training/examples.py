"""The examples of a training run: drawn or given, checked, and read update by update.

Everything random in update k is drawn from (seed, k) alone: a reader has no state to be kept.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from fbseg_core.config import TaskConfig, TrainConfig
from fbseg_core.scores.metrics import VOID
from fbseg_core.settings import ConfigError, settings_of
from fbseg_core.tasks import Batch, Content, task_of
from fbseg_core.training.augment import brightened, turned
from fbseg_core.training.front import ways


def training_examples(task: TaskConfig, train: TrainConfig) -> Content | None:
    """The clean examples a run draws for itself; None where it draws fresh ones for every update."""
    if not train.examples:
        return None
    return task_of(task).content(task, train.examples, seed_of(train.seed, 1), "train")


def check_examples(task: TaskConfig, train: TrainConfig, examples: Content) -> None:
    """Raise ConfigError unless examples are what a run can read: their number, shape, type and values."""
    kind = task_of(task)
    clean, labels, n = examples.clean, examples.labels, train.examples
    if n < 1 or len(clean) != n:
        raise ConfigError(f"examples: {len(clean)} are given, the run is set to read {n}.")
    shape = (n, len(kind.channel_names(task)), *task.size)
    if clean.shape != shape or clean.dtype != torch.float32 or not torch.isfinite(clean).all():
        raise ConfigError(f"examples: images must be finite 32-bit floats of shape {shape}.")
    classes = len(kind.class_names(task))
    whole = labels.shape == (n, *task.size) and labels.dtype == torch.int64
    if not whole or not are_labels(labels, classes):
        raise ConfigError(
            f"examples: labels must be whole numbers below {classes}, or {VOID} for void, "
            f"shape {(n, *task.size)}."
        )


def are_labels(labels: Tensor, classes: int) -> bool:
    """Whether whole numbers of any shape are all classes, or void."""
    return bool((((labels >= 0) & (labels < classes)) | (labels == VOID)).all())


class Examples:
    """The training examples of a run: update number -> batch and number of steps, without a state."""

    def __init__(self, task: TaskConfig, train: TrainConfig, given: Content | None = None) -> None:
        self.task, self.train = task, train
        self.kind = task_of(task)
        if self.kind.cue_channel(task) is None:
            if train.no_cue:
                raise ConfigError(f"no_cue: images of the task {task.name!r} have no cue to be taken away.")
            if train.loss == "front":
                raise ConfigError(f"loss: a front runs out from a cue; the task {task.name!r} has none.")
        elif train.turn:
            raise ConfigError(f"turn: images of the task {task.name!r} have a cue of one pixel, which blurs.")
        if given is not None:
            check_examples(task, train, given)
        self.fixed = training_examples(task, train) if given is None else given

    def batch(self, update: int) -> tuple[Batch, int]:
        train, task = self.train, self.task
        if train.sigma_range > 1:  # from a stream of its own, so that nothing else that is drawn changes
            power = np.random.default_rng(seed_of(train.seed, 5, update)).uniform(-1, 1)
            most = settings_of(type(task))["sigma"].hi
            task = task.replace(sigma=min(task.sigma * train.sigma_range**power, most))
        seed = seed_of(train.seed, 2, update)
        rng = np.random.default_rng(seed)
        steps = int(rng.integers(train.steps_min, train.steps_max + 1))
        if self.fixed is None:
            content = self.kind.content(task, train.batch, seed, "train")
        else:
            rows = self._rows(update)
            info = {key: value[rows] for key, value in self.fixed.info.items()}
            content = Content(self.fixed.clean[rows], self.fixed.labels[rows], info)
        if train.no_cue:
            content = self._without_cues(content, update)
        if train.turn or train.brightness:
            content = self._augmented(content, update)
        noise = self.kind.noise(task, len(content.labels), seed)  # afresh each time an example is read
        batch = self.kind.observe(task, content, noise)
        if train.flips:
            turned = [
                _turn(x, y, int(k)) for x, y, k in zip(batch.x, batch.labels, rng.integers(0, 8, len(batch)))
            ]
            batch = Batch(torch.stack([x for x, _ in turned]), torch.stack([y for _, y in turned]))
        return batch, steps

    def way(self, batch: Batch) -> Tensor | None:
        """From the cue to each pixel (B, H, W), px, where the loss asks for it."""
        return ways(batch, self.kind.cue_channel(self.task)) if self.train.loss == "front" else None

    def _without_cues(self, content: Content, update: int) -> Content:
        """Some images with their cue taken away, and with it all that was to be marked."""
        rng = np.random.default_rng(seed_of(self.train.seed, 9, update))
        bare = torch.from_numpy(rng.random(len(content.labels)) < self.train.no_cue)
        clean, labels = content.clean.clone(), content.labels.clone()
        clean[bare, self.kind.cue_channel(self.task)] = 0
        labels[bare] = torch.where(labels[bare] == VOID, VOID, 0)
        return Content(clean, labels, content.info)

    def _augmented(self, content: Content, update: int) -> Content:
        """The images turned and lit at random, from a stream of its own."""
        rng = np.random.default_rng(seed_of(self.train.seed, 10, update))
        angles, factors = torch.from_numpy(rng.uniform(-1, 1, (2, len(content.labels))))
        if self.train.turn:
            content = turned(content, math.radians(self.train.turn) * angles)
        return brightened(content, 1 + self.train.brightness * factors)

    def _rows(self, update: int) -> Tensor:
        """The examples of an update: each once per pass, in an order drawn anew for every pass."""
        per_pass = -(-self.train.examples // self.train.batch)
        order = np.random.default_rng(seed_of(self.train.seed, 4, update // per_pass)).permutation(
            self.train.examples
        )
        first = update % per_pass * self.train.batch
        return torch.from_numpy(order[first : first + self.train.batch])


def _turn(x: Tensor, labels: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """One of the image's symmetries, k from 0 to 7, applied to image (C, H, W) and labels (H, W) alike.

    A square has eight. An oblong has four, two k for each: no quarter turn keeps its shape.
    """
    quarters = k % 4 if x.shape[-2] == x.shape[-1] else 2 * (k % 2)
    x, labels = x.rot90(quarters, (-2, -1)), labels.rot90(quarters, (-2, -1))
    return (x.flip(-1), labels.flip(-1)) if k >= 4 else (x, labels)


def seed_of(*parts: int) -> int:
    """One 63-bit seed from several numbers, well mixed."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
