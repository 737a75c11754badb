"""Progress stays in the visitor's own browser: a visit without a link goes on from it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.learn.state import LearnState

KEY = "learn-progress"

_mount = st.components.v2.component(
    "fbseg.progress",
    js="""
    export default function ({ data, setTriggerValue }) {
      try {
        const kept = localStorage.getItem("fbseg-learn");
        if (!data.fresh) localStorage.setItem("fbseg-learn", data.state);
        else if (kept && kept !== data.state) setTriggerValue("found", kept);
      } catch {} // a browser that keeps nothing: the link still does
    }
    """,
)


def keep(view: LearnState, on_found: Callable[[], None]) -> None:
    """Have the browser keep where the student stands; on_found runs where it kept something earlier."""
    _mount(key=KEY, data={"state": view.to_keep(), "fresh": not view.begun()}, on_found_change=on_found)


def found() -> LearnState | None:
    """In on_found: what the browser kept, or None where that cannot be read."""
    return LearnState.kept(st.session_state[KEY].get("found"))
