"""What an experiment is, and the result files that hold its rows.

A result file is JSON lines: first a head (experiment, profile, command, number of cells, and what made how
many of them), then one row a cell with its settings, its digest, what was measured, the seconds it took and
what made it: versions, how the machine rounds, and the digest of the code. Files of before the code was
recorded have their versions in the head alone, and no number of cells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from fbseg_core.analysis.paired import Difference
from fbseg_core.experiments.subject import Subject
from fbseg_core.settings import ConfigError

Profile = Literal["tiny", "quick", "full"]
Settings = Mapping[str, Any]
RESULTS = Path(__file__).with_name("results")
UNRECORDED = "made before the code was recorded"  # the note of a row that has no digest of it

Word = Literal["reproduced", "partly", "not reproduced", "explained by", "undecided", "measured"]
Kind = Literal["feedback", "feedforward", "loop cut", "limit", "chance", "trivial", "other"]


@dataclass(frozen=True)
class Listed:
    """A point of a finding that is a list: what its items are of, in words, and the items."""

    of: str
    items: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.of}: {'; '.join(self.items)}."


Point = str | Listed  # of a finding: a sentence or two on one matter, or a list


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim: one of five words, or "measured" where the paper claims nothing. "undecided"
    is said where the rows tell neither a difference nor equality.

    All worked out from the rows. brief: the answer in one line, in words for a student. because: at most
    three short sentences with the two or three numbers it rests on; points: the other numbers, which are
    folded away, one matter each. cause: what explains the claimed effect, where the word is "explained by".
    """

    word: Word
    because: str
    brief: str
    cause: str = ""
    points: Sequence[Point] = ()

    @property
    def details(self) -> str:
        """The points as running text."""
        return " ".join(map(str, self.points))

    @property
    def verdict(self) -> str:
        return f"{self.word} {self.cause}".strip()


@dataclass(frozen=True)
class Series:
    """One line of a panel: y[i] at x[i], each a mean over seeds with its interval.

    kind gives its colour and dash wherever it is drawn; several of one kind are told apart by name.
    """

    name: str
    kind: Kind
    x: tuple[float | str, ...]
    y: tuple[Difference, ...]


@dataclass(frozen=True)
class Panel:
    """One chart. logs: the axes that are logarithmic, "", "x", "y" or "xy"."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    logs: Literal["", "x", "y", "xy"] = ""


@dataclass(frozen=True)
class Row:
    """A finished cell. seconds: of processor time, which others on the machine disturb least.

    made: python, torch, numpy, machine; rounding (rounding.py); code (code.py), "" or none where it is not
    known; and a note where it was not made by the code of its time of writing.
    """

    settings: dict[str, Any]
    result: dict[str, Any]
    seconds: float
    digest: str
    made: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The digest of the code that measured it, "" where it is not known."""
        return self.made.get("code", "")


Others = Mapping[str, Sequence[Row]]  # the rows of other experiments by their names
NONE: Others = MappingProxyType({})


@dataclass(frozen=True)
class Experiment:
    """One claim under test.

    title: a few words. claim: the sentence of the paper, or the question, that it answers; source: where
    that stands. cells(profile) lists the settings of every cell, plain JSON values; measure(settings) gives
    its numbers, and subjects(settings) says of which models, run how. panels(rows, others) and
    conclude(rows, others) say what a result, whole for its profile, holds; others are the rows of the
    experiments that it `needs`, as far as they are known. table(rows): one to stand below the charts, a dict
    a line, where they do not say it all. over: what the seeds of its cells are. exact: whether a cell
    measured again gives the same numbers, wherever it runs; times do not. checkpoints: those that ship and
    that its cells load.
    """

    name: str
    title: str
    claim: str
    source: str
    cells: Callable[[Profile], list[dict[str, Any]]]
    measure: Callable[[Settings], dict[str, Any]]
    subjects: Callable[[Settings], Sequence[Subject]]
    panels: Callable[[Sequence[Row], Others], list[Panel]]
    conclude: Callable[[Sequence[Row], Others], Finding]
    needs: tuple[str, ...] = ()
    over: str = "training seeds"
    exact: bool = True
    checkpoints: tuple[str, ...] = ()
    table: Callable[[Sequence[Row]], list[dict[str, str]]] | None = None


def digest(name: str, settings: Settings) -> str:
    """What a cell is known by: 16 hex digits of its experiment and settings."""
    text = json.dumps([name, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def path_of(name: str, profile: Profile, folder: Path = RESULTS) -> Path:
    """Where an experiment's results are kept."""
    return folder / f"{name}-{profile}.jsonl"


def read(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """The head and the rows of a result file; of two rows of one cell the later counts.

    A last line that was torn by a crash is passed over. A row that does not say what made it is given the
    versions of the head, and the note UNRECORDED. Raises ConfigError where there is no such file or it is
    none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"results: {path.name} cannot be read ({error.strerror}).") from None
    values = []
    for number, text in enumerate(lines):
        try:
            values.append(json.loads(text))
        except ValueError:
            if number + 1 < len(lines):
                raise ConfigError(f"results: line {number + 1} of {path.name} is no JSON.") from None
    try:
        head, *rows = values
        head = dict(head)
        unknown = {**head.get("versions", {}), "note": UNRECORDED}
        found = [Row(**{"made": unknown, **row}) for row in rows]
        return head, list({row.digest: row for row in found}.values())
    except (TypeError, ValueError):
        raise ConfigError(f"results: {path.name} is no result file.") from None


def related(experiment: Experiment, profile: Profile, folder: Path = RESULTS) -> dict[str, list[Row]]:
    """The rows that an experiment needs of others, from one folder; a result that is not whole is left out.

    Raises ConfigError where a file cannot be read.
    """
    found = {}
    for name in experiment.needs:
        path = path_of(name, profile, folder)
        if path.exists():
            head, rows = read(path)
            if len(rows) == head.get("cells", len(rows)):
                found[name] = rows
    return found


def makers(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What made the rows: each of `made` that there is, and how many cells it made."""
    counts: dict[str, int] = {}
    for row in rows:
        text = json.dumps(row.made, sort_keys=True)
        counts[text] = counts.get(text, 0) + 1
    return [{"cells": count, **json.loads(text)} for text, count in counts.items()]
