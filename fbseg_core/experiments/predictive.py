"""How much of predictive coding helps to segment: one part of it around a network, all of it, or none.

On each task three models learn from one stream of images: a feedforward U-Net; the paper's loop around the
same U-Net; and predictive coding proper, by its local rules, with the label clamped, which is left free in
the test. Around the trained U-Net decoders then learn, without labels, to predict each level from the one
above, and its levels move by predictions and errors before the answer is read (`predify.py`). All are tested
with the noise they learned in, and with twice as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import torch

from fbseg_core.analysis.cost import cost, multiply_adds
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, TaskConfig, pixel_sigma
from fbseg_core.experiments.common import rounded, seed_of_test, trained
from fbseg_core.experiments.predictive_dials import ALONE, chosen_and_scored, course, scored
from fbseg_core.experiments.predictive_rows import CODING, LOOP, NET, NOISE, OWN, conclude, panels, table
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.models.base import Model
from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.images import channels
from fbseg_core.predictive.inference import infer, lipschitz, settle
from fbseg_core.predictive.learning import fit
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.predictive.predify import Predified, fit_decoders
from fbseg_core.predictive.presets import PRESETS
from fbseg_core.scores.evaluate import counts_by_step, trivial_f1
from fbseg_core.scores.metrics import chance, confusion, pooled_f1
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.training.examples import Examples
from fbseg_core.training.fewshot import BACKBONES, TrainingRun
from fbseg_core.training.fit import PROTOCOLS

VALIDATION_SEED = 3000  # of the images that dials are chosen on, plus the training seed
CODES = {  # filters of U and V: the better of two sizes on a few images of a seed outside the grid
    "shapes": {"kernel": 8, "stride": 4},
    "grouping": {"kernel": 4, "stride": 2},
}
GRIDS: dict[Profile, dict[str, Any]] = {  # of a task: side, T, and updates of its networks
    "tiny": {"seeds": 2, "shapes": (16, 2, 2), "grouping": (16, 2, 2), "decoders": 2, "coding": 2,
             "images": 4, "validation": 2},
    "quick": {"seeds": 2, "shapes": (24, 5, 40), "grouping": (24, 6, 60), "decoders": 40, "coding": 20,
              "images": 16, "validation": 8},
    "full": {"seeds": 8, "shapes": (24, 5, 80), "grouping": (24, 6, 140), "decoders": 80, "coding": 60,
             "images": 48, "validation": 16},
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """seed × task × model; seeds come first."""
    grid = GRIDS[profile]
    shared = {name: grid[name] for name in ("decoders", "coding", "images", "validation")}
    return [
        {"task": task, "model": model, "seed": seed, **dict(zip(("side", "steps", "updates"), grid[task]))}
        | shared
        for seed in range(grid["seeds"])
        for task in CODES
        for model in (NET, LOOP, CODING)
    ]


def task_of(settings: Mapping[str, Any], noise: float = 1.0) -> TaskConfig:
    """Triangles at paper sigma 8, or grouping, with so many times that noise."""
    side = settings["side"]
    if settings["task"] == "shapes":
        return ShapesConfig(side=side, sigma=noise * pixel_sigma(8, side))
    return GroupingConfig(side=side, sigma=noise * 0.2, winding=0.75 if side > 16 else 0.25)


def run_of(settings: Mapping[str, Any]) -> TrainingRun:
    """The run of a network: fresh images, trajectories of one length, a loss at every step."""
    steps = settings["steps"]
    inputs, classes = channels(task_of(settings))
    looped = BACKBONES.get(settings["task"], ModelConfig())
    looped = looped.replace(in_channels=inputs, classes=classes, steps=steps)
    model = looped if settings["model"] == LOOP else looped.replace(kind="feedforward")
    train = PROTOCOLS["settling"].replace(
        updates=settings["updates"], steps_min=steps, steps_max=steps, loss_from=0.0, seed=settings["seed"]
    )
    return TrainingRun(settings["model"], model, train)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train a model, and score it on images of the cell's own seed under each NOISE.

    at: by noise and name F1 with the counts of every image, of OWN also chance, trivial and the test
    seed; beside the U-Net what `chosen_and_scored` gives. weights; macs: multiply-adds of an image in
    millions. Of what is put around the U-Net, decoders: their weights; missed: what they miss of the levels,
    as a share, before the first update and before the last; control: F1 with the net's own drive alone.
    """
    tests = {
        name: make_batch(task_of(settings, times), settings["images"], seed_of_test(settings["seed"]), "test")
        for name, times in NOISE.items()
    }
    if settings["model"] == CODING:
        return _coding(settings, tests)
    model, ended = trained(task_of(settings), run_of(settings))
    at = {
        name: {OWN: scored(counts_by_step(model, batch, model.steps)[-1]) | _levels(batch, settings)}
        for name, batch in tests.items()
    }
    first = next(iter(tests.values()))
    price = cost(model, first.x[:1])
    told = {"weights": price.parameters, "macs": round(price.run_macs(model.steps) / 1e6, 3), **ended}
    if settings["model"] == NET:
        told |= _around(settings, model, tests, at)
    return {"at": at} | told


def _levels(batch: Batch, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the images of a test give without a model."""
    trivial = trivial_f1(batch, 2)
    return {
        "chance": round(chance(batch.labels, 2), 4),
        "trivial": None if trivial is None else round(trivial, 4),
        "test_seed": seed_of_test(settings["seed"]),
    }


def _around(
    settings: Mapping[str, Any], net: Model, tests: Mapping[str, Batch], at: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Teach decoders, choose dials under each noise, and put the scores beside those of the net in `at`."""
    model = Predified(net, settings["seed"])
    examples = Examples(task_of(settings), run_of(settings).train)
    missed = list(fit_decoders(model, lambda k: examples.batch(k)[0].x, settings["decoders"]))
    for name, batch in tests.items():
        images, seed = settings["validation"], VALIDATION_SEED + settings["seed"]
        validation = make_batch(task_of(settings, NOISE[name]), images, seed, "test")
        found = chosen_and_scored(model, validation, batch)
        at[name] |= {part: one | {"test_seed": seed_of_test(settings["seed"])} for part, one in found.items()}
    return {
        "decoders": sum(weight.numel() for weight in model.decoders.parameters()),
        "missed": [rounded(missed[0]), rounded(missed[-1])],
        "control": round(pooled_f1(course(model, next(iter(tests.values())), ALONE)[-1]), 4),
    }


@torch.no_grad()
def _coding(settings: Mapping[str, Any], tests: Mapping[str, Batch]) -> dict[str, Any]:
    """Predictive coding proper: it learns with the label clamped, and is tested with the label free."""
    task, preset = task_of(settings), PRESETS[settings["task"]]
    inputs, classes = channels(task)
    config = preset.model.replace(in_channels=inputs, classes=classes, **CODES[settings["task"]])
    train = preset.train.replace(updates=settings["coding"], seed=settings["seed"])
    examples = Examples(task, run_of(settings).train)

    def clamped(k: int) -> Senses:
        batch, _ = examples.batch(k)
        return Senses.of(config, batch.x, batch.labels)

    model = PredictiveCoding(config, settings["seed"])
    for _ in fit(model, clamped, train):
        pass
    at = {}
    for name, batch in tests.items():
        mask = model.mask(settle(model, Senses.of(config, batch.x), config.steps).r)
        at[name] = {OWN: scored(confusion(mask, batch.labels, classes)) | _levels(batch, settings)}
    one = Senses.of(config, next(iter(tests.values())).x[:1])
    step = 1 / lipschitz(model, one)
    work = multiply_adds(lambda: model.mask(next(islice(infer(model, one, step=step), config.steps, None)).r))
    weights = sum(weight.numel() for weight in model.parameters())
    return {"at": at, "weights": weights, "macs": round(work / 1e6, 3), "updates": settings["coding"]}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The network of a cell; none of predictive coding proper, which is no model of that kind."""
    return () if settings["model"] == CODING else (of_run(task_of(settings), run_of(settings)),)


EXPERIMENT = Experiment(
    name="predictive",
    title="How much of predictive coding helps",
    claim="The loop is likened to predictive coding: how much of that helps to segment, prediction and error "
    "around a U-Net, or a model that is nothing else?",
    source="mechanism 1, against predictive coding itself",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
)
