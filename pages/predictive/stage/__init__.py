"""The stage: predictive coding, and the paper's loop beside it, as a component of plain JavaScript.

It is sent a model and images once (`pages.predictive.world`), and tells Python its set-up once the hand
rests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pages import engine
from pages.ui.web import component

HERE = Path(__file__).parent
KEY = "predictive-stage"
# in the order of what they stand on
NAMES = ("coder", "paint", "loops", "learning", "view", "hand", "stage", "component")

_mount = component(
    "predictive",
    HERE / "stage.html",
    css=(HERE / "stage.css",),
    js=("decode", "charts", "brush", engine.CLIENT, *(HERE / f"{name}.js" for name in NAMES)),
    constants=engine.constants(),
)


def stage(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the stage with a payload of `world.pack`; on_ask runs when its set-up has changed."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
