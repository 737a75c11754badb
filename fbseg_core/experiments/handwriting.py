"""Few examples of real digits: does a loop need fewer of them than models without one, over training seeds?

Two handwritten digits of 16 px lie on a canvas, with a fragment of another and a grey patch that hides a part
of what is below it; a pixel is background or one of ten digits. Each model learns from a fixed set of n such
images, all four for as many updates, by the matched protocol without flips, which turn a digit into
another sign, and with losses by which rare classes count. Beside the loop stand the same network with its
loop cut; one pass of it, which has as many weights but for those of v; and a deeper one that sees the whole
canvas from everywhere, as the loop does in its T steps, with ten times the weights and a third of the
multiply-adds. With the most examples all are trained a second time, to mark whole digits, with what hides
behind patch and rim (amodal), on the same images.

The budget: on seed 0, which the grid leaves out, 450 updates of 8 bring the four models with n = 64 to F1
0.27 to 0.39; the best answer that recognises nothing, told where the digits are, has 0.14. After 300 the loop
and its cut were at 0.23 and 0.30. With n = 4 150 updates are enough to learn the images by heart. At the
noise of the digits that ship, σ = 0.3, the deeper network was at 0.16 after 300, whence σ = 0.1. The whole
grid takes about an hour of one core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fbseg_core.analysis.cost import cost
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.config import DigitsConfig, ModelConfig
from fbseg_core.experiments.common import COUNTED, seed_of_test, trained
from fbseg_core.experiments.handwriting_rows import (
    CUT,
    FEEDBACK,
    MODELS,
    SAME,
    TARGETS,
    VISIBLE,
    WHOLE,
    WIDE,
    conclude,
    panels,
    table,
)
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.settling_runs import course
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.models.base import Model
from fbseg_core.scores import metrics
from fbseg_core.scores.metrics import confusion
from fbseg_core.tasks import Batch, make_batch, task_of
from fbseg_core.training.examples import training_examples
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS

CLASSES = 11  # background and ten digits
SIGMA, BATCH = 0.1, 8
FIRST_SEED = 1  # as seed 0 was looked at for the budget
STEPS = 4  # T, in training and test
KINDS = {FEEDBACK: "feedback", CUT: "loop_cut", SAME: "feedforward", WIDE: "feedforward"}
SIZES = {FEEDBACK: (1, 16), CUT: (1, 16), SAME: (1, 16), WIDE: (3, 12)}  # depth and width
# examples: how many updates all models make with each number of them; more where there is more to learn.
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"examples": {1: 2, 2: 2}, "seeds": 2, "side": 24, "images": 4},
    "quick": {"examples": {4: 20, 16: 20}, "seeds": 2, "side": 32, "images": 16},
    "full": {"examples": {4: 150, 16: 300, 64: 450}, "seeds": 8, "side": 32, "images": 128},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """seed × number of examples × model, visible ink; and whole digits, with the most examples."""
    grid = GRIDS[profile]
    updates, shared = grid["examples"], {name: grid[name] for name in ("side", "images")}
    asked = [(n, VISIBLE) for n in updates] + [(max(updates), WHOLE)]
    return [
        {
            "examples": n, "target": target, "model": name, "seed": FIRST_SEED + seed,
            "updates": updates[n], **shared,
        }
        for seed in range(grid["seeds"])
        for n, target in asked
        for name in MODELS
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> tuple[DigitsConfig, TrainingRun]:
    """The task and the run of a cell."""
    side, target, n = (settings[key] for key in ("side", "target", "examples"))
    task = DigitsConfig(side=side, sigma=SIGMA, count=2, height=16, debris=1, patches=1, target=target)
    train = PROTOCOLS["matched"].replace(
        examples=n,
        batch=min(BATCH, n),
        updates=settings["updates"],
        steps_min=STEPS,
        steps_max=STEPS,
        flips=False,
        dice=1.0,
        balance=0.5,
        seed=settings["seed"],
    )
    return task, TrainingRun(settings["model"], model_of(settings["model"]), train)


def model_of(name: str) -> ModelConfig:
    """One of MODELS. Raises KeyError."""
    depth, width = SIZES[name]
    return ModelConfig(
        kind=KINDS[name], in_channels=1, classes=CLASSES, depth=depth, width=width, u=12, v=8, tau=8.0,
        steps=STEPS,
    )  # fmt: skip


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train a model; its scores on images of this seed alone, and what it takes.

    f1: of all digits' pixels counted together, with the counts of every image; f1_classes: the mean of the
    ten digits' own; hidden, seen: shares of the whole digits' ink that is named right, of what is hidden and
    of what is seen. levels: by score, that of answers that recognise nothing. f1_first: f1 at t = 1. fitted:
    f1 on the images it learned from, with new noise. macs: multiply-adds in millions of an image over T
    steps; field: receptive field in px.
    """
    task, run = run_of(settings)
    model, ended = trained(task, run)
    test = Images.of(task, settings["images"], seed_of_test(settings["seed"]))
    masks = answers(model, test.batch)
    price = cost(model, test.batch.x[:1])
    own = examples_of(task, run, seed_of_test(settings["seed"]))
    return {
        **test.scores(masks[-1]),
        "levels": test.levels(),
        "f1_first": test.scores(masks[1])["f1"],
        "fitted": round(_f1(pooled(answers(model, own)[-1], own.labels)), 4),
        "test_seed": seed_of_test(settings["seed"]),
        "counts": {"f1": dict(zip(COUNTED, pooled(masks[-1], test.batch.labels).T.tolist()))},
        "weights": price.parameters,
        "macs": round(price.run_macs(model.steps) / 1e6, 3),
        "field": receptive_field(model.config),
        **ended,
    }


def answers(model: Model, batch: Batch) -> Tensor:
    """The masks (T+1, B, H, W) int64 of a model, at t = 0 … T."""
    return course(model, batch.x, model.steps).masks.long()


def examples_of(task: DigitsConfig, run: TrainingRun, seed: int) -> Batch:
    """The images that a run learns from, with noise of that seed."""
    kind, content = task_of(task), training_examples(task, run.train)
    return kind.observe(task, content, kind.noise(task, len(content.labels), seed))


def pooled(mask: Tensor, labels: Tensor) -> Tensor:
    """True positives, false positives and false negatives of all digits together, (B, 3), in pixels.

    A pixel of one digit that is named another is both a false positive and a false negative.
    """
    counts = confusion(mask, labels, CLASSES)
    return torch.stack([getattr(counts, name)[:, 1:].sum(1) for name in COUNTED], 1)


def _f1(counts: Tensor) -> float:
    """F1 of counts (B, 3) as one; 1 of no pixels at all."""
    tp, fp, fn = counts.sum(0).tolist()
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


@dataclass(frozen=True)
class Images:
    """Test images with their labels; whole, seen: of the same images, the digits' labels with all their ink
    and with what is seen of it, (B, H, W)."""

    batch: Batch
    whole: Tensor
    seen: Tensor

    @classmethod
    def of(cls, task: DigitsConfig, images: int, seed: int) -> Images:
        drawn = {target: make_batch(task.replace(target=target), images, seed, "test") for target in TARGETS}
        return cls(drawn[task.target], drawn[WHOLE].labels, drawn[VISIBLE].labels)

    def scores(self, mask: Tensor) -> dict[str, float]:
        """f1, f1_classes, hidden and seen of a mask (B, H, W), as in `measure`."""
        ink, right = self.whole > 0, mask == self.whole
        found = {
            "f1": _f1(pooled(mask, self.batch.labels)),
            "f1_classes": metrics.pooled_f1(confusion(mask, self.batch.labels, CLASSES)),
            "hidden": _share(right[ink & (self.seen == 0)]),
            "seen": _share(right[ink & (self.seen > 0)]),
        }
        return {key: round(value, 4) for key, value in found.items()}

    def levels(self) -> dict[str, dict[str, float]]:
        """By score, the best of each kind of answer that recognises nothing: no digit marked; one class
        everywhere; and, told where the digits are, one name for all of them."""
        labels = self.batch.labels
        names = range(1, CLASSES)
        masks = {
            "trivial": [torch.zeros_like(labels)],
            "chance": [torch.full_like(labels, name) for name in range(CLASSES)],
            "one_name": [torch.where(labels > 0, name, 0) for name in names],
        }
        found = {level: [self.scores(mask) for mask in some] for level, some in masks.items()}
        return {
            score: {level: max(one[score] for one in some) for level, some in found.items()}
            for score in ("f1", "f1_classes", "hidden", "seen")
        }


def _share(right: Tensor) -> float:
    """The share of pixels that are right; 1 of none."""
    return float(right.double().mean()) if len(right) else 1.0


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, as it is trained and tested."""
    return (of_run(*run_of(settings)),)


EXPERIMENT = Experiment(
    name="handwriting",
    title="Few examples of real digits",
    claim="Does feedback learn real handwritten digits from fewer examples, and help more where parts of "
    "them are hidden?",
    source="abstract, and open question 1, “complex, high-dimensional data”",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
)
