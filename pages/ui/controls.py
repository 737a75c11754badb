"""Widgets, each drawn from the one declaration of its knob in fbseg_core.config."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fbseg_core.config import Knob
from pages.ui import session


def slider(
    knob: Knob,
    name: str,
    key: str,
    default: float,
    *,
    lo: float | None = None,
    hi: float | None = None,
    step: float | None = None,
    **more: Any,
) -> Any:
    """A slider for a knob, with its unit and help. lo and hi narrow its range to what is useful here."""
    kind = int if knob.kind == "int" else float
    low = kind(knob.lo if lo is None else lo)
    return st.slider(
        f"{name} ({knob.unit})" if knob.unit else name,
        low,
        kind(knob.hi if hi is None else hi),
        session.default(key, kind(default)),
        kind(step or knob.step or 1),
        key=key,
        help=knob.help,
        **more,
    )
