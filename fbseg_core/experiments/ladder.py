"""From the paper's feedforward model to its feedback model, one change at a time: what brings the gain?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fbseg_core.analysis.paired import Difference, mean_over_seeds, paired_difference
from fbseg_core.config import FewShotConfig, ShapesConfig, TaskConfig
from fbseg_core.experiments.common import setup_of, train_and_score
from fbseg_core.experiments.harness import Experiment, Profile, Row
from fbseg_core.experiments.report import Finding, Panel, Series, exact, words
from fbseg_core.fewshot import Run, climb, few_shot

# Each rung is the one before it and one thing more. From "loop cut" on the state has V more neurons, and a
# loss at every step, as the feedback model has; the last rung differs from it in the loop alone.
RUNGS = (
    "feedforward", "+ more updates", "+ normalised output", "+ group norm", "loop cut", "feedback",
)  # fmt: skip
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


def rung_of(task: TaskConfig, setup: FewShotConfig, rung: str) -> tuple[TaskConfig, Run]:
    """The task and the run of one rung."""
    task, feedback, plain = few_shot(task, setup)
    if rung == "feedback":
        return task, feedback
    if rung == "loop cut":
        return task, Run(rung, feedback.model.replace(kind="loop_cut"), feedback.train)
    added = [name.removeprefix("+ ") for name in RUNGS[1 : RUNGS.index(rung) + 1]]
    return task, climb(plain, *added)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train the model of one rung and score it with its controls."""
    task = ShapesConfig(side=settings["side"], sigma=settings["sigma"])
    task, run = rung_of(task, setup_of(settings, "paper"), settings["rung"])
    return train_and_score(task, run, settings["images"])


@dataclass(frozen=True)
class Rung:
    """A rung's F1 over seeds: its mean with an interval, and its difference from the feedback model.

    batch: mean F1 with the test batch's own statistics, None without batch norm. chance: of the same images.
    """

    name: str
    f1: Difference
    from_feedback: Difference
    batch: float | None
    chance: float


def summary(rows: Sequence[Row], examples: int) -> list[Rung]:
    """The rungs in their order, from the rows of a result with that number of examples, paired by seed."""
    found = [row for row in rows if row.settings["examples"] == examples]

    def of(rung: str, key: str) -> list:
        mine = [row for row in found if row.settings["rung"] == rung]
        return [row.result[key] for row in sorted(mine, key=lambda row: row.settings["seed"])]

    return [
        Rung(
            name=rung,
            f1=mean_over_seeds(of(rung, "f1")),
            from_feedback=paired_difference(of(rung, "f1"), of("feedback", "f1")),
            batch=None if None in of(rung, "f1_batch") else float(np.mean(of(rung, "f1_batch"))),
            chance=found[0].result["chance"],
        )
        for rung in RUNGS
    ]


def panels(rows: Sequence[Row]) -> list[Panel]:
    """F1 from rung to rung, for each number of examples."""
    found = []
    for n in sorted({row.settings["examples"] for row in rows}):
        rungs = summary(rows, n)
        names = tuple(rung.name for rung in rungs)
        own = [rung for rung in rungs if rung.batch is not None]
        batch = Series(
            "with the test batch's statistics",
            "other",
            tuple(rung.name for rung in own),
            tuple(exact(rung.batch) for rung in own),
        )
        lines = (
            Series("F1 of the rung", "feedback", names, tuple(rung.f1 for rung in rungs)),
            batch,
            Series("chance", "chance", names, tuple(exact(rung.chance) for rung in rungs)),
        )
        found.append(Panel(f"shapes, {n} examples", "", "pooled F1", lines))
    return found


def conclude(rows: Sequence[Row]) -> Finding:
    """The first rung from which the feedback model is no longer better explains the gap."""
    n = min(row.settings["examples"] for row in rows)
    rungs = summary(rows, n)
    plain, cut, feedback = rungs[0], rungs[-2], rungs[-1]
    level = next((rung for rung in rungs[:-1] if rung.from_feedback.high >= 0), None)
    because = (
        f"n = {n}: feedforward {words(plain.f1)}, feedback {words(feedback.f1)}; "
        f"with the loop cut {words(cut.f1)}, which is {words(cut.from_feedback, sign=True)} from feedback."
    )
    brief = f"n = {n}, the loop cut − feedback: {words(cut.from_feedback, sign=True)}"
    if level is None:
        return Finding("reproduced", because, brief)
    if level is plain:
        return Finding("not reproduced", because, brief)
    because = f"{because} {level.name!r} alone gives {words(level.f1)}."
    return Finding("explained by", because, brief, level.name.removeprefix("+ "))


EXPERIMENT = Experiment(
    name="ladder",
    title="One change at a time",
    claim="What separates the two models is feedback.",
    source="abstract, mechanism 1",
    cells=cells,
    measure=measure,
    panels=panels,
    conclude=conclude,
)
