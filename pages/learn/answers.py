"""How a class's answers are spread, as bars in HTML: light enough for a phone. Imports no streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from pages.learn.course import Lesson

BINS = 10  # of a guess that is a number
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")  # parts of a picture


def place(lesson: Lesson, value: float) -> int:
    """The number of the bar that an answer counts for: its option, the part of the picture that it points
    at, or one of BINS parts of the range."""
    if lesson.options:
        return int(value)
    if lesson.side:
        row, column = (3 * at // lesson.side for at in lesson.place(value))
        return 3 * row + column
    share = (value - lesson.lo) / (lesson.hi - lesson.lo)
    return min(max(int(share * BINS + 1e-9), 0), BINS - 1)


def counted(lesson: Lesson, answers: Sequence[float]) -> list[tuple[str, int]]:
    """Each bar's label and how many answers it has."""
    labels = lesson.options
    if lesson.side:
        labels = tuple(f"{row} {column}" for row in ROWS for column in COLUMNS)
    elif not labels:
        ends = [lesson.lo + i * (lesson.hi - lesson.lo) / BINS for i in range(BINS + 1)]
        labels = [f"{low:g} to {high:g}" for low, high in pairwise(ends)]
    found = [place(lesson, value) for value in answers]
    return [(label, found.count(i)) for i, label in enumerate(labels)]


def bars(lesson: Lesson, answers: Sequence[float], mine: float | None, right: float | None) -> str:
    """The spread of the answers. mine: one's own answer, right: what was worked out; both are marked."""
    rows = counted(lesson, answers)
    most = max((count for _, count in rows), default=0) or 1
    items = []
    for i, (label, count) in enumerate(rows):
        marks = ["you"] * (mine is not None and place(lesson, mine) == i)
        marks += ["worked out"] * (right is not None and place(lesson, right) == i)
        note = f" <em>{', '.join(marks)}</em>" if marks else ""
        width = f"{100 * count / most:.0f}%"
        items.append(
            f"<li><span>{escape(label)}{note}</span><b>{count}</b>"
            f"<i style='width:{width}' aria-hidden='true'></i></li>"
        )
    unit = f"<p>{escape(lesson.unit)}</p>" if lesson.unit and not lesson.options else ""
    return f"<div class='answers'>{unit}<ul>{''.join(items)}</ul></div>"
