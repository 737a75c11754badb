"""The results that ship, read once, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.code import code_of
from fbseg_core.experiments.factorial import BASELINE, Step, steps, updates
from fbseg_core.experiments.records import RESULTS, Finding, Panel, Row, path_of, read, related
from fbseg_core.experiments.report import made_by
from pages.ui.once import once, recent

FOLDER = RESULTS  # where they are read


@dataclass(frozen=True)
class Result:
    """A shipped result. raw: the bytes of its file."""

    head: dict[str, Any]
    rows: list[Row]
    raw: bytes


@dataclass(frozen=True)
class Measured(Result):
    """A shipped result, and what it says. seeds: how many values its seeds take. made: which code made it.

    table: a line each, none where the experiment has none.
    """

    panels: list[Panel]
    table: list[dict[str, str]]
    finding: Finding
    seeds: int
    made: str


@recent(32)
def result(name: str) -> Result | None:
    """The full result of an experiment, or None where it does not ship. Raises ConfigError."""
    path = path_of(name, "full", FOLDER)
    return Result(*read(path), path.read_bytes()) if path.exists() else None


@recent(32)
def measured(name: str) -> Measured | None:
    """`result`, and what it says given the results that it needs. Raises ConfigError."""
    experiment, found = EXPERIMENTS[name], result(name)
    if found is None:
        return None
    rows, others = found.rows, related(experiment, "full", FOLDER)
    return Measured(
        **vars(found),
        panels=experiment.panels(rows, others),
        table=experiment.table(rows) if experiment.table else [],
        finding=experiment.conclude(rows, others),
        seeds=len({row.settings["seed"] for row in rows}),
        made=made_by(rows, code_of(experiment.measure, experiment.checkpoints)),
    )


@once
def ladder() -> tuple[list[Step], int]:
    """The shipped ladder's steps at two examples, and how many updates each took; nothing where it does not
    ship."""
    found = result("ladder")
    return (steps(found.rows, 2), updates(found.rows, BASELINE, 2)) if found else ([], 0)
