"""The race: a Streamlit component in which the four variants run in lock-step, each in an engine of its own.

It is sent the image and how each variant is run, and nothing that Python must run first; masks and curves
are computed in the browser (`pages.engine`), and the plane of the paths is fitted there. Python hears of the
step on show once the hand rests: one dict at a time under "ask".
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fbseg_core import ConfigError
from fbseg_core.analysis.lockstep import grid
from fbseg_core.tasks import Batch, task_of
from pages import engine
from pages.engine import carrier
from pages.engine.observe import normalisation
from pages.stability.figures import COLOURS, DASHES
from pages.stability.state import Variant, planned
from pages.ui import images
from pages.ui.models import model
from pages.ui.web import HERE as WEB
from pages.ui.web import component
from pages.ui.web.wire import Blocks, Layout

HERE = Path(__file__).parent
KEY = "race"
SHARED = ("decode", "charts", "widgets", engine.CLIENT, engine.CARRIED, *engine.MIRRORS, engine.AXES)
SCRIPTS = tuple(HERE / f"{name}.js" for name in ("run", "plane", "view", "follow", "race"))
STROKES = {"solid": "", "dash": "9 4", "dot": "2 3", "dashdot": "9 3 2 3"}  # as SVG draws plotly's dashes
IMAGE = Layout(("channel", "row", "column"), "exact", "float32")

_mount = component(
    "race",
    HERE / "race.html",
    css=(WEB / "charts.css", HERE / "race.css"),
    js=(*SHARED, *SCRIPTS),
    constants={**engine.constants(), "VOID": images.VOID, "VOID_COLOUR": images.VOID_COLOUR},
)


def weights_of(variants: Mapping[str, Variant]) -> list[tuple[str, bytes]]:
    """The model of each variant as the engine takes it. Raises EngineError."""
    return [carrier.packed(v.checkpoint, model(v.checkpoint)[0], v.task.size) for v in variants.values()]


def pack(
    variants: Mapping[str, Variant],
    frozen: bool,
    batch: Batch,
    sidebar: Mapping[str, Mapping[str, Any]],
    fitted: str,
    **told: Any,
) -> bytes:
    """The payload of the race; told: what the caller adds to its header.

    frozen: with the clock held, else running. sidebar: the controls that the race follows, of
    `state.followed`. fitted: which runs the plane of the paths is of, "all" or the "first". Raises
    EngineError where the engine does not take a model.
    """
    keys = [key for key, _ in weights_of(variants)]
    first = next(iter(variants.values()))
    kind, config = task_of(first.task), first.task
    blocks = Blocks()
    blocks.lay("x", batch.x[0], IMAGE)
    blocks.lay("truth", batch.labels[0], Layout(("row", "column"), "whole"))
    try:
        told["normalise"] = normalisation(kind, config)
        blocks.lay("clean", kind.content(config, 1, first.image, "test").clean[0], IMAGE)
        blocks.lay("noise", kind.noise(config, 1, first.noise)[0], IMAGE)
    except ConfigError:  # an image that only Python can make: σ waits for it
        sidebar = {field: one for field, one in sidebar.items() if field != "sigma"}
    shown = list(kind.shown_channels(config))
    rows, columns = grid(config.size)
    header = {
        **told,
        "runs": [_run(name, key, one, frozen) for key, (name, one) in zip(keys, variants.items())],
        "planned": planned(variants),
        "sidebar": sidebar,
        "of": _of(variants, frozen),
        "plane": _plane_of(variants),
        "size": list(config.size),
        "classes": len(kind.class_names(config)),
        "palette": list(images.class_palette(config)),
        "lut": base64.b64encode(images.colour_scale()).decode(),
        "shown": shown if len(shown) == 3 else shown[:1],
        "cue": (kind.cues(config, batch.x[:1]) or [None])[0],
        "pixels": np.add.outer(rows * config.size[1], columns).ravel().tolist(),
    }
    header["id"] = hashlib.sha1(json.dumps(header).encode() + b"".join(blocks.parts)).hexdigest()
    return blocks.packed({**header, "fitted": fitted})  # another plane is no other race


def _run(name: str, key: str, variant: Variant, frozen: bool) -> dict[str, Any]:
    """What the race must know of one of its runs; key: of its model."""
    built = model(variant.checkpoint)[1].model
    return {
        "name": name,
        "model": key,
        "colour": COLOURS[name],
        "dash": STROKES[DASHES[name]],
        "switches": variant.switches.changed(),
        "held": variant.clock if frozen else None,
        "leaks": (variant.switches.integrator or built.integrator) == "leaky",
        "integrator": built.integrator,
        "spectrum": built.spectrum,
        "neurons": [built.u, built.v],
    }


def _of(variants: Mapping[str, Variant], frozen: bool) -> str:
    """A digest of all that the controls in `sidebar` do not change."""
    same = [
        (one.checkpoint, one.task.model_dump(exclude={"sigma"}), one.image, one.noise, one.steps, one.clock)
        for one in variants.values()
    ]
    return _digest((frozen, same))


def _plane_of(variants: Mapping[str, Variant]) -> str:
    """A digest of the runs that a plane is fitted to."""
    return _digest(tuple(variants.values()))


def _digest(values: object) -> str:
    return hashlib.sha1(repr(values).encode()).hexdigest()


def race(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the race; on_ask runs when it says what it shows, or why it cannot run."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
