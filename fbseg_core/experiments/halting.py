"""When to stop: a fixed number of steps, a small relative update, or a mask that stays; and what it costs.

Each model is trained anew with each training seed. The rule is chosen on validation images, and all that is
told of it is measured on other, fresh images of each seed. Feedforward models stand beside the rules: one of
as many weights as the feedback model, and one made wider until its pass costs the multiply-adds of ten steps.
In grouping both are of depth 2, which did best of four depths in `grouping`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fbseg_core.analysis.cost import cost
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, Switches, TaskConfig
from fbseg_core.experiments.common import seed_of_test, trained
from fbseg_core.experiments.grouping import model_of
from fbseg_core.experiments.halting_rows import (
    AS_TRAINED,
    FEEDBACK,
    HELD,
    ONE_PASS,
    PLAIN,
    SLOWED,
    STEPS,
    WHOLE,
    panels,
    table,
)
from fbseg_core.experiments.halting_told import conclude
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.stopping import PART, Runs, done_at, followed, looks, runs_of, scored
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.halting import LONGEST, RULES
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.evaluate import trivial_f1
from fbseg_core.scores.metrics import chance, mask_of
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS

TASKS = ("grouping", "shapes")
WIDTHS = {  # depth and width: the nearest to the feedback model, as a test counts
    "grouping": {"feedforward": (2, 4), "feedforward-wide": (2, 20)},
    "shapes": {"feedforward": (3, 8), "feedforward-wide": (3, 26)},
}
VALIDATION_SEED = 2000  # of the images a rule is chosen on, plus the training seed; tests begin at EVAL_SEED
SLOW = 5.0  # times the τ of training
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"seeds": 2, "sides": (16, 16), "updates": (2, 2), "images": 2},
    "quick": {"seeds": 2, "sides": (24, 32), "updates": (60, 60), "images": 50},
    "full": {"seeds": 8, "sides": (24, 32), "updates": (300, 120), "images": 50},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """seed × task × model, each trained anew; images: as many to choose on as to test on.

    Seeds come first, so that a grid that was stopped holds whole ones.
    """
    grid = GRIDS[profile]
    return [
        {
            "task": task, "model": model, "seed": seed, "side": side, "updates": updates,
            "images": grid["images"],
        }
        for seed in range(grid["seeds"])
        for task, side, updates in zip(TASKS, grid["sides"], grid["updates"])
        for model in (FEEDBACK, *PLAIN)
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The training of a cell.

    Grouping: the settling protocol, whose trajectories of 6 to 14 steps have ten in their middle. Shapes: the
    matched protocol on fresh shapes of paper sigma 8.
    """
    train = {"updates": settings["updates"], "seed": settings["seed"]}
    name, side = settings["model"], settings["side"]
    if settings["task"] == "grouping":
        model, task = model_of(FEEDBACK, STEPS), GroupingConfig(side=side)
        whole = PROTOCOLS["settling"].replace(**train)
    else:
        model, task = ModelConfig(steps=STEPS), ShapesConfig(side=side, sigma=side / 64)
        whole = PROTOCOLS["matched"].replace(examples=0, batch=8, **train)
    if name in PLAIN:
        depth, width = WIDTHS[settings["task"]][name]
        model = model.replace(kind="feedforward", depth=depth, width=width)
    return task, TrainingRun(name, model, whole)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train a model; what each rule scores and takes on validation images and on test images of this seed.

    validation, test: by rule, as in `scored`, the test with the counts of every image. clocks: of a model
    that takes steps, on the test images, with the clock as trained, held at t = 0 and slowed, the score of
    T = 10 and of each rule that reads the run, with what its stops go by, as in `followed`; done: the step
    from which on the mask is as good as final there, mean, least and most. weights: of the model. chance,
    trivial: F1 of the better constant answer and of the task's trivial baseline on the test images.
    """
    task, run = run_of(settings)
    model, ended = trained(task, run)
    seed, images = seed_of_test(settings["seed"]), settings["images"]
    test = make_batch(task, images, seed, "test")
    validation = make_batch(task, images, VALIDATION_SEED + settings["seed"], "test")
    if model.has_loop():
        found = {
            "validation": _every(model, validation, runs_of(model, validation.x)),
            **_tested(model, test),
        }
    else:
        found = {"validation": {ONE_PASS: _one_pass(model, validation)}}
        found["test"] = {ONE_PASS: _one_pass(model, test)}
    found["validation"] = {rule: _without_counts(score) for rule, score in found["validation"].items()}
    found["test"] = {rule: score | {"test_seed": seed} for rule, score in found["test"].items()}
    trivial = trivial_f1(test, model.classes)
    return found | {
        "weights": cost(model, test.x[:1]).parameters,
        "chance": round(chance(test.labels, model.classes), 4),
        "trivial": None if trivial is None else round(trivial, 4),
        **ended,
    }


def _tested(model: Model, batch: Batch) -> dict[str, Any]:
    """test, clocks and done of a model that takes steps."""
    slow = Switches(tau=SLOW * model.config.tau)
    found: dict[str, Any] = {"clocks": {}, "done": {}}
    for name, switches in {AS_TRAINED: AS_BUILT, HELD: Switches(clock=0), SLOWED: slow}.items():
        runs = runs_of(model, batch.x, switches)
        every, done = _every(model, batch, runs, switches), done_at(runs.masks)
        gains = [float(model.gain(t, switches).max()) for t in range(LONGEST)]
        goes_by = followed(runs, gains, batch.info.get("path_length"))
        found["clocks"][name] = {
            rule: _without_counts(every[rule]) | goes_by.get(rule, {}) for rule in (*goes_by, WHOLE)
        }
        found["done"][name] = [round(float(done.float().mean()), 3), int(done.min()), int(done.max())]
        if name == AS_TRAINED:
            found["test"] = every
    return found


def _every(
    model: Model, batch: Batch, runs: Runs, switches: Switches = AS_BUILT
) -> dict[str, dict[str, Any]]:
    """What each rule scores and takes."""
    price = cost(model, batch.x[:1], switches)
    return {
        rule: scored(runs.answer(rule), runs.taken(rule), batch.labels, price, looks(rule)) for rule in RULES
    }


def _one_pass(model: Model, batch: Batch) -> dict[str, Any]:
    """The score of a feedforward model: a run of one step."""
    masks = torch.cat([mask_of(rollout(model, x, 1).logits[-1]) for x in batch.x.split(PART)])
    taken = torch.ones(len(batch), dtype=torch.int64)
    return scored(masks, taken, batch.labels, cost(model, batch.x[:1]), looks=False)


def _without_counts(score: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in score.items() if key != "counts"}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, for as long as a rule may take."""
    task, run = run_of(settings)
    return (of_run(task, run, steps=0 if settings["model"] in PLAIN else LONGEST),)


EXPERIMENT = Experiment(
    name="halting",
    title="When to stop",
    claim="Can the inference latency caused by iterative refinement be reduced without sacrificing the "
    "gains?",
    source="open question 2",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
)
