"""What a job's log says, as curves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

NUMBER = (int, float, type(None))  # None stands for one that is not finite
FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "update": {
        "run": int,
        "update": int,
        "total": int,
        "loss": NUMBER,
        "losses": list,
        "lr": NUMBER,
        "grad_norm": NUMBER,
        "seconds": (int, float),
        "left": NUMBER,
    },
    "score": {"run": int, "update": int, "f1": list, "iou": list, "class_f1": list},
    "rate": {"run": int, "first": int, "factor": (int, float)},
    "fault": {"run": int, "update": int, "reason": str},
    "begin": {"done": list},
}


def sound(record: dict[str, Any]) -> bool:
    """Whether a record of a log is whole: a disk that was full may have taken half of it."""
    event = record.get("event")
    fields = FIELDS.get(event) if isinstance(event, str) else None
    return fields is not None and all(isinstance(record.get(key), kind) for key, kind in fields.items())


class Curves:
    """The curves of a job's runs, gathered from its log: run number → update → record.

    updates: as logged, one for each update; scores: on the validation images, with `f1` and `iou` at
    t = 0 … T, and `class_f1` at T. What a crash undid is dropped and replaced by what was done again; a
    record that is not whole is passed over.
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
        for record in filter(sound, records):
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
