"""What a chart shows, in words for those who do not see it."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go


def sentences(figure: go.Figure) -> str:
    """What is drawn over what; of each line that carries values its ends, its lowest and its highest value;
    where lines across stand.

    What is not to be read off (hoverinfo "skip") and areas are left out. A line of one of several panels
    names its panel by the title above it.
    """
    panels = [note.text for note in figure.layout.annotations if note.yref == "paper"]
    of_panel = {f"y{i}" if i > 1 else "y": f", {panel}" for i, panel in enumerate(panels, 1)}
    told = [
        f"{line.name or 'values'}{of_panel.get(line.yaxis or 'y', '')}: {_of_line(line)}."
        for line in figure.data
        if line.hoverinfo != "skip" and line.fill in (None, "none")
    ]
    across = [shape.y0 for shape in figure.layout.shapes if shape.y0 == shape.y1]
    told += [f"A line across at {_text(y)}." for y in across]
    up = figure.layout.title.text or next(filter(None, (one.title.text for one in figure.select_yaxes())), "")
    over = next(filter(None, (one.title.text for one in figure.select_xaxes())), "")
    head = "Chart" + (f" of {up}" if up else "") + (f" over {over}" if over else "")
    return " ".join([f"{head}.", *told])


def _of_line(line: Any) -> str:
    points = [(x, float(y)) for x, y in zip(line.x, line.y) if y is not None and math.isfinite(y)]
    if not points:
        return "no values"
    (first, start), (last, end) = points[0], points[-1]
    if len(points) == 1:
        return f"{_text(start)} at {_text(first)}"
    values = [y for _, y in points]
    ends = f"{_text(start)} at {_text(first)}, {_text(end)} at {_text(last)}"
    return f"{ends}, lowest {_text(min(values))}, highest {_text(max(values))}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
