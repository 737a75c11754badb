"""Tables to take along: the one place that writes CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DIGITS = 9  # what a 32-bit number needs to be read back as it was


def csv_of(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns by name as CSV, a row an entry; numbers to nine digits.

    None and NaN are left blank, and so is the rest of a column that is shorter than others.
    """
    import pandas as pd  # takes half a second, which only a download is worth

    table = pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})
    return table.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\r\n")


def csv(rows: Iterable[Mapping[str, Any]], digits: int | None = None) -> str:
    """Rows as CSV under the names of all their columns, in the order in which these first come.

    What a row lacks, None and NaN are left empty. digits: significant digits of numbers that are not whole
    by type; all of them if not given.
    """
    import pandas as pd

    rows = list(rows)
    columns = dict.fromkeys(key for row in rows for key in row)
    cells = [[_cell(row.get(key), digits) for key in columns] for row in rows]
    # as objects: a column of whole numbers would turn to floats where one is missing
    frame = pd.DataFrame(cells, columns=list(columns), dtype=object)
    return frame.to_csv(index=False, lineterminator="\r\n")


def _cell(value: Any, digits: int | None) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if digits is None else f"{value:.{digits}g}"
    return value
