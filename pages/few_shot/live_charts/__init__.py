"""Plotly figures that change by the second, drawn in plain SVG: a component.

`st.plotly_chart` takes a chart off and makes it anew whenever its data change, which blinks. This draws the
lines of the same figures in place, without zoom and hover; a figure that rests is left to plotly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from pages.ui.web import component

HERE = Path(__file__).parent

_mount = component(
    "live_charts",
    '<div class="live"></div>\n',
    css=(HERE / "live.css",),
    js=("charts", HERE / "live.js"),
    base=False,
)


def charts(figures: Sequence[go.Figure], key: str) -> None:
    """Draw figures side by side, below each other where there is little room."""
    _mount(key=key, data={"charts": [_plain(figure) for figure in figures]})


def _plain(figure: go.Figure) -> dict[str, Any]:
    """What the lines of a figure are. Its x axis needs a range, its y axis one unless it is logarithmic."""
    layout = figure.layout
    return {
        "title": layout.title.text,
        "height": layout.height,
        "label": layout.xaxis.title.text,
        "x": list(layout.xaxis.range),
        "y": layout.yaxis.range and list(layout.yaxis.range),
        "log": layout.yaxis.type == "log",
        "levels": [
            {"y": shape.y0, "colour": shape.line.color, "dash": shape.line.dash} for shape in layout.shapes
        ],
        "lines": [
            {
                "name": trace.name,
                "x": list(trace.x),
                "y": list(trace.y),
                "colour": trace.line.color,
                "dash": trace.line.dash or "solid",
                "width": trace.line.width,
                "opacity": 1.0 if trace.opacity is None else trace.opacity,
                "dots": "markers" in trace.mode,
            }
            for trace in figure.data
        ],
    }
