"""A confusion matrix as it is shown: truth by answer, as HTML that scrolls by itself where it is wide.

Pure functions that import no streamlit.
"""

from __future__ import annotations

import html

import numpy as np

from fbseg_core.config import TaskConfig
from fbseg_core.tasks import task_of
from pages.ui.images import class_palette, colour_scale

LONGEST = 5  # letters of a class's name above its column; the whole name shows on pointing at it
DARK = 0.5  # share up to which a cell of the colour scale is dark, so that its number is white


def table(task: TaskConfig, counts: np.ndarray, caption: str) -> str:
    """counts (K, K), truth by answer, as shares of each row, in per cent; caption: what it is of, as text."""
    names, palette = task_of(task).class_names(task), class_palette(task)
    heads = "".join(_head("col", _short(name), name, colour) for name, colour in zip(names, palette))
    rows = []
    for name, colour, row in zip(names, palette, counts):
        cells = "".join(_cell(name, other, int(n), int(row.sum())) for other, n in zip(names, row))
        rows.append(f"<tr>{_head('row', name, name, colour)}{cells}</tr>")
    return (
        f"<div class='confusion'><table><caption>{html.escape(caption)}</caption>"
        f"<tr><th>truth ↓ answer →</th>{heads}</tr>{''.join(rows)}</table></div>"
    )


def _head(scope: str, shown: str, name: str, colour: str) -> str:
    return (
        f"<th scope='{scope}' title='{html.escape(name)}'><i style='background:{colour}'></i>"
        f"{html.escape(shown)}</th>"
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _cell(truth: str, answer: str, n: int, of: int) -> str:
    """One cell, empty where the truth holds no pixel of the class."""
    told = html.escape(f"truth {truth}, answer {answer}: {n} px")
    if not of:
        return f"<td title='{told}'>–</td>"
    share = n / of
    at = 3 * round(255 * share)
    red, green, blue = colour_scale()[at : at + 3]
    style = f"background:rgb({red},{green},{blue});color:{'#fff' if share <= DARK else '#000'}"
    shown = "&lt;1" if 0 < share < 0.005 else f"{100 * share:.0f}"
    return f"<td title='{told}' style='{style}'>{shown}</td>"
