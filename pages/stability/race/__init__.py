"""The race: a Streamlit component in which the four variants run in lock-step, each in an engine of its own.

It is sent the image, the plane and how each variant is run; masks, curves and paths are computed in the
browser (`pages.engine`). Python hears of the step on show once the hand rests: one dict at a time under
"ask".
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fbseg_core import Projection
from fbseg_core.analysis.lockstep import Leg, grid
from fbseg_core.tasks import Batch, task_of
from pages import engine
from pages.engine import carrier
from pages.stability.figures import COLOURS, DASHES
from pages.stability.state import Variant
from pages.ui import images
from pages.ui.models import model
from pages.ui.web import HERE as WEB
from pages.ui.web import component
from pages.ui.web.wire import Blocks, Layout

HERE = Path(__file__).parent
KEY = "race"
SHARED = ("decode", "charts", engine.CLIENT, engine.CARRIED, *engine.MIRRORS)
SCRIPTS = tuple(HERE / f"{name}.js" for name in ("run", "view", "race"))
STROKES = {"solid": "", "dash": "9 4", "dot": "2 3", "dashdot": "9 3 2 3"}  # as SVG draws plotly's dashes
VALUES = Layout(("coordinate",), "exact", "float32")

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
    variants: Mapping[str, Variant], legs: Mapping[str, Leg], batch: Batch, plane: Projection, **told: Any
) -> bytes:
    """The payload of the race for the runs `legs`; told: what the caller adds to its header.

    Raises EngineError where the engine does not take a model.
    """
    keys = [key for key, _ in weights_of(variants)]
    first = next(iter(variants.values()))
    kind, config = task_of(first.task), first.task
    blocks = Blocks()
    blocks.lay("x", batch.x[0], Layout(("channel", "row", "column"), "exact", "float32"))
    blocks.lay("truth", batch.labels[0], Layout(("row", "column"), "whole"))
    for name, values in (
        ("mean", plane.mean),
        ("axis.0", plane.components[0]),
        ("axis.1", plane.components[1]),
    ):
        blocks.lay(name, values, VALUES)
    shown = list(kind.shown_channels(config))
    runs = [
        {
            "name": name,
            "model": key,
            "colour": COLOURS[name],
            "dash": STROKES[DASHES[name]],
            "switches": variants[name].switches.changed(),
            "held": leg.held,
            "steps": len(leg),
            "leaks": (
                variants[name].switches.integrator or model(variants[name].checkpoint)[1].model.integrator
            )
            == "leaky",
        }
        for key, (name, leg) in zip(keys, legs.items())
    ]
    rows, columns = grid(config.size)
    header = {
        **told,
        "runs": runs,
        "size": list(config.size),
        "classes": len(kind.class_names(config)),
        "palette": list(images.class_palette(config)),
        "lut": base64.b64encode(images.colour_scale()).decode(),
        "shown": shown if len(shown) == 3 else shown[:1],
        "cue": (kind.cues(config, batch.x[:1]) or [None])[0],
        "pixels": (np.add.outer(rows * config.size[1], columns)).ravel()[plane.pixels].tolist(),
        "explained": [round(float(share), 5) for share in plane.explained],
    }
    header["id"] = hashlib.sha1(json.dumps(header).encode() + b"".join(blocks.parts)).hexdigest()
    return blocks.packed(header)


def race(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the race; on_ask runs when it says what it shows, or why it cannot run."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
