"""The training examples as thumbnails, and a canvas to draw one's own: a component in plain JavaScript.

Python hears one wish at a time under "ask": {redraw: row}, {back: row} or {draw: {row, mask, cue}}. The
drawing tools and the decoder are the player's own.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from fbseg_core.tasks import Batch, Content
from pages.ui.player import HERE as PLAYER
from pages.ui.player.payload import Blocks

HERE = Path(__file__).parent
KEY = "canvas"

_mount = st.components.v2.component(
    "fbseg.canvas",
    html=(HERE / "canvas.html").read_text(encoding="utf-8"),
    css="\n".join(
        path.read_text(encoding="utf-8") for path in (HERE.parent / "base.css", HERE / "canvas.css")
    ),
    js="\n".join(
        path.read_text(encoding="utf-8")
        for path in (PLAYER / "decode.js", PLAYER / "tools.js", HERE / "canvas.js")
    ),
)


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
        "blocks": blocks.index,
        "size": list(content.labels.shape[1:]),
        "cues": list(cues),
        "own": list(own),
        "busy": busy,
    }
    raw = b"".join(blocks.parts)
    header["id"] = hashlib.sha1(json.dumps(header).encode() + raw).hexdigest()
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + raw


def gallery(payload: bytes, on_ask: Callable[[], None]) -> None:
    """Draw the examples; on_ask runs when the visitor wants another one."""
    _mount(key=KEY, data=payload, on_ask_change=on_ask)
