"""The training examples as thumbnails, and a canvas to draw one's own: a component in plain JavaScript.

Python hears one wish at a time under "ask": {redraw: row}, {back: row} or {draw: {row, mask, cue}}. The
drawing tools and the decoder are those of the player.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from pydantic import model_validator

from fbseg_core.settings import Config, knob
from fbseg_core.tasks import Batch, Content
from pages.ui.web import asked, component
from pages.ui.web.wire import Blocks

HERE = Path(__file__).parent
KEY = "canvas"

_mount = component(
    "canvas", HERE / "canvas.html", css=(HERE / "canvas.css",), js=("decode", "tools", HERE / "canvas.js")
)


class Drawing(Config):
    """An example drawn by hand. mask: as `pack_mask` writes it; cue: (row, column), if the task has one."""

    row: int = knob(..., "The example's number, from 0.", lo=0)
    mask: str = knob(..., "A packed mask.")
    cue: tuple[int, int] | None = knob(..., "Where the cue stands, or nothing.")


class Wish(Config):
    """What the gallery asks for: one of the three. redraw, back: the example's number, from 0."""

    redraw: int | None = knob(None, "The example's number, from 0.", lo=0)
    back: int | None = knob(None, "The example's number, from 0.", lo=0)
    draw: Drawing | None = knob(None, "A row, its mask and its cue.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(value is not None for value in (self.redraw, self.back, self.draw)) != 1:
            raise ValueError("redraw, back, draw: exactly one must be asked for")
        return self


def wished() -> Wish:
    """In the callback of the gallery: what it asks for. Raises ConfigError for anything else."""
    return Wish.parse(asked(KEY))


def pack(
    content: Content, seen: Batch, cues: Sequence[tuple[int, int] | None], own: Sequence[str], busy: bool
) -> bytes:
    """The examples (n): clean for the canvas, as they are seen once under their noise, and their labels.

    own: what stands in place of the seed's example in each row, "" for nothing. busy: nothing may change.
    """
    blocks = Blocks()
    x = seen.x if seen.x.shape[1] == 3 else seen.x[:, :1]
    lo, hi = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    blocks.add("seen", (x - lo) / (hi - lo).clamp_min(1e-6), 0, 1)
    blocks.add_whole("labels", (content.labels > 0).byte())
    # What a pen starts from: of a task with a cue all regions, of the others what is to be found.
    regions = content.clean[:, 0] > 0.5 if any(cues) else content.labels > 0
    blocks.add_whole("sketch", regions.byte())
    header = {
        "size": list(content.labels.shape[1:]),
        "cues": list(cues),
        "own": list(own),
        "busy": busy,
    }
    seed = json.dumps([blocks.index, header]).encode() + b"".join(blocks.parts)
    return blocks.packed(header | {"id": hashlib.sha1(seed).hexdigest()})


def gallery(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the examples; on_ask runs when the visitor wants another one."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
