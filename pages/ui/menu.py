"""The screens in the order of the menu, and whether it is app.py that runs a page."""

from __future__ import annotations

from contextvars import ContextVar

import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.scriptrunner import get_script_run_ctx

SCREENS = {
    "explore": "Explore",
    "stability": "Stability lab",
    "few_shot": "Few-shot lab",
    "evidence": "Evidence",
}
_routed: ContextVar[bool] = ContextVar("routed", default=False)  # each run of a script starts with False


def choose() -> StreamlitPage:
    """The screen asked for, with a menu of all of them."""
    _routed.set(True)
    pages = [
        st.Page(f"pages/{name}.py", title=title, default=name == next(iter(SCREENS)))
        for name, title in SCREENS.items()
    ]
    return st.navigation(pages, position="top")


def insist() -> None:
    """Have app.py run the page, where it has not.

    Until a server has seen st.navigation once, it runs the file in pages/ that a link names by itself, and
    without the menu.
    """
    context = get_script_run_ctx()
    if not _routed.get() and context is not None and context.main_script_path.endswith("app.py"):
        choose()
        st.rerun()
