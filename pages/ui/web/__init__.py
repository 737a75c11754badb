"""What the components in plain JavaScript share: how one is made of its files, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def component(
    name: str, html: str | Path, css: Sequence[Path], js: Sequence[str | Path], base: bool = True
) -> Callable[..., Any]:
    """A component of these files, joined in their order: nothing is built, and nothing is fetched.

    html: the file, or the text itself, with a line break in it. js: files of its own, and by their bare names
    those shared ones that stand beside this module. base: begin with the CSS that all of them share.
    """
    styles = [HERE / "base.css"] * base + list(css)
    scripts = [HERE / f"{one}.js" if isinstance(one, str) else one for one in js]
    return st.components.v2.component(
        f"fbseg.{name}",
        html=html if isinstance(html, str) else html.read_text(encoding="utf-8"),
        css="\n".join(path.read_text(encoding="utf-8") for path in styles),
        js="\n".join(path.read_text(encoding="utf-8") for path in scripts),
    )


def asked(key: str) -> dict[str, Any]:
    """In the callback of a component: what it asks for."""
    value = st.session_state[key].get("ask")
    return value if isinstance(value, dict) else {}
