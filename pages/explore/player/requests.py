"""What the player asked for: changes; which request was answered last; whether a slider is being dragged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from fbseg_core import ConfigError
from fbseg_core.rollout.interventions import parse_intervention


def changes(wish: dict[str, Any], look: Sequence[str]) -> dict[str, Any]:
    """The fields of the view that a request changes; `look` are those that it names together.

    Raises ConfigError for a request of another shape; whether its values fit is for the view to say.
    """
    found = {key: wish[key] for key in ("sigma", "tau", "k", "drawing", "image", "noise") if key in wish}
    if "cue" in wish:
        found["cue"] = None if wish["cue"] is None else _listed(wish, "cue")
    if "do" in wish:
        found["do"] = tuple(parse_intervention(item) for item in _listed(wish, "do"))
    if "look" in wish:
        seen = wish["look"]
        if not isinstance(seen, dict) or not seen.keys() >= set(look):
            raise ConfigError("the request's look is incomplete.")
        found |= {key: seen[key] for key in look}
    return found


def _listed(wish: dict[str, Any], key: str) -> tuple[Any, ...]:
    if not isinstance(wish[key], list):
        raise ConfigError(f"the request's {key} is no list.")
    return tuple(wish[key])


def heard(wish: dict[str, Any]) -> None:
    """Note a request that was dealt with, so that the player can send its next."""
    st.session_state["wish"], st.session_state["drag_shown"] = wish, False
    st.session_state["state"] = wants_state() or bool(wish.get("state"))


def answered() -> int:
    """The number of the last request that was dealt with."""
    number = st.session_state.get("wish", {}).get("n")
    return number if isinstance(number, int) else 0


def dragging() -> bool:
    """Whether a slider is being dragged: answer fast, and leave the rest until it is released."""
    live = st.session_state.get("wish", {}).get("live") is True
    return live and not st.session_state.get("drag_shown", False)


def drag_shown() -> None:
    """The drag has been answered: the next run, whatever causes it, may take its time."""
    st.session_state["drag_shown"] = True


def wants_state() -> bool:
    """Whether this visitor has pointed at a pixel, so that u and v are worth sending."""
    return st.session_state.get("state", False)
