"""How far back the gradient goes: what it takes in memory, and what is learned by it, over the steps T.

One leaky loop is trained three ways at each T, from the same weights on the same images: through the whole
trajectory (E7), through its last steps, and by recurrent back-propagation at its end, as if that were a state
of rest. One that is trained through fewer steps than the window is the same as one through all of them. The
network has one level, so that a step passes a mark on by few pixels and the answer does need the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fbseg_core.analysis.allocated import peak_bytes
from fbseg_core.config import GroupingConfig, ModelConfig
from fbseg_core.experiments.common import rounded, seed_of_test, trained
from fbseg_core.experiments.gradients_rows import WAYS, conclude, panels, table
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.settling_runs import AT_REST, course
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.models.registry import build
from fbseg_core.scores.evaluate import trivial_f1
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS
from fbseg_core.training.losses import losses_of, objective

STEPS = (5, 20, 80)  # T in training
LATE = 80  # the step at which all of them are tested, beside their own T
MODEL = ModelConfig(
    in_channels=2, width=16, depth=0, u=4, v=8, steps=LATE, integrator="leaky", norm="pixel", decay="none"
)
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"seeds": 2, "steps": (2, 4), "side": 16, "updates": 2, "batch": 2, "images": 2},
    "quick": {"seeds": 2, "steps": STEPS, "side": 16, "updates": 8, "batch": 2, "images": 8},
    # Chosen on seed 0, which is in the grid: with 250 updates of four images what was tried there stayed
    # below marking every region, as three seeds did with 150 updates of four at 24 px.
    "full": {"seeds": 8, "steps": STEPS, "side": 16, "updates": 300, "batch": 8, "images": 64},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """seed × T × how far back the gradient goes; seeds come first."""
    grid = GRIDS[profile]
    shared = {name: grid[name] for name in ("side", "updates", "batch", "images")}
    return [
        {"gradient": way, "steps": steps, "seed": seed, **shared}
        for seed in range(grid["seeds"])
        for steps in grid["steps"]
        for way in WAYS
    ]


def run_of(settings: Mapping[str, Any]) -> tuple[GroupingConfig, TrainingRun]:
    """The training of a cell: the settling protocol, on trajectories of T steps from rest."""
    task = GroupingConfig(side=settings["side"], winding=0.75 if settings["side"] > 16 else 0.25)
    train = PROTOCOLS["settling"].replace(
        gradient=settings["gradient"],
        steps_min=settings["steps"],
        steps_max=settings["steps"],
        **{name: settings[name] for name in ("updates", "batch", "seed")},
    )
    return task, TrainingRun(settings["gradient"], MODEL, train)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train, and score on images of the cell's own seed.

    bytes: the most that tensors of one update hold at once, model and images apart. f1: pooled, at the T of
    training; late: at LATE steps. rest: share of the states at rest there; move: their mean ‖Δh‖/‖h‖.
    trivial: of "mark every region".
    """
    task, run = run_of(settings)
    held = memory_of(settings)
    model, ended = trained(task, run)
    batch = make_batch(task, settings["images"], seed_of_test(settings["seed"]), "test")
    found = course(model, batch.x, LATE)
    return {
        "bytes": held,
        "f1": round(found.f1(batch.labels, settings["steps"]), 4),
        "late": round(found.f1(batch.labels, LATE), 4),
        "rest": round(float((found.moves[-1] < AT_REST).float().mean()), 4),
        "move": rounded(float(found.moves[-1].mean())),
        "trivial": round(trivial_f1(batch, model.classes), 4),
        **ended,
    }


def memory_of(settings: Mapping[str, Any]) -> int:
    """Bytes of the tensors that one update makes and holds at once, gradients included."""
    task, run = run_of(settings)
    model = build(run.model, settings["seed"])
    batch = make_batch(task, settings["batch"], settings["seed"])

    def update() -> None:
        losses, _ = losses_of(model, batch, settings["steps"], run.train)
        objective(losses, run.train).backward()

    return peak_bytes(update)


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, run for the T of its training."""
    task, run = run_of(settings)
    return (of_run(task, run, steps=settings["steps"]),)


EXPERIMENT = Experiment(
    name="gradients",
    title="How far back the gradient goes",
    claim="Optimising the whole trajectory of the state, in contrast to methods that only optimise the final "
    "equilibrium, makes the model learn robust dynamics.",
    source="trajectory-based learning",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
)
