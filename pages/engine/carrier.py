"""Models brought to the page by a component of their own, for other components on it.

Outside a fragment they are sent once, not with each of its runs: the weights of two models may be a megabyte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from fbseg_core.models.base import Model
from pages.engine import CARRIED, HERE, weights
from pages.ui import server
from pages.ui.web import component
from pages.ui.web.wire import framed

_mount = component(
    "models", "<div hidden>\n</div>", css=(), js=("decode", CARRIED, HERE / "carrier.js"), base=False
)


def packed(name: str, model: Model, size: tuple[int, int]) -> tuple[str, bytes]:
    """What a model's bytes are known by on the page, and the bytes. Raises EngineError."""

    def make() -> tuple[str, bytes]:
        raw = weights.packed(model, size)
        return hashlib.sha256(raw).hexdigest()[:16], raw

    return server.kept("rest", ("engine", name, size), make)


def carry(models: Iterable[tuple[str, bytes]]) -> None:
    """Bring models of `packed` to the page."""
    told = dict(models)
    places, at = {}, 0
    for key, raw in told.items():
        places[key] = [at, len(raw)]
        at += len(raw)
    _mount(key="models", data=framed({"models": places}, told.values()))
