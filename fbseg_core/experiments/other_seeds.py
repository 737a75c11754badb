"""Cells of a result measured with a seed that it lacks: do they lie within the spread of the seeds it has?

Not all of them have to. Of k seeds and one more, all alike, that one is neither the lowest nor the highest
with chance (k − 1) / (k + 1): 78 % at k = 8. Values of one cell go together, so one odd seed moves many.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, NamedTuple

from fbseg_core.experiments.records import Experiment, Row, digest
from fbseg_core.settings import ConfigError

PASSED = ("counts", "test_seed")  # pixels of single images, and a number that the seed makes


class Value(NamedTuple):
    """A number with another seed, and the lowest and the highest of the seeds there are."""

    value: float
    low: float
    high: float

    @property
    def beyond(self) -> float:
        """How far it lies outside of their range; 0 within it."""
        return max(self.low - self.value, self.value - self.high, 0.0)


@dataclass(frozen=True)
class Again:
    """A cell with another seed. seconds: of processor time. k: seeds that it is held against. values: by
    name, each number that is not the same for all of them."""

    settings: Mapping[str, Any]
    seconds: float
    k: int
    values: dict[str, Value]


def measured_again(
    experiment: Experiment, rows: Sequence[Row], cells: int, longest: float = math.inf
) -> Iterator[Again]:
    """Measure that many cells, spread evenly over the grid of the rows, with the first seed past theirs.

    longest: s, what a cell may have taken on average to be among them. Raises ConfigError where none is.
    """
    kept = [group for group in groups(rows) if fmean(row.seconds for row in group) <= longest]
    if not kept:
        raise ConfigError(f"longest: no cell of {experiment.name} took {longest:g} s or less.")
    n = min(cells, len(kept))
    for group in (kept[i * len(kept) // n] for i in range(n)):
        settings = group[0].settings | {"seed": 1 + max(row.settings["seed"] for row in group)}
        start = time.process_time()
        values = compared(experiment.measure(settings), [row.result for row in group])
        yield Again(settings, time.process_time() - start, len(group), values)


def groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that differ in nothing but their seed, group by group."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(digest("", row.settings | {"seed": 0}), []).append(row)
    return list(found.values())


def compared(result: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> dict[str, Value]:
    """The numbers of a result beside the range of the others', but those that all have alike."""
    known = [numbers(one) for one in others]
    found = {}
    for name, value in numbers(result).items():
        there = [one[name] for one in known if name in one]
        if there and {value, *there} != {value}:
            found[name] = Value(value, min(there), max(there))
    return found


def numbers(result: Any, name: str = "") -> dict[str, float]:
    """The numbers of a result by their dotted names; of a list of numbers, a curve, the last."""
    if isinstance(result, Mapping):
        inner = {f"{name}.{key}".lstrip("."): value for key, value in result.items() if key not in PASSED}
        return {each: number for key, value in inner.items() for each, number in numbers(value, key).items()}
    if isinstance(result, list) and result:
        return numbers(result[-1], f"{name}, last") if not isinstance(result[-1], list | dict) else {}
    return {name: result} if isinstance(result, int | float) and not isinstance(result, bool) else {}
