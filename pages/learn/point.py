"""A picture to point at, by mouse, finger or keyboard: a guess that is a pixel's number, row by row."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import streamlit as st
from PIL.Image import Image

from pages.ui.web import component

HERE = Path(__file__).parent
LABEL = (
    "The picture. Click or tap a place; or move the mark with the arrow keys, with Shift by single pixels."
)

_mount = component(
    "pointing",
    '<div class="pointing" tabindex="0" role="application">\n<img alt=""><i></i><output></output></div>',
    [HERE / "point.css"],
    [HERE / "point.js"],
    base=False,
)


def field(key: str, picture: Image, side: int) -> None:
    """The picture of side × side px, enlarged; the session keeps where it is pointed at under the key."""
    data = {"picture": url(picture), "side": side, "place": place(st.session_state.get(key)), "label": LABEL}
    _mount(key=key, data=data, default={"place": None}, on_place_change=lambda: None)


def place(kept: object) -> object:
    """What the session keeps of a picture: a number of a browser's choosing, or None."""
    return kept.get("place") if isinstance(kept, Mapping) else None


def url(picture: Image) -> str:
    """A picture as an address that holds it."""
    data = io.BytesIO()
    picture.save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
