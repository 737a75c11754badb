"""A loop that settles: a leaky state without a clock, beside the paper's loop and models without one.

Two sources, which are kept apart as in `transfer`: the settling loop is trained anew with each seed, and
tested on images of that seed, and so is its rival without a loop, the same step unrolled with weights of its
own for each of six; the others are the checkpoints that ship, one training seed each, tested on the same
images part by part, so their intervals say nothing of other seeds.

The rival is as wide as gives it no more weights than the loop, and sees as far as the loop's first six steps
do. It is trained on the same images for as many updates, by its loss at each of its steps: a front that must
spread further than six steps reach would ask it for what it cannot do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from fbseg_core.analysis.cost import cost
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.checkpoint import load, read_card
from fbseg_core.config import GroupingConfig, ModelConfig, Switches
from fbseg_core.experiments.common import seed_of_test, trained
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.settling_rows import (
    AFTER,
    AS_TRAINED,
    COPIES,
    CUT,
    DEEP,
    FEEDBACK,
    HELD,
    LARGE,
    SETTLING,
    SLOWED,
    STEPS,
    UNTIED,
    panels,
    table,
)
from fbseg_core.experiments.settling_runs import (
    AT_REST,
    Course,
    course,
    path_independence,
    perturbed,
    swapped,
    timed,
    verdicts,
)
from fbseg_core.experiments.settling_told import conclude
from fbseg_core.experiments.subject import Subject, of_card, of_run
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.models.registry import traits_of
from fbseg_core.scores.evaluate import trivial_f1
from fbseg_core.scores.metrics import confusion, pooled_f1
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS

LEAKY = ModelConfig(
    in_channels=2, width=16, depth=1, u=8, v=8, steps=40, integrator="leaky", norm="pixel", decay="none"
)
RIVAL = LEAKY.replace(kind="unrolled", steps=COPIES, width=6)  # 26,178 weights; the loop has 27,378
CHECKPOINTS = {FEEDBACK: "grouping-feedback", CUT: "grouping-loop-cut", DEEP: "grouping-feedforward-deep"}
TRAINED = (SETTLING, UNTIED)
MODELS = (*TRAINED, *CHECKPOINTS)
PARTS, IMAGES, FEW = 5, 8, 2  # of checkpoints: parts of the images, and images of each
SLOW = 5.0  # times the τ of training
SWAP_AT = 30
LONGEST = 200  # steps on other images than those that a bar is about
PERTURBED_AT, PERTURBATION = 60, 0.5
STARTS = 8
REST_AT = 100  # the step at which states are to be at rest
STOPS = (0.1, 0.03, 0.01, 0.003, 0.001)  # ε of the rule ‖Δh‖/‖h‖ < ε
LONG_WAYS = GroupingConfig(side=96, regions="curves", coverage=0.4, winding=2.2)  # over 211 px
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"seeds": 2, "parts": 2, "side": 16, "learned": 16, "updates": 2, "images": 2, "few": 2,
             "steps": 10, "sides": (24,)},
    "quick": {"seeds": 2, "parts": 2, "side": 32, "learned": 24, "updates": 60, "images": 6, "few": 2,
              "steps": 60, "sides": (48,)},
    "full": {"seeds": 8, "parts": PARTS, "side": 48, "learned": 40, "updates": 800, "images": 16, "few": 4,
             "steps": 500, "sides": (32, 64, 96, 128, 160)},
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """The settling loop and its rival × training seed, then the checkpoints × part of the images.

    images: at `side` px; few: at each of the other `sides` and of other regions. learned: side in training.
    """
    grid = GRIDS[profile]
    shared = {name: grid[name] for name in ("side", "images", "few", "steps")} | {"sides": [*grid["sides"]]}
    anew = [
        {"model": name, "seed": seed, "learned": grid["learned"], "updates": grid["updates"], **shared}
        for name in TRAINED
        for seed in range(grid["seeds"])
    ]
    shared |= {"images": min(grid["images"], IMAGES), "few": min(grid["few"], FEW)}
    return anew + [
        {"model": name, "seed": part, "learned": 0, "updates": 0, **shared}
        for part in range(grid["parts"])
        for name in CHECKPOINTS
    ]


def run_of(settings: Mapping[str, Any]) -> tuple[GroupingConfig, TrainingRun]:
    """The training of a cell that trains: the protocol "rest", of the rival without free steps or a front."""
    train = PROTOCOLS["rest"].replace(updates=settings["updates"], seed=settings["seed"])
    task = GroupingConfig(side=settings["learned"], winding=0.5 if settings["learned"] > 16 else 0.25)
    if settings["model"] == SETTLING:
        return task, TrainingRun(SETTLING, LEAKY, train)
    train = train.replace(
        loss="trajectory", loss_from=0.0, free=0, steps_min=RIVAL.steps, steps_max=RIVAL.steps
    )
    return task, TrainingRun(UNTIED, RIVAL, train)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Pooled F1 by step and by image, and whether states come to rest.

    curves: by clock, F1 at those of STEPS that there are; of a model that does not go on one number, as
    under `sides` and `regions`. Of a loop that goes on, as it was trained: rest, share of states at rest at
    REST_AT; verdicts; swap, perturbation, starts as in `settling_runs`; times, at `side` and at the sides,
    image by image; stops, by ε. field: receptive field in px, of a loop after COPIES steps.
    trivial: of "mark every region", by the same names.
    """
    model, ended = _model(settings)
    loops = model.has_loop() and _goes_on(model)
    task, seed = GroupingConfig(side=settings["side"], winding=_winding(settings)), settings["seed"]
    batch = make_batch(task, settings["images"], seed_of_test(seed), "test")
    found: dict[str, Any] = {"curves": {}, "rest": {}, "sides": {}, "regions": {}, "trivial": {}, "times": {}}
    for clock, switches in _clocks(model):
        steps = settings["steps"] if clock == AS_TRAINED else min(settings["steps"], LONGEST)
        run = course(model, batch.x, _limit(model, steps), switches=switches)
        found["curves"][clock] = _scores(model, run, batch)
        if loops and model.has_loop(switches):
            found["rest"][clock] = round(float((run.moves[_index(run, REST_AT)] < AT_REST).float().mean()), 4)
        if loops and clock == AS_TRAINED:
            found["stops"] = _stops(run, batch)
            found["times"]["side"] = timed(run, batch)
    found["trivial"]["side"] = round(trivial_f1(batch, 2), 4)
    if loops:
        found |= _of_a_loop(model, task, batch, settings)
    for name, other in _others(settings):
        batch = make_batch(other, _number(settings, other), seed_of_test(seed), "test")
        run = course(model, batch.x, _limit(model, _followed(settings, name)))
        found["sides" if name.isdigit() else "regions"][name] = _scores(model, run, batch)
        found["trivial"][name] = round(trivial_f1(batch, 2), 4)
        if loops and name.isdigit():
            found["times"][name] = timed(run, batch)
    weights = cost(model, batch.x[:1, :, :16, :16]).parameters
    return found | {"weights": weights, "field": receptive_field(model.config, _field_steps(model)), **ended}


def _model(settings: Mapping[str, Any]) -> tuple[Model, dict[str, Any]]:
    """The model of a cell, and how its training ended if it was trained here."""
    if settings["model"] in TRAINED:
        return trained(*run_of(settings))
    return load(CHECKPOINTS[settings["model"]])[0], {}


def _clocks(model: Model) -> Iterator[tuple[str, Switches]]:
    """As it was trained; and of a model with a clock, slowed and held at t = 0."""
    yield AS_TRAINED, AS_BUILT
    if model.has_loop() and model.config.decay != "none":
        yield SLOWED, Switches(tau=SLOW * model.config.tau)
        yield HELD, Switches(clock=0)


def _others(settings: Mapping[str, Any]) -> Iterator[tuple[str, GroupingConfig]]:
    """Other sides by their number, and other regions by name."""
    for side in settings["sides"]:
        yield str(side), GroupingConfig(side=side, winding=_winding(settings))
    side = max(settings["side"], 32)
    for regions in ("curves", "maze", "rings"):
        yield regions, GroupingConfig(side=side, regions=regions, coverage=0.4, scale=2.0, winding=0.5)
    if settings["side"] == GroupingConfig().side:
        yield "long curves", LONG_WAYS


def _winding(settings: Mapping[str, Any]) -> float:
    """That of the task, less where images are so small that it hardly occurs."""
    return GroupingConfig().winding if settings["side"] >= 32 else 0.25


def _followed(settings: Mapping[str, Any], name: str) -> int:
    """For how many steps: as long as asked at LARGE px, where a bar asks for it."""
    return settings["steps"] if name == LARGE else min(settings["steps"], LONGEST)


def _number(settings: Mapping[str, Any], task: GroupingConfig) -> int:
    return settings["few"] if task.side <= 96 else max(settings["few"] // 2, 1)


def _field_steps(model: Model) -> int:
    """After how many steps the receptive field is told: a loop then sees as far as the deep model."""
    return COPIES if model.has_loop() else model.steps


def _goes_on(model: Model) -> bool:
    """Whether steps past T change anything: not where there are none, nor where none has weights."""
    return model.traits.takes_steps and bool(model.gain(model.steps).any())


def _limit(model: Model, steps: int) -> int:
    """How long to follow a model: as long as asked, or to its end."""
    return steps if _goes_on(model) else model.steps


def _scores(model: Model, run: Course, batch: Batch) -> list[float]:
    last = len(run.masks) - 1
    steps = [t for t in STEPS if t <= last] if _goes_on(model) else [last]
    return [round(run.f1(batch.labels, t), 4) for t in steps]


def _index(run: Course, t: int) -> int:
    """Of the step that leads to t, or of the last one."""
    return min(t, len(run.moves)) - 1


def _stops(run: Course, batch: Batch) -> dict[str, dict[str, float]]:
    """Where ‖Δh‖/‖h‖ < ε would stop each image, by ε: the mean step, and pooled F1 there."""
    found = {}
    for epsilon in STOPS:
        below = run.moves < epsilon
        taken = torch.where(below.any(0), below.long().argmax(0) + 1, len(below))
        answer = run.masks[taken, torch.arange(len(taken))].long()
        f1 = pooled_f1(confusion(answer, batch.labels, 2))
        found[f"{epsilon:g}"] = {"steps": round(float(taken.float().mean()), 2), "f1": round(f1, 4)}
    return found


def _of_a_loop(
    model: Model, task: GroupingConfig, batch: Batch, settings: Mapping[str, Any]
) -> dict[str, Any]:
    few, seed = Batch(batch.x[: settings["few"]], batch.labels[: settings["few"]]), settings["seed"]
    steps = min(settings["steps"], REST_AT)
    return {
        "verdicts": verdicts(model, few, max(steps, 8)),
        "swap": swapped(model, task, settings["images"], seed, SWAP_AT, [t for t in AFTER if t <= steps]),
        "perturbation": perturbed(model, few, min(PERTURBED_AT, steps), steps, PERTURBATION, seed),
        "starts": path_independence(model, few, steps, STARTS, seed),
    }


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell on the images of its curve."""
    task = GroupingConfig(side=settings["side"], winding=_winding(settings))
    if settings["model"] in CHECKPOINTS:
        card = read_card(CHECKPOINTS[settings["model"]])
        return (of_card(card, task, settings["steps"] if traits_of(card.model).takes_steps else 0),)
    learned, run = run_of(settings)
    own = of_run(learned, run)
    return (Subject(task, own.model, settings["steps"], own.trained, own.train),)


EXPERIMENT = Experiment(
    name="settling",
    title="A loop that settles",
    claim="Does a leaky state without a clock come to rest on the right mask, hold it, answer a new image, "
    "and think longer on longer ways?",
    source="a question of ours",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
    over="training seeds, or parts of the images of checkpoints",
    checkpoints=tuple(CHECKPOINTS.values()),
)
