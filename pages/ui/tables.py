"""Tables to take along, as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DIGITS = "%.9g"  # what a 32-bit number needs to be read back as it was


def csv_of(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns by name as CSV, a row an entry; numbers to nine digits.

    None and NaN are left blank, and so is the rest of a column that is shorter than others.
    """
    import pandas  # half a second that no page waits for

    table = pandas.DataFrame({name: pandas.Series(values) for name, values in columns.items()})
    return table.to_csv(index=False, float_format=DIGITS, lineterminator="\r\n")
