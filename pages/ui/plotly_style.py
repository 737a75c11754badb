"""How every Plotly chart of the app is drawn: colours, layout, and the place on the page."""

from __future__ import annotations

import html
from typing import Any

# Plotly takes pandas from sys.modules, and found it half loaded where another thread was just importing it.
import pandas  # noqa: F401
import plotly.graph_objects as go
import streamlit as st

from pages.ui import spoken

FEEDBACK, FEEDFORWARD, NEUTRAL = "#0072B2", "#D55E00", "#7f8c99"  # Okabe-Ito: safe for colour-blind eyes

PRESENTED = 24  # px, the size of a chart's text in a presentation

# Plotly's own buttons lie over the lines, on a phone for good, as nothing hovers there. Dragging still zooms,
# and a double click shows the whole chart again.
CONFIG = {"displayModeBar": False}


def lay_out(figure: go.Figure, height: int, top: int = 8, **layout: Any) -> go.Figure:
    """Lay a figure out as all are; returns it. height and top, the margin above, in px; layout: plotly's own.

    The ground shows through, so that a chart follows the page from light to dark. Lines are named in a legend
    of the page's own, which holds for several charts, unless `layout` asks for plotly's.
    """
    clear = "rgba(0,0,0,0)"
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        paper_bgcolor=clear,
        plot_bgcolor=clear,
        **{"showlegend": False} | layout,
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def enlarge(figure: go.Figure) -> go.Figure:
    """Make a figure's text as large as a presentation's, and the figure higher; returns it."""
    size = {"size": PRESENTED}
    figure.update_layout(height=1.4 * figure.layout.height, font=size, legend={"font": size})
    figure.update_xaxes(tickfont=size, title_font=size)
    figure.update_yaxes(tickfont=size, title_font=size)
    return figure


def chart(figure: go.Figure, key: str) -> None:
    """A figure as wide as its place on the page; screen readers are told in words what it shows."""
    st.plotly_chart(figure, key=key, width="stretch", config=CONFIG)
    st.html(f'<p class="spoken">{html.escape(spoken.sentences(figure))}</p>')
