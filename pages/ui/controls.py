"""Widgets of the view, each drawn from the one declaration of its knob in `pages.ui.view`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fbseg_core.config import knobs
from pages.ui import session
from pages.ui.view import View

KNOBS = knobs(View)


def slider(field: str, label: str, value: float, built: float | None = None, **more: Any) -> None:
    """A slider for a number of the view. `built` is what None stands for: back there, the view holds None."""
    knob = KNOBS[field]
    kind = int if knob.kind == "int" else float
    st.slider(
        f"{label} ({knob.unit})" if knob.unit else label,
        kind(knob.lo),
        kind(knob.hi),
        step=kind(knob.step or 1),
        key=session.bind(field, kind(value)),
        help=knob.help,
        on_change=session.take,
        args=(field, built),
        **more,
    )


def toggle(field: str, label: str, value: bool, **more: Any) -> None:
    """A toggle for a switch of the view."""
    key = session.bind(field, value)
    st.toggle(label, key=key, help=KNOBS[field].help, on_change=session.take, args=(field,), **more)


def choice(field: str, label: str, value: str, options: Sequence[str], built: str) -> None:
    """A menu for a text of the view."""
    key = session.bind(field, value)
    st.selectbox(label, options, key=key, help=KNOBS[field].help, on_change=session.take, args=(field, built))
