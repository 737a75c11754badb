"""How every Plotly chart of the app is drawn."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

FEEDBACK, FEEDFORWARD, NEUTRAL = "#0072B2", "#D55E00", "#7f8c99"  # Okabe-Ito: safe for colour-blind eyes

# Plotly's own buttons lie over the lines, on a phone for good, as nothing hovers there. Dragging still zooms,
# and a double click shows the whole chart again.
CONFIG = {"displayModeBar": False}


def chart(figure: go.Figure, key: str) -> None:
    """A figure as wide as its place on the page."""
    st.plotly_chart(figure, key=key, width="stretch", config=CONFIG)
