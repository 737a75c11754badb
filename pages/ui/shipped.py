"""The results that ship, read once, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.code import code_of
from fbseg_core.experiments.factorial import BASELINE, Step, steps, updates
from fbseg_core.experiments.records import RESULTS, Finding, Panel, Row, path_of, read, related
from fbseg_core.experiments.report import made_by
from fbseg_core.experiments.subject import corners
from fbseg_core.settings import ConfigError
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
    """A shipped result, and what it says. seeds: how many values its seeds take."""

    finding: Finding
    seeds: int


@dataclass(frozen=True)
class Shown:
    """What else a card shows of a result. table: a line each, none where the experiment has none. made: which
    code made the rows. corners: which polygons were learned from by the paper's protocol, "" where none."""

    panels: list[Panel]
    table: list[dict[str, str]]
    made: str
    corners: str


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
    finding = experiment.conclude(found.rows, related(experiment, "full", FOLDER))
    return Measured(**vars(found), finding=finding, seeds=len({row.settings["seed"] for row in found.rows}))


@recent(32)
def shown(name: str) -> Shown:
    """The charts and the table of a result that ships, apart from the verdict, which is asked for first and
    of all. Raises ConfigError."""
    experiment, found = EXPERIMENTS[name], result(name)
    if found is None:
        raise ConfigError(f"experiment: the result of {name} does not ship.")
    return Shown(
        panels=experiment.panels(found.rows, related(experiment, "full", FOLDER)),
        table=experiment.table(found.rows) if experiment.table else [],
        made=made_by(found.rows, code_of(experiment.measure, experiment.checkpoints)),
        corners=corners(one for row in found.rows for one in experiment.subjects(row.settings)),
    )


@once
def ladder() -> tuple[list[Step], int]:
    """The shipped ladder's steps at two examples, and how many updates each took; nothing where it does not
    ship."""
    found = result("ladder")
    return (steps(found.rows, 2), updates(found.rows, BASELINE, 2)) if found else ([], 0)
