"""The state of a visitor's session, typed; the only reader of st.session_state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui import figures

LARGEST_SEED = 999
DEFAULTS = "defaults"


def begin() -> None:
    """Ready a page that was opened without app.py, as a server's very first request may be."""
    st.set_page_config(page_title="Feedback segmentation explorer", page_icon=figures.icon(), layout="wide")
    st.html(Path(__file__).with_name("style.css"))


def next_seed(key: str) -> None:
    """Move a seed on by one, starting over past its end."""
    st.session_state[key] = (st.session_state.get(key, 0) + 1) % (LARGEST_SEED + 1)


def default(key: str, value: Any) -> Any:
    """Note a control's default, so that `reset` can bring it back; returns it."""
    st.session_state.setdefault(DEFAULTS, {})[key] = value
    return value


def reset() -> None:
    """Set every control to its default. The link follows, since it names only what differs."""
    for key, value in st.session_state.get(DEFAULTS, {}).items():
        st.session_state[key] = value


def step_to(key: str, to: int) -> None:
    """Set the shown step."""
    st.session_state[key] = to


def shown_step(key: str, last: int) -> int:
    """The step on show, kept within a run of `last` steps; a run seen for the first time shows its end."""
    value = min(st.session_state.get(key, last), last)
    st.session_state[key] = value
    return value
