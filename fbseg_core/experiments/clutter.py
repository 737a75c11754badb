"""Clutter, over training seeds: does a loop help more, the more an image holds that is in the way?

Recurrent networks told digits apart among fragments of others better than feedforward ones of as many weights
(Spoerer, McClure and Kriegeskorte 2017). Here each model marks two handwritten digits among fragments, or the
pieces of a mosaic of photographs; a pixel is background or one of ten digits, or of one of the materials. All
learn from fresh images, as many updates of as many images, by the matched protocol with losses by which rare
classes count, and are tested on images with more and with less in the way than they learned from.

Beside the loop stand the same network with its loop cut; one pass of it, which has as many weights but for
those of v; and a deeper one that sees the whole image from everywhere, as the loop does in its T steps, with
ten times the weights and a third of the multiply-adds: those of `handwriting`.

Fixed before any of these rows were made: tasks, conditions, models, seeds, the margin and the families that
Holm's correction takes. Seed 0, which the grid leaves out, was run once, with all its conditions, to see that
the number of updates is enough; nothing was changed after it. What is said beside the verdict was worded
after the rows were seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fbseg_core.analysis.cost import cost
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.config import DigitsConfig, TaskConfig, TexturesConfig
from fbseg_core.experiments.clutter_rows import AXES, MODELS, conclude, panels, table
from fbseg_core.experiments.common import seed_of_test, trained
from fbseg_core.experiments.handwriting import FIRST_SEED, STEPS, model_of
from fbseg_core.experiments.real import conditions, images_of, scored
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.scores.metrics import chance
from fbseg_core.tasks import make_batch, task_of
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS

TASKS: dict[str, TaskConfig] = {
    "digits": DigitsConfig(count=2, height=16, debris=2, sigma=0.1),
    "textures": TexturesConfig(regions=3, sigma=0.1),
}
FLIPS = {"digits": False, "textures": True}  # turned, a digit is another sign; a piece of grass is not
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"updates": {"digits": 2, "textures": 2}, "seeds": 2, "side": 24, "images": 2},
    "quick": {"updates": {"digits": 20, "textures": 20}, "seeds": 2, "side": 32, "images": 8},
    "full": {"updates": {"digits": 450, "textures": 200}, "seeds": 8, "side": 32, "images": 48},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """seed × task × model."""
    grid = GRIDS[profile]
    return [
        {
            "task": name, "model": model, "seed": FIRST_SEED + seed, "updates": updates,
            "side": grid["side"], "images": grid["images"],
        }
        for seed in range(grid["seeds"])
        for name, updates in grid["updates"].items()
        for model in MODELS
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The task and the run of a cell."""
    name = settings["task"]
    task = TASKS[name].replace(side=settings["side"])
    model = model_of(settings["model"]).replace(classes=len(task_of(task).class_names(task)))
    train = PROTOCOLS["matched"].replace(
        examples=0, batch=8, updates=settings["updates"], steps_min=STEPS, steps_max=STEPS,
        lr=0.006, warmup=30, flips=FLIPS[name], dice=1.0, balance=0.5, seed=settings["seed"],
    )  # fmt: skip
    return task, TrainingRun(settings["model"], model, train)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train a model; its scores on images of this seed alone, condition by condition, and what it takes.

    at: by condition f1 and iou, each at t = 1, T and 3T of what takes steps, of its one pass else; lost: how
    many of the images left the range of numbers; chance: f1 of the best constant answer. macs: multiply-adds
    in millions of an image over T steps; field: receptive field in px.
    """
    task, run = run_of(settings)
    model, ended = trained(task, run)
    seed, at = seed_of_test(settings["seed"]), {}
    for name, shown in conditions(task, AXES[settings["task"]]).items():
        batch = make_batch(shown, images_of(shown, task, settings["images"]), seed, "test")
        at[name] = {**scored(model, batch), "chance": round(chance(batch.labels, model.classes), 4)}
    price = cost(model, batch.x[:1])
    return {
        "at": at,
        "test_seed": seed,
        "weights": price.parameters,
        "macs": round(price.run_macs(model.steps) / 1e6, 3),
        "field": receptive_field(model.config),
        **ended,
    }


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell on the images of each condition."""
    task, run = run_of(settings)
    own = of_run(task, run)
    shown = conditions(task, AXES[settings["task"]]).values()
    return [Subject(one, own.model, own.steps, task, run.train) for one in shown]


EXPERIMENT = Experiment(
    name="clutter",
    title="Clutter on real images",
    claim="Do the steps of a loop help more on real images, the more of clutter, occlusion and noise there "
    "is?",
    source="Spoerer, McClure and Kriegeskorte 2017; open question 1, “complex, high-dimensional data”",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
)
