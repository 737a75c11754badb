"""When to stop a loop that settles: ‖Δh‖/‖h‖ < ε, on the checkpoint of the leaky loop without a clock.

`halting` asks it of loops with a clock, where the rule follows the clock. Here nothing makes updates small
but the state's coming to rest. Nothing is trained: the seeds are parts of the images, and intervals say
nothing of other training seeds. ε is chosen on validation images; all that is told of it is measured on
others, of short ways and of long ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fbseg_core.checkpoint import load, read_card
from fbseg_core.config import GroupingConfig
from fbseg_core.experiments.common import COUNTED, rounded_all, seed_of_test
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.resting_rows import ALL, EPSILONS, FIXED, conclude, panels, table
from fbseg_core.experiments.settling_runs import Course, course
from fbseg_core.experiments.stopping import rank_correlation
from fbseg_core.experiments.subject import Subject, of_card
from fbseg_core.scores.evaluate import trivial_f1
from fbseg_core.scores.metrics import confusion, pooled_f1
from fbseg_core.tasks import make_batch

CHECKPOINT = "grouping-leaky-feedback"
VALIDATION_SEED = 3000  # of the images that ε is chosen on, plus the part
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"parts": 2, "side": 16, "images": 2, "longest": 12},
    "quick": {"parts": 2, "side": 32, "images": 8, "longest": 100},
    "full": {"parts": 8, "side": 48, "images": 12, "longest": 150},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """A part of the images each: as many to choose on as to test on."""
    grid = GRIDS[profile]
    shared = {name: grid[name] for name in ("side", "images", "longest")}
    return [{"model": CHECKPOINT, "seed": part, **shared} for part in range(grid["parts"])]


def task_of(settings: Mapping[str, Any]) -> GroupingConfig:
    """Grouping with ways from a quarter of a side on, so that images differ in how long theirs are."""
    return GroupingConfig(side=settings["side"], winding=0.25)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Follow the checkpoint on validation and on test images, and stop it by each rule.

    validation, test: by rule (ε as text, "T = …", or ALL for the whole run) the mean steps and pooled F1; of
    test images the counts of every image, too. way: px of the longest way from the cue, image by image;
    taken: by ε, the steps of each image; done: the step from which on its mask is as good as the last;
    correlation: by ε, Spearman's of taken with way. trivial: of "mark every region" on test images.
    """
    model, task = load(CHECKPOINT)[0], task_of(settings)
    found: dict[str, Any] = {}
    seeds = {
        "validation": VALIDATION_SEED + settings["seed"],
        "test": seed_of_test(settings["seed"]),
    }
    for images, seed in seeds.items():
        batch = make_batch(task, settings["images"], seed, "test")
        run = course(model, batch.x, settings["longest"])
        taken = {f"{epsilon:g}": stopped(run, epsilon) for epsilon in EPSILONS}
        steps = dict(taken)
        for t in (*FIXED, settings["longest"]):
            name = ALL if t == settings["longest"] else f"T = {t}"
            steps[name] = torch.full((len(batch),), min(t, settings["longest"]))
        found[images] = {name: _scored(run, at, batch.labels) for name, at in steps.items()}
    for score in found["test"].values():
        score["test_seed"] = seeds["test"]
    for score in found["validation"].values():
        del score["counts"]
    way = batch.info["path_length"]
    return found | {
        "way": rounded_all(way.tolist()),
        "done": run.done().tolist(),
        "taken": {name: at.tolist() for name, at in taken.items()},
        "correlation": {name: rank_correlation(at, way) for name, at in taken.items()},
        "trivial": round(trivial_f1(batch, model.classes), 4),
    }


def stopped(run: Course, epsilon: float) -> Tensor:
    """The first step after which ‖Δh‖/‖h‖ < ε, (B,); the last one where that never happens."""
    below = run.moves < epsilon
    return torch.where(below.any(0), below.long().argmax(0) + 1, len(below))


def _scored(run: Course, steps: Tensor, labels: Tensor) -> dict[str, Any]:
    """Of the masks at those steps (B,): pooled F1, mean steps, and the counts of every image."""
    answer = run.masks[steps, torch.arange(len(steps))].long()
    counts = confusion(answer, labels, 2)
    return {
        "f1": round(pooled_f1(counts), 4),
        "steps": round(float(steps.float().mean()), 3),
        "counts": {"f1": {name: getattr(counts, name)[:, 1].tolist() for name in COUNTED}},
    }


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The checkpoint, for as long as a rule may take."""
    return (of_card(read_card(CHECKPOINT), task_of(settings), settings["longest"]),)


EXPERIMENT = Experiment(
    name="resting",
    title="When to stop a loop that settles",
    claim="Does a loop without a clock stop by itself, later where the way is longer, and what F1 does it "
    "cost?",
    source="open question 2, of the loop that settles",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
    over="parts of the images",
    checkpoints=(CHECKPOINT,),
)
