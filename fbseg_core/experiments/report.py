"""What the rows of an experiment say: panels of curves over seeds, and a finding."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fbseg_core.analysis.paired import Difference, mean_over_seeds, paired_difference
from fbseg_core.experiments.records import UNRECORDED, Row
from fbseg_core.settings import ConfigError


def over_seeds(rows: Sequence[Row], value: Callable[[Row], Any] | str, **wanted: Any) -> list[float]:
    """A value of the rows whose settings hold all that is `wanted`, in the order of their seeds.

    value: a key of the result, or a function of the row. Raises ConfigError where no such row is, or two
    of one seed.
    """
    found = [row for row in rows if all(row.settings.get(key) == setting for key, setting in wanted.items())]
    found.sort(key=lambda row: row.settings["seed"])
    seeds = [row.settings["seed"] for row in found]
    if not found or len(set(seeds)) < len(seeds):
        raise ConfigError(f"results: expected one row a seed where {wanted}, not {len(found)} rows.")
    return [row.result[value] if isinstance(value, str) else value(row) for row in found]


def mean(rows: Sequence[Row], value: Callable[[Row], Any] | str, **wanted: Any) -> Difference:
    """The mean over seeds, with its interval, of what `over_seeds` finds."""
    return mean_over_seeds(over_seeds(rows, value, **wanted))


def geometric_mean(values: Sequence[float], floor: float = 0.0) -> Difference:
    """The geometric mean over seeds, with the interval of the logarithms: for sizes on a logarithmic axis.

    values > 0, or raised to `floor` > 0 where they are smaller. Raises ConfigError for others.
    """
    raised = [max(value, floor) for value in values]
    if not all(value > 0 for value in raised):
        raise ConfigError("values: a geometric mean needs them greater than 0.")
    found = mean_over_seeds([math.log(value) for value in raised])
    return Difference(*(math.exp(value) for value in (found.mean, found.low, found.high)), found.k)


def gap(
    rows: Sequence[Row], value: Callable[[Row], Any] | str, a: dict[str, Any], b: dict[str, Any], **both: Any
) -> Difference:
    """The difference a − b, paired by seed, of rows that hold the settings of one and of the other."""
    return paired_difference(over_seeds(rows, value, **a, **both), over_seeds(rows, value, **b, **both))


def exact(value: float, k: int = 1) -> Difference:
    """A number that has no spread: chance, a limit, a count."""
    return Difference(value, value, value, k)


def words(d: Difference, sign: bool = False) -> str:
    """A mean and its interval as they stand in a sentence: "0.90 [0.85, 0.94]"."""
    mean, low, high = (_number(value, sign) for value in (d.mean, d.low, d.high))
    if d.low == d.high:
        return mean
    return f"{mean} [{low}, {high}]" if math.isfinite(d.low) else f"{mean} [too few seeds for an interval]"


def _number(value: float, sign: bool) -> str:
    text = f"{value:+.2f}" if sign else f"{value:.2f}"
    return text.replace("-", "−") if float(text) else "0.00"


def flat(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """All rows as a table has them: settings, what was measured, seconds, digest and what made them.

    What is nested has a dotted name, and a list is JSON.
    """
    return [
        _flat(row.settings)
        | _flat(row.result)
        | {"seconds": row.seconds, "digest": row.digest}
        | _flat(row.made, "made.")
        for row in rows
    ]


def made_by(rows: Sequence[Row], code: str) -> str:
    """In a few words, which code made the rows, as it ends a sentence; code: the digest of today's."""
    kinds = {
        "made by the code as it is now": [row for row in rows if row.code == code and code],
        "made by other code": [row for row in rows if row.code not in ("", code)],
        UNRECORDED: [row for row in rows if not row.code],
    }
    there = {words: len(found) for words, found in kinds.items() if found}
    if len(there) == 1:
        return f"all {next(iter(there))}"
    return ", ".join(f"{count} {words}" for words, count in there.items())


def _flat(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{path}{key}.")
        else:
            found[path + key] = json.dumps(value) if isinstance(value, list) else value
    return found
