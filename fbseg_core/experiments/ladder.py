"""From the paper's feedforward model to its feedback model, one change at a time: what brings the gain?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fbseg_core.config import FewShotConfig, ShapesConfig, TaskConfig
from fbseg_core.experiments import rungs
from fbseg_core.experiments.common import setup_of, train_and_score
from fbseg_core.experiments.records import NONE, Experiment, Finding, Others, Panel, Profile, Row
from fbseg_core.experiments.report import words
from fbseg_core.experiments.rungs import RUNGS, Rung
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.training.fewshot import TrainingRun, few_shot, with_changes

GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"examples": (2,), "seeds": 2, "side": 16, "images": 8, "updates": 2},
    "quick": {"examples": (2,), "seeds": 3, "side": 64, "images": 100, "updates": 0},
    "full": {"examples": (2, 10), "seeds": 8, "side": 64, "images": 200, "updates": 0},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """number of examples × rung × seed, single shapes under the paper's protocol at paper sigma 4."""
    grid = GRIDS[profile]
    return [
        {
            "examples": n, "rung": rung, "seed": seed, "sigma": 0.5,
            "side": grid["side"], "images": grid["images"], "updates": grid["updates"],
        }
        for n in grid["examples"]
        for rung in RUNGS
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def rung_of(task: TaskConfig, setup: FewShotConfig, rung: str) -> tuple[TaskConfig, TrainingRun]:
    """The task and the run of one rung."""
    task, feedback, plain = few_shot(task, setup)
    if rung == "feedback":
        return task, feedback
    if rung == "loop cut":
        return task, TrainingRun(rung, feedback.model.replace(kind="loop_cut"), feedback.train)
    added = [name.removeprefix("+ ") for name in RUNGS[1 : RUNGS.index(rung) + 1]]
    return task, with_changes(plain, *added)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train the model of one rung and score it with its controls."""
    return train_and_score(*_run_of(settings), settings["images"])


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of one rung, as it is trained and tested."""
    return (of_run(*_run_of(settings)),)


def _run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    task = ShapesConfig(side=settings["side"], sigma=settings["sigma"])
    return rung_of(task, setup_of(settings, "paper"), settings["rung"])


def summary(rows: Sequence[Row], examples: int) -> list[Rung]:
    """The rungs in their order, from the rows of a result with that number of examples, paired by seed."""
    return rungs.summary(rows, examples=examples)


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 from rung to rung, for each number of examples."""
    numbers = sorted({row.settings["examples"] for row in rows})
    return [rungs.panel(f"shapes, {n} examples", summary(rows, n)) for n in numbers]


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """The first rung from which the feedback model is no longer better explains the gap."""
    n = min(row.settings["examples"] for row in rows)
    found = summary(rows, n)
    plain, cut, feedback = found[0], found[-2], found[-1]
    level = next((rung for rung in found[:-1] if rung.from_feedback.high >= 0), None)
    because = (
        f"n = {n}: feedforward {words(plain.f1)}, feedback {words(feedback.f1)}; "
        f"with the loop cut {words(cut.f1)}, which is {words(cut.from_feedback, sign=True)} from feedback."
    )
    brief = f"n = {n}, the loop cut − feedback: {words(cut.from_feedback, sign=True)}"
    elsewhere = rungs.loop_elsewhere(others, "grouping", "On incremental grouping")
    if level is None:
        return Finding("reproduced", because + elsewhere, brief)
    if level is plain:
        return Finding("not reproduced", because + elsewhere, brief)
    because = f"{because} {level.name!r} alone gives {words(level.f1)}.{elsewhere}"
    return Finding("explained by", because, brief, level.name.removeprefix("+ "))


EXPERIMENT = Experiment(
    name="ladder",
    title="One change at a time",
    claim="What separates the two models is feedback.",
    source="abstract, mechanism 1",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    needs=("grouping",),
)
