"""Ablation steps summed up over seeds, as a chart has them; and what the loop adds on another task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fbseg_core.analysis.paired import Difference, mean_over_seeds, paired_difference
from fbseg_core.experiments.records import Others, Panel, Row, Series
from fbseg_core.experiments.report import exact, gap, over_seeds, words

# Each rung is the one before it and one thing more, as the experiment that climbs it says. From "loop cut"
# on the state has V more neurons, and a loss at every step, as the feedback model has; the last rung
# differs from it in the loop alone.
RUNGS = (
    "feedforward", "+ more updates", "+ normalised output", "+ group norm", "loop cut", "feedback",
)  # fmt: skip


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


def summary(rows: Sequence[Row], rungs: Sequence[str] = RUNGS, **wanted: Any) -> list[Rung]:
    """The rungs in their order, from the rows whose settings hold all that is `wanted`, paired by seed."""
    feedback = over_seeds(rows, "f1", rung="feedback", **wanted)
    found = []
    for rung in rungs:
        f1 = over_seeds(rows, "f1", rung=rung, **wanted)
        batch = over_seeds(rows, "f1_batch", rung=rung, **wanted)
        found.append(
            Rung(
                name=rung,
                f1=mean_over_seeds(f1),
                from_feedback=paired_difference(f1, feedback),
                batch=None if None in batch else float(np.mean(batch)),
                chance=over_seeds(rows, "chance", rung=rung, **wanted)[0],
            )
        )
    return found


def panel(title: str, rungs: Sequence[Rung], *more: Series) -> Panel:
    """F1 from rung to rung, beside chance and, where there is batch norm, the test batch's statistics."""
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
        *more,
        Series("chance", "chance", names, tuple(exact(rung.chance) for rung in rungs)),
    )
    return Panel(title, "", "pooled F1", lines)


LOOP = (  # what differs in the loop alone, in the rows of the ladder
    {"times": 1, "norm": "group", "output": True, "loop": "closed"},
    {"times": 1, "norm": "group", "output": True, "loop": "cut"},
)


def loop_elsewhere(others: Others, name: str, where: str, **wanted: Any) -> str:
    """A sentence on what the loop adds in the ladder `name` among others, on the task `where`, with a space
    before it; empty where there is none."""
    if name not in others:
        return ""
    adds = gap(others[name], "f1", *LOOP, **wanted)
    return f" {where} the loop adds {words(adds, sign=True)}."
