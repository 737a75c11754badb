"""The glossary below a lesson, and where a term stands in it: that of .github/CONTRIBUTING.md."""

from __future__ import annotations

import functools
import re
from html import escape
from pathlib import Path

FILE = Path(__file__).parents[2] / ".github" / "CONTRIBUTING.md"
TAGS = re.compile(r" \(E\d'?\)|`")  # of equations that stand elsewhere
SMALL = str.maketrans("", "", "₀₁₂")  # π₁ is a π
ROW = "word-"  # begins the id of each row


@functools.cache
def rows() -> tuple[tuple[str, str], ...]:
    """The words of each row, as "h, u, v", and what they mean."""
    table = FILE.read_text(encoding="utf-8").partition("## Glossary")[2]
    found = re.findall(r"^\| (.+?) \| (.+) \|$", table, re.M)
    return tuple(found[1:])  # after the heading


@functools.cache
def row_of(term: str) -> int | None:
    """The number of the row that explains a term: by a name that it has, or one that the term is made of."""
    names: dict[str, int] = {}
    for number, (words, _) in enumerate(rows()):
        for name in words.split(", "):
            names[name] = number
    for number, (words, _) in enumerate(rows()):
        for word in re.split(r"[ ,()]+", words):
            names.setdefault(word, number)
    parts = re.split(r"[ ,∗=]+", term)
    tries = [term, *parts, *(part.translate(SMALL) for part in parts)]
    return next((names[one] for one in tries if one in names), None)


def linked(term: str) -> str:
    """A term as Markdown, in bold, as a link to its row."""
    return f"[**{term}**](#{ROW}{row_of(term)})"


def table() -> str:
    """The glossary as HTML: closed until it is opened, or a link leads to one of its rows.

    The row that a link led to has one back, which `reading` takes to the term that was left.
    """
    items = "".join(
        f"<dt id='{ROW}{number}' tabindex='-1'>{escape(words)}</dt>"
        f"<dd>{escape(TAGS.sub('', meaning))} <a href='#lesson'>Back to the lesson</a></dd>"
        for number, (words, meaning) in enumerate(rows())
    )
    return f"<details class='glossary'><summary>Glossary</summary><dl>{items}</dl></details>"
