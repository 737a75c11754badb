"""What the components in plain JavaScript share: how one is made of its files, and what it asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.web import wire

HERE = Path(__file__).parent
_named: dict[str, Sequence[str | Path]] = {}  # the files that each name stands for, in this process


def component(
    name: str,
    html: str | Path,
    css: Sequence[Path],
    js: Sequence[str | Path],
    base: bool = True,
    constants: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """A component of these files, joined in their order: nothing is built, and nothing is fetched.

    html: the file, or the text itself, with a line break in it. js: files of its own, and by their bare names
    those shared ones in this folder. base: begin with the CSS that all of them share.
    constants: what Python declares and JavaScript reads, by the name it has there. Raises ValueError where
    another component has the name: every visitor who comes later would get the one for the other.
    """
    if _named.setdefault(name, js) != js:
        raise ValueError(f"component: two are called {name!r}.")
    styles = [HERE / "base.css"] * base + list(css)
    return st.components.v2.component(
        f"fbseg.{name}",
        html=html if isinstance(html, str) else html.read_text(encoding="utf-8"),
        css="\n".join(path.read_text(encoding="utf-8") for path in styles),
        js=script(js, constants or {}),
    )


def script(js: Sequence[str | Path], constants: Mapping[str, Any]) -> str:
    """The JavaScript of these files, as in `component`: constants first, and WIRE where it is decoded."""
    told = ({"WIRE": wire.constants()} if "decode" in js else {}) | dict(constants)
    declared = [f"const {key} = {json.dumps(value)};" for key, value in told.items()]
    files = [HERE / f"{one}.js" if isinstance(one, str) else one for one in js]
    return "\n".join([*declared, *(path.read_text(encoding="utf-8") for path in files)])


def asked(key: str) -> dict[str, Any]:
    """In the callback of a component: what it asks for."""
    value = st.session_state[key].get("ask")
    return value if isinstance(value, dict) else {}
