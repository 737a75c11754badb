"""Where a reader stands: at the answer once it is shown, and at a term again that the glossary explained."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.learn import glossary

_mount = st.components.v2.component(
    "fbseg.reading", js=Path(__file__).with_name("reading.js").read_text(encoding="utf-8")
)


def follow(turned: int, at: str) -> None:
    """Have the keyboard stand where there is something new to read.

    turned: how often the answer was shown or closed again; at: the key of the container that is then read.
    """
    _mount(key="learn-reading", data={"turned": turned, "at": at, "row": f"#{glossary.ROW}"})
