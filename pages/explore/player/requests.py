"""What the player asked for: which request was dealt with last, and whether the next may take its time."""

from __future__ import annotations

from typing import Any

import streamlit as st


def heard(wish: dict[str, Any]) -> None:
    """Note a request that was dealt with, so that the player can send its next."""
    st.session_state["wish"], st.session_state["calm"] = wish, False
    st.session_state["state"] = wants_state() or bool(wish.get("state"))


def answered() -> int:
    """The number of the last request that was dealt with."""
    number = st.session_state.get("wish", {}).get("n")
    return number if isinstance(number, int) else 0


def hurried() -> bool:
    """Whether a slider is being dragged: answer fast, the rest can wait until it is let go."""
    return st.session_state.get("wish", {}).get("live") is True and not st.session_state.get("calm", False)


def calm() -> None:
    """What was hurried has been shown; the next run, whatever causes it, may take its time."""
    st.session_state["calm"] = True


def wants_state() -> bool:
    """Whether this visitor has pointed at a pixel, so that u and v are worth sending."""
    return st.session_state.get("state", False)
