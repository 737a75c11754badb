"""What the rows of an experiment say: panels of curves over seeds, and a finding."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fbseg_core.analysis.equivalence import Compared
from fbseg_core.analysis.hierarchical import hierarchical_difference, hierarchical_mean
from fbseg_core.analysis.paired import Difference, mean_over_seeds, paired_difference
from fbseg_core.experiments.common import COUNTED
from fbseg_core.experiments.records import UNRECORDED, Row
from fbseg_core.settings import ConfigError

# What to read off a row: a key of its result, the keys that lead down to it, or a function of the row.
Value = str | tuple[str, ...] | Callable[[Row], Any]


def over_seeds(rows: Sequence[Row], value: Value, **wanted: Any) -> list[float]:
    """A value of the rows whose settings hold all that is `wanted`, in the order of their seeds.

    Raises ConfigError where no such row is, or two of one seed.
    """
    return [_look(row, value) for row in _by_seed(rows, **wanted)]


def counts_over_seeds(rows: Sequence[Row], value: Value, **wanted: Any) -> np.ndarray | None:
    """The counts (k, images, 3) behind a score of those rows; None where they were not kept for all of them,
    or where all seeds were tested on the same images.

    They stand beside the score: those of ("at", "4", "f1") at ("at", "4", "counts", "f1").
    """
    if callable(value):
        return None
    *path, name = (value,) if isinstance(value, str) else value
    found, tested = [], set()
    for row in _by_seed(rows, **wanted):
        scores = _look(row, tuple(path))
        counts = scores.get("counts", {}).get(name)
        if counts is None:
            return None
        tested.add(scores["test_seed"])
        found.append([counts[outcome] for outcome in COUNTED])
    if len(tested) < len(found):
        return None
    return np.array(found).swapaxes(1, 2)


def mean(rows: Sequence[Row], value: Value, **wanted: Any) -> Difference:
    """The mean over seeds of what `over_seeds` finds, with its interval: over seeds and images where the
    rows hold the counts of every image, else over seeds alone (`Difference.over` says which)."""
    counts = counts_over_seeds(rows, value, **wanted)
    return (
        hierarchical_mean(counts)
        if counts is not None
        else mean_over_seeds(over_seeds(rows, value, **wanted))
    )


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
    rows: Sequence[Row],
    value: Value,
    a: dict[str, Any],
    b: dict[str, Any],
    other: Value | None = None,
    **both: Any,
) -> Difference:
    """The difference a − b, paired by seed, of rows that hold the settings of one and of the other.

    other: what to read off the rows of b, `value` if not given. The interval as in `mean`.
    """
    other = value if other is None else other
    counts = [counts_over_seeds(rows, value, **a, **both), counts_over_seeds(rows, other, **b, **both)]
    if all(one is not None for one in counts):
        return hierarchical_difference(*counts)
    return paired_difference(over_seeds(rows, value, **a, **both), over_seeds(rows, other, **b, **both))


def above_chance(rows: Sequence[Row], value: Value, chance: Value = "chance", **wanted: Any) -> Difference:
    """A score less chance on the same images, with its interval over seeds."""
    return paired_difference(over_seeds(rows, value, **wanted), over_seeds(rows, chance, **wanted))


def exact(value: float, k: int = 1) -> Difference:
    """A number that has no spread: chance, a limit, a count."""
    return Difference(value, value, value, k)


def words(d: Difference, sign: bool = False) -> str:
    """A mean and its interval as they stand in a sentence: "0.90 [0.85, 0.94]".

    Two decimals, or as many more, up to four, as show the sign of every number that is not zero.
    """
    values = [d.mean] if d.low == d.high else [d.mean, d.low, d.high]
    finite = [value for value in values if math.isfinite(value)]
    digits = next((n for n in (2, 3) if all(round(x, n) or abs(x) < 5e-5 for x in finite)), 4)
    mean, *bounds = (_number(value, sign, digits) for value in values)
    if not bounds:
        return mean
    return f"{mean} [{', '.join(bounds)}]" if len(finite) == 3 else f"{mean} [too few seeds for an interval]"


def _number(value: float, sign: bool, digits: int) -> str:
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{digits}f}"


def answered(one: Compared) -> str:
    """A difference within its family as it stands in a sentence: "+0.03 [+0.01, +0.05], different".

    The p value is told where the family's correction takes back what the interval alone would call.
    """
    taken_back = one.difference.called and not one.different
    why = f" (p = {one.p:.2g} in its family)" if taken_back else ""
    return f"{words(one.difference, sign=True)}, {one.answer}{why}"


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


def _by_seed(rows: Sequence[Row], **wanted: Any) -> list[Row]:
    """The rows that hold all that is wanted, one a seed, in the order of their seeds."""
    found = [row for row in rows if all(row.settings.get(key) == setting for key, setting in wanted.items())]
    found.sort(key=lambda row: row.settings["seed"])
    seeds = [row.settings["seed"] for row in found]
    if not found or len(set(seeds)) < len(seeds):
        raise ConfigError(f"results: expected one row a seed where {wanted}, not {len(found)} rows.")
    return found


def _look(row: Row, value: Value) -> Any:
    """What `value` names in the result of a row."""
    if callable(value):
        return value(row)
    return functools.reduce(
        lambda at, key: at[key], (value,) if isinstance(value, str) else value, row.result
    )


def _flat(values: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{path}{key}.")
        else:
            found[path + key] = json.dumps(value) if isinstance(value, list) else value
    return found
