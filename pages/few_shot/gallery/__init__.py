"""The training examples as thumbnails, and a canvas to draw one's own: a component in plain JavaScript.

Python hears one wish at a time under "ask": {redraw: row}, {back: row}, {draw: {row, mask, cue}} or
{label: {row, labels}}. The drawing tools and the decoder are those of the player.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import torch
from PIL import ImageColor
from pydantic import model_validator

from fbseg_core.config import TaskConfig
from fbseg_core.settings import Config, setting
from fbseg_core.tasks import Batch, Content, task_of
from pages.ui.images import VOID_COLOUR
from pages.ui.web import asked, component
from pages.ui.web.wire import Blocks

HERE = Path(__file__).parent
KEY = "canvas"
PAPER, INK = "#262c34", "#f0e442"

_mount = component(
    "canvas",
    HERE / "canvas.html",
    css=(HERE / "canvas.css",),
    js=("decode", "brush", "tools", HERE / "canvas.js"),
)


class Drawing(Config):
    """An example drawn by hand. mask: as `pack_mask` writes it; cue: (row, column), if the task has one."""

    row: int = setting(..., "The example's number, from 0.", lo=0)
    mask: str = setting(..., "A packed mask.")
    cue: tuple[int, int] | None = setting(..., "Where the cue stands, or nothing.")


class Labels(Config):
    """Labels drawn over an example's image, as `pack_labels` writes them."""

    row: int = setting(..., "The example's number, from 0.", lo=0)
    labels: str = setting(..., "Packed labels.")


class Wish(Config):
    """What the gallery asks for: one of the four. redraw, back: the example's number, from 0."""

    redraw: int | None = setting(None, "The example's number, from 0.", lo=0)
    back: int | None = setting(None, "The example's number, from 0.", lo=0)
    draw: Drawing | None = setting(None, "A row, its mask and its cue.")
    label: Labels | None = setting(None, "A row and its labels.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(value is not None for value in (self.redraw, self.back, self.draw, self.label)) != 1:
            raise ValueError("redraw, back, draw, label: exactly one must be asked for")
        return self


def wished() -> Wish:
    """In the callback of the gallery: what it asks for. Raises ConfigError for anything else."""
    return Wish.parse(asked(KEY))


def pack(
    task: TaskConfig,
    content: Content,
    seen: Batch,
    own: Sequence[str],
    busy: bool,
    drawn: bool,
    labelled: bool = False,
) -> bytes:
    """The examples (n): as they are seen once under their noise, their labels, and what a pen starts from.

    own: what stands in place of the seed's example in each row, "" for nothing. busy: nothing may change.
    drawn: whether an example may be drawn; labelled: whether its labels may be drawn over its image.
    """
    blocks, kind = Blocks(), task_of(task)
    shown = kind.shown_channels(task)
    x = seen.x[:, list(shown if len(shown) == 3 else shown[:1])]
    lo, hi = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    blocks.add("seen", (x - lo) / (hi - lo).clamp_min(1e-6), 0, 1)
    blocks.add_whole("labels", content.labels)
    if drawn:
        examples = zip(content.clean.split(1), content.labels.split(1))
        sketches = [kind.sketch(task, Content(clean, labels))[0] for clean, labels in examples]
        blocks.add_whole("sketch", torch.stack(sketches).byte())
    header = {
        "size": list(task.size),
        "cues": kind.cues(task, content.clean) or [None] * len(own),
        "colours": [list(ImageColor.getrgb(one)) for one in colours(task)],
        "drawn": drawn,
        "labelled": labelled,
        "names": list(kind.class_names(task)),
        "own": list(own),
        "busy": busy,
    }
    seed = json.dumps([blocks.index, header]).encode() + b"".join(blocks.parts)
    return blocks.packed(header | {"id": hashlib.sha1(seed).hexdigest()})


def colours(task: TaskConfig) -> tuple[str, ...]:
    """The colours of the classes, and of void. Of two, ink on paper, as the canvas draws them."""
    palette = task_of(task).palette(task)
    return (*(palette if len(palette) > 2 else (PAPER, INK)), VOID_COLOUR)


def gallery(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the examples; on_ask runs when the visitor wants another one."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
