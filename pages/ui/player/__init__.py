"""The player: a Streamlit component that is sent a run once and plays it in the browser.

Plain JavaScript in a few files that are joined in order, with nothing to build and nothing to fetch. Python
hears from it only what changes the run or the link: one dict at a time under "ask", numbered by `n`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

HERE = Path(__file__).parent
SCRIPTS = ("decode", "paint", "charts", "plots", "tools", "transport", "build", "view", "player")
KEY = "player"

_mount = st.components.v2.component(
    "fbseg.player",
    html=(HERE / "player.html").read_text(encoding="utf-8"),
    css="\n".join(
        path.read_text(encoding="utf-8") for path in (HERE.parent / "base.css", HERE / "player.css")
    ),
    js="\n".join((HERE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS),
)


def player(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the player with a payload of `payload.pack`; on_ask runs when it asks for something."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
