"""A screen shown to a class: nothing around it, large text, and keys that go from lesson to lesson."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.ui.screen import Screen

HERE = Path(__file__).parent
KEY = "presentation"

_mount = st.components.v2.component(
    "fbseg.presentation", js=(HERE / "presentation.js").read_text(encoding="utf-8")
)


def begin_button(screen: Screen) -> None:
    """The button that begins it."""
    st.button(
        "Present", on_click=screen.change, kwargs={"presented": True},
        help="To a class: full width, large text, no menu. A remote's keys go from lesson to lesson, Escape "
        "ends it.",
    )  # fmt: skip


def leave_button(screen: Screen) -> None:
    """The button that ends it."""
    st.button("Leave (Esc)", on_click=screen.change, kwargs={"presented": False})


def present(screen: Screen, at: int, last: int, show: Callable[[int], None], arrows: bool) -> None:
    """Make the page large and give it its keys: Page Up and Page Down, as a remote sends them, and Escape.

    at: which lesson is shown, of 0 to last; show: called with another one's number. arrows: whether the
    arrow keys go from lesson to lesson, too, where they move no control.
    """

    def heard() -> None:
        asked = st.session_state[KEY]
        if asked.get("leave"):
            screen.change(presented=False)
        elif isinstance(wanted := asked.get("to"), int) and 0 <= wanted <= last:
            show(wanted)

    st.html(HERE / "presentation.css")
    told = {"at": at, "last": last, "arrows": arrows}
    _mount(key=KEY, data=told, on_to_change=heard, on_leave_change=heard)
