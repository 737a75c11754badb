"""What a job's log says, as curves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Curves:
    """The curves of a job's runs, gathered from its log: run number → update → record.

    updates: as logged, one for each update; scores: on the validation images, with `f1` and `iou` at
    t = 0 … T, and `class_f1` at T. What a crash undid is dropped and replaced by what was done again.
    """

    def __init__(self, records: Iterable[dict[str, Any]] = ()) -> None:
        self.updates: dict[int, dict[int, dict[str, Any]]] = {}
        self.scores: dict[int, dict[int, dict[str, Any]]] = {}
        self.changes: list[tuple[int, int, float]] = []
        self.faults: dict[int, tuple[int, str]] = {}
        self.seconds = 0.0
        self.extend(records)

    def extend(self, records: Iterable[dict[str, Any]]) -> None:
        """Take in further records, in the order of the log."""
        for record in records:
            event, run = record.get("event"), record.get("run")
            if event == "update":
                self.updates.setdefault(run, {})[record["update"]] = record
                self.seconds = record["seconds"]
            elif event == "score":
                self.scores.setdefault(run, {})[record["update"]] = record
            elif event == "rate":
                self.changes.append((run, record["first"], record["factor"]))
            elif event == "fault":
                self.faults[run] = (record["update"], record["reason"])
            elif event == "begin":
                for index, done in enumerate(record["done"]):
                    for curve in (self.updates.get(index, {}), self.scores.get(index, {})):
                        for update in [u for u in curve if u > done]:
                            del curve[update]
