"""The state of a visitor's session, typed; the only reader of st.session_state."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui import figures

LARGEST_SEED = 9999


def begin() -> None:
    """Ready a page that was opened without app.py, as a server's very first request may be."""
    st.set_page_config(page_title="Feedback segmentation explorer", page_icon=figures.icon(), layout="wide")
    st.html(Path(__file__).with_name("style.css"))


def next_seed(key: str) -> None:
    """Move a seed field on by one, starting over past its end."""
    st.session_state[key] = (st.session_state.get(key, 0) + 1) % (LARGEST_SEED + 1)


def clear() -> None:
    """Forget every control's value, so that all of them show their defaults again."""
    for key in list(st.session_state):
        del st.session_state[key]
    st.query_params.clear()


def step_to(key: str, to: int) -> None:
    """Set the shown step."""
    st.session_state[key] = to


def shown_step(key: str, last: int) -> int:
    """The step on show, kept within a run of `last` steps; a run seen for the first time shows its end."""
    value = min(st.session_state.get(key, last), last)
    st.session_state[key] = value
    return value
