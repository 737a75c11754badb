"""Beyond the training images: the same models on what they were not trained on.

Three sources, which are kept apart. The checkpoints that ship: one training seed, tested on parts of the
images, so intervals are over images and say nothing of other seeds. Models trained anew, smaller and more
briefly, each seed tested on images of its own: intervals over seeds, which hold the images' share as well.
And, of shapes alone, models trained as the checkpoints were, with seeds that are not theirs: is what a
checkpoint does under other noise so over seeds? A cell is one model, tested under every condition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fbseg_core.checkpoint import load, read_card
from fbseg_core.config import EVAL_SEED, GroupingConfig, ModelConfig, ShapesConfig, Switches, TaskConfig
from fbseg_core.experiments.common import trained
from fbseg_core.experiments.grouping import model_of
from fbseg_core.experiments.grouping_rows import RIVAL
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.subject import Subject, of_card, of_run
from fbseg_core.experiments.transfer_rows import (
    ALIKE,
    CHECKPOINTS,
    DEEP,
    LONG,
    RANGE,
    RANGED,
    RETRAINED,
    SHIPPED,
    SLOW,
    STEPS,
    TRAINED,
    file_of,
    panels,
    table,
)
from fbseg_core.experiments.transfer_told import conclude
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.scores.evaluate import f1_by_step, trivial_f1
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS

NOISE = (0.0, 0.15, 0.5, 1.5, 2.0)  # times the training σ
SIZES = {SHIPPED: (32, 64, 96, 128), RETRAINED: (32, 48, 64), ALIKE: ()}
GRIDS: dict[Profile, dict[str, Any]] = {  # sides: of grouping and shapes; alike: side and updates
    "tiny": {"parts": 2, "part": 1, "seeds": 2, "images": 1, "updates": 2, "sides": (32, 32),
             "alike": (32, 2)},
    "quick": {"parts": 2, "part": 2, "seeds": 0, "images": 0, "updates": 0, "sides": (24, 32),
              "alike": (64, 0)},
    "full": {"parts": 8, "part": 10, "seeds": 8, "images": 40, "updates": 400, "sides": (24, 32),
             "alike": (64, 600)},
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """The checkpoints × part of the images; models trained anew × seed, on shapes at one σ and over a range;
    and on shapes as the checkpoints × seed, but theirs, 0, which raised the question.

    images: under each condition. part and seed are both called "seed": what intervals are taken over.
    """
    grid = GRIDS[profile]
    found = [
        {"source": SHIPPED, "task": task, "model": model, "range": spread, "seed": part, "side": 0,
         "updates": 0, "images": grid["part"]}
        for task, models in CHECKPOINTS.items()
        for spread in _ranges(task)
        for model in models
        for part in range(grid["parts"])
    ]  # fmt: skip
    found += [
        {"source": RETRAINED, "task": task, "model": model, "range": spread, "seed": seed, "side": side,
         "updates": grid["updates"], "images": grid["images"]}
        for (task, models), side in zip(CHECKPOINTS.items(), grid["sides"])
        for model in models
        for spread in _ranges(task)
        for seed in range(grid["seeds"])
    ]  # fmt: skip
    side, updates = grid["alike"]
    return found + [
        {"source": ALIKE, "task": "shapes", "model": model, "range": spread, "seed": seed, "side": side,
         "updates": updates, "images": grid["images"]}
        for spread in _ranges("shapes")
        for model in CHECKPOINTS["shapes"]
        for seed in range(1, 1 + grid["seeds"])
    ]  # fmt: skip


def _ranges(task: str) -> tuple[float, ...]:
    """Within which factors σ is drawn in training: of shapes within that of one σ, and of a range."""
    return (1.0, RANGE) if task == "shapes" else (1.0,)


def conditions(task: TaskConfig, source: str) -> dict[str, TaskConfig]:
    """The images of each condition by name: what differs from those of the training."""
    found = {TRAINED: task}
    found |= {f"{side} px": task.replace(side=side) for side in SIZES[source] if side != task.side}
    if isinstance(task, GroupingConfig):
        found |= {
            "ways of 1.5 sides": task.replace(winding=1.5),
            "ways of 2.25 sides": task.replace(side=2 * task.side, winding=1.125),  # none fit into less
            "thin": task.replace(scale=1.5),
            "sparse": task.replace(coverage=0.35),
        }
        wider = task.replace(side=max(task.side, 32))
        found |= {
            "curves": wider.replace(regions="curves", coverage=0.4),
            "thin curves": wider.replace(regions="curves", coverage=0.4, scale=1.5),
            "maze": wider.replace(regions="maze", scale=2.0 if task.side < 48 else task.scale),
        }
    return found | {f"σ × {factor:g}": task.replace(sigma=factor * task.sigma) for factor in NOISE}


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The training of a cell: as in `grouping`, or the matched protocol on fresh shapes of paper sigma 8."""
    train = {"updates": settings["updates"], "seed": settings["seed"], "sigma_range": settings["range"]}
    name, side = settings["model"], settings["side"]
    if settings["task"] == "grouping":
        model = model_of(RIVAL if name == DEEP else name, 6)
        whole = PROTOCOLS["settling"].replace(steps_min=6, steps_max=6, loss_from=0.0, **train)
        return GroupingConfig(side=side), TrainingRun(name, model, whole)
    model = ModelConfig(kind=name, steps=10)
    whole = PROTOCOLS["matched"].replace(examples=0, batch=8, **train)
    return ShapesConfig(side=side, sigma=side / 64), TrainingRun(name, model, whole)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """at: pooled F1 by condition, at the model's own T; trivial: of the trivial baseline, where there is one.

    long: F1 at STEPS under the conditions of LONG, with the clock as trained and slowed; of a model that
    takes steps, but those trained as the checkpoints, which are asked of noise alone.
    """
    if settings["source"] == SHIPPED:
        model, card = load(_file(settings))
        task = card.task
    else:
        task, run = run_of(settings)
        model, _ = trained(task, run)
    found: dict[str, Any] = {"at": {}, "trivial": {}, "long": {}}
    for name, shifted in conditions(task, settings["source"]).items():
        batch = make_batch(shifted, settings["images"], EVAL_SEED + settings["seed"], "test")
        found["at"][name] = round(f1_by_step(model, batch, model.steps)[-1], 4)
        trivial = trivial_f1(batch, model.classes)
        if trivial is not None:
            found["trivial"][name] = round(trivial, 4)
        if name in LONG[settings["task"]] and model.has_loop() and settings["source"] != ALIKE:
            found["long"][name] = _long(model, batch)
    return found


def _file(settings: Mapping[str, Any]) -> str:
    return file_of(settings["task"], settings["model"], settings["range"])


def _long(model: Model, batch) -> dict[str, list[float]]:
    clocks = {"as trained": AS_BUILT, "slowed": Switches(tau=SLOW * model.config.tau)}
    curves = {name: f1_by_step(model, batch, STEPS[-1], switches) for name, switches in clocks.items()}
    return {name: [round(curve[t], 4) for t in STEPS] for name, curve in curves.items()}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell on the images of each condition."""
    if settings["source"] == SHIPPED:
        card = read_card(_file(settings))
        return tuple(of_card(card, task) for task in conditions(card.task, SHIPPED).values())
    task, run = run_of(settings)
    own = of_run(task, run)
    return tuple(
        Subject(each, own.model, own.steps, own.trained, own.train)
        for each in conditions(task, settings["source"]).values()
    )


EXPERIMENT = Experiment(
    name="transfer",
    title="Beyond the training images",
    claim="Does a loop carry what it learned to larger images, longer ways, other regions and other noise "
    "better than a model without one?",
    source="a question of ours",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
    over="training seeds, or parts of the images of checkpoints",
    checkpoints=tuple(name for models in (*CHECKPOINTS.values(), RANGED) for name in models.values()),
)
