"""The stage: a Streamlit component in which the engine runs and everything follows the hand.

Plain JavaScript in a few files that are joined in order, with nothing to build and nothing to fetch. It is
sent models and images once (`pages.live.world`). Python hears from it, once the hand rests, what set-up it
shows: one dict at a time under "ask".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pages import engine
from pages.ui.web import HERE as SHARED
from pages.ui.web import component, script

HERE = Path(__file__).parent
KEY = "stage"
NAMES = (  # in the order of what they stand on
    "world", "machine", "timeline", "picture", "view", "hand", "diagram", "curves", "link",
    "save", "controls", "run", "stage",
)  # fmt: skip
SCRIPTS = (
    "decode",
    "charts",
    "brush",
    engine.CLIENT,
    *engine.MIRRORS,
    engine.AXES,
    *(HERE / f"{name}.js" for name in NAMES),
)
STYLES = (HERE / "stage.css", HERE / "diagram.css")
HTML = HERE / "stage.html"


def own_page() -> dict[str, str]:
    """Of what save.js writes a single file: the stage's own text, the constants of the engine apart."""
    styles = [path.read_text(encoding="utf-8") for path in (SHARED / "base.css", *STYLES)]
    return {
        "html": HTML.read_text(encoding="utf-8"),
        "css": "\n".join(styles),
        "js": script(SCRIPTS, {}),
    }


_mount = component(
    "live",
    HTML,
    css=STYLES,
    js=(*SCRIPTS, HERE / "component.js"),
    constants={**engine.constants(), "OWN": own_page()},
)


def stage(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the stage with a payload of `world.pack`; on_ask runs when its set-up has changed."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
