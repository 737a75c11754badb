"""Real handwriting and photographs: the checkpoints of digits and textures, as they ship.

Each model is tested on images of more and of less clutter, occlusion and noise than it learned from, and the
loop is run with softmax and decay switched off, too. Nothing is trained: the seeds are parts of the test
images, and intervals say nothing of other training seeds.

The feedback model of a task, the same with its loop cut, and the feedforward one share width, depth, images
and number of updates, of which the loop's cost more; so does the leaky one, which has no clock. The wide ones
have more width and more updates. Two models of digits were trained to mark whole digits, with what patches
and other digits hide (amodal).

With one seed each a difference between models is not the loop's alone, so what its steps add is told of the
loop itself as well: F1 at T less that at t = 1, on the same images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fbseg_core.analysis.probes import ABLATIONS
from fbseg_core.checkpoint import load, read_card
from fbseg_core.config import DigitsConfig, Switches, TaskConfig
from fbseg_core.experiments.common import observe, rounded_all, seed_of_test
from fbseg_core.experiments.real_rows import (
    AS_BUILT,
    AXES,
    CUT,
    FEEDBACK,
    LEAKY,
    PLAIN,
    TRAINED,
    WHOLE,
    WIDE,
    conclude,
    name_of,
    panels,
    table,
)
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.settling_runs import course
from fbseg_core.experiments.subject import Subject, of_card
from fbseg_core.models.base import Model
from fbseg_core.models.registry import count_weights
from fbseg_core.scores.metrics import confusion, mean_iou, pooled_f1
from fbseg_core.tasks import Batch, make_batch

KINDS = {
    FEEDBACK: "feedback",
    CUT: "loop-cut",
    LEAKY: "leaky-feedback",
    PLAIN: "feedforward",
    WIDE: "feedforward-wide",
}
FILES = {(task, kind): f"{task}-{file}" for task in ("digits", "textures") for kind, file in KINDS.items()}
FILES |= {(WHOLE, kind): f"digits-whole-{KINDS[kind]}" for kind in (FEEDBACK, PLAIN)}
LATER = 3  # times T that a loop is followed for
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"parts": 2, "images": 1, "watched": 1},
    "quick": {"parts": 2, "images": 4, "watched": 1},
    "full": {"parts": 8, "images": 6, "watched": 2},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """Task × model × part of the images. watched: images run with mechanisms switched off."""
    grid = GRIDS[profile]
    shared = {key: grid[key] for key in ("images", "watched")}
    return [
        {"task": task, "model": kind, "seed": part, **shared}
        for task, kind in FILES
        for part in range(grid["parts"])
    ]


def conditions(task: TaskConfig, axes: Mapping[str, Sequence[float]]) -> dict[str, TaskConfig]:
    """The images of each condition by name, those of the training first; one setting differs in each."""
    found = {TRAINED: task}
    for axis, values in axes.items():
        for value in values:
            if value != getattr(task, axis):
                found[name_of(axis, value)] = task.replace(**{axis: value})
    return found


def images_of(task: TaskConfig, trained: TaskConfig, images: int) -> int:
    """How many images to test on: of digits as many as hold as many digits in every condition, so that F1,
    a mean over the classes present, is over as many of each."""
    if isinstance(task, DigitsConfig):
        return -(-images * trained.count // task.count)
    return images


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """at: by condition f1 and iou, at t = 1, T and 3T of a loop, of its one pass else; lost: how many of the
    images left the range of numbers.

    ways: of a loop, by which mechanisms are on, the verdicts on state and mask of 3T steps, as `observe`
    counts them, and the last F1. weights, updates: of the model.
    """
    model, card = load(FILES[settings["task"], settings["model"]])
    seed = seed_of_test(settings["seed"])
    found: dict[str, Any] = {
        "at": {},
        "ways": {},
        "weights": count_weights(card.model),
        "updates": card.updates,
    }
    for name, task in conditions(card.task, AXES[settings["task"]]).items():
        batch = make_batch(task, images_of(task, card.task, settings["images"]), seed, "test")
        found["at"][name] = scored(model, batch)
    ways = _ways(settings["model"])
    if ways:
        batch = make_batch(card.task, settings["watched"], seed, "test")
        for name, on in ways.items():
            seen = observe(model, batch, LATER * model.steps, on)
            found["ways"][name] = {
                "states": seen["states"], "masks": seen["masks"], "f1": seen["f1"][-1],
            }  # fmt: skip
    return found


def _ways(kind: str) -> dict[str, Switches]:
    """What a closed loop is run with: every mechanism on and off; of one that leaks, which has no decay, the
    softmax alone. None for what has no loop."""
    if kind not in AS_BUILT:
        return {}
    return {name: Switches(**on) for name, on in ABLATIONS.items() if kind == FEEDBACK or not on["decay"]}


def scored(model: Model, batch: Batch) -> dict[str, Any]:
    """Pooled F1 and mean IoU of images at t = 1, T and 3T, or after the one pass; and how many were lost."""
    steps = (1, model.steps, LATER * model.steps) if model.traits.takes_steps else (1,)
    run = course(model, batch.x, steps[-1])
    counts = [confusion(run.masks[t].long(), batch.labels, model.classes) for t in steps]
    return {
        "f1": rounded_all(pooled_f1(one) for one in counts),
        "iou": rounded_all(float(mean_iou(one.pooled())) for one in counts),
        "lost": int(torch.isinf(run.moves[-1]).sum()),
    }


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The checkpoint on the images of each condition, and with mechanisms switched off."""
    card = read_card(FILES[settings["task"], settings["model"]])
    found = [of_card(card, task) for task in conditions(card.task, AXES[settings["task"]]).values()]
    later = LATER * card.model.steps
    found += [of_card(card, None, later, on) for on in _ways(settings["model"]).values()]
    return tuple(found)


EXPERIMENT = Experiment(
    name="real",
    title="Real images, one training seed",
    claim="Do the steps of a loop help more on real images as clutter, occlusion and noise grow, and do "
    "softmax and decay hold its state with 11 and with 4 classes?",
    source="open question 1, “complex, high-dimensional data”, as far as small images tell",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
    over="parts of the images",
    checkpoints=tuple(FILES.values()),
)
