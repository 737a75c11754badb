"""What a visitor reads in place of a checkpoint's name, and times by the visitor's own clock."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st

from pages.ui import cache, own


def model_titles(names: Iterable[str]) -> dict[str, str]:
    """What these checkpoints are called: those that ship by their names, others by what they are."""
    return own.titles(names, cache.cards(), clock())


def own_title(name: str) -> str:
    """What a visitor's own checkpoint is called; "" for one that ships."""
    return "" if own.path_of(name) is None else model_titles([name])[name]


def clock() -> tzinfo:
    """The visitor's time zone, as far as the browser tells it."""
    try:
        return ZoneInfo(st.context.timezone)
    except (TypeError, ValueError, KeyError):  # a browser that tells none, or one unknown here
        return UTC
