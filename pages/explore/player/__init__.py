"""The player: a Streamlit component that is sent a run once and plays it in the browser.

Plain JavaScript in a few files that are joined in order, with nothing to build and nothing to fetch. Python
hears from it only what changes the run or the link: one dict at a time under "ask", numbered by `n`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pages import engine
from pages.explore.player import layers
from pages.ui.web import HERE as WEB
from pages.ui.web import component

HERE = Path(__file__).parent
SCRIPTS = (
    "paint", "panels", "confusion", "plots", "transport", "build", "interventions", "view", "lay", "acts",
    "offered", "scene", "sidebar", "follow", "player",
)  # fmt: skip
SHARED = (
    "decode", "charts", "brush", "tools", "widgets",
    engine.CLIENT, engine.CARRIED, *engine.MIRRORS, engine.NUMPY,
)  # fmt: skip
KEY = "player"
OFFERED = HERE / "offered.js"  # for a script that brings images to the player

_mount = component(
    "player",
    HERE / "player.html",
    css=(WEB / "charts.css", HERE / "player.css"),
    js=(*SHARED, *(HERE / f"{name}.js" for name in SCRIPTS)),
    constants={**engine.constants(), "RUN": layers.constants()},
)


def player(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the player with a payload of `payload.pack`; on_ask runs when it asks for something."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
