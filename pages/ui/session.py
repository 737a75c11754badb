"""The state of a visitor's session, typed, and its link; the only reader of st.session_state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from fbseg_core import ConfigError
from pages.ui import figures
from pages.ui.presets import LESSONS
from pages.ui.view import LARGEST_SEED, View

VIEW, LINK, NOTE, EPOCH, WISH, STATE = "view", "link", "note", "epoch", "wish", "state"


def begin() -> None:
    """Ready a page that was opened without app.py, as a server's very first request may be."""
    st.set_page_config(page_title="Feedback segmentation explorer", page_icon=figures.icon(), layout="wide")
    st.html(Path(__file__).with_name("style.css"))


# ---- the view and its link ----------------------------------------------------------------------------


def view() -> View:
    """What the Explore screen shows now."""
    return st.session_state[VIEW]


def show(new: View) -> None:
    """Show something else."""
    st.session_state[VIEW] = new


def show_afresh(new: View) -> None:
    """Show something else altogether: the player takes its layer from it and plays from the start."""
    show(new)
    note(None)
    st.session_state[EPOCH] = epoch() + 1


def epoch() -> int:
    """How often the view was replaced as a whole."""
    return st.session_state.get(EPOCH, 0)


def change(**changes: Any) -> None:
    """Change parts of the view. Raises ConfigError, and then changes nothing."""
    show(view().replace(**changes))
    note(None)


def note(sentence: str | None) -> None:
    """What to tell the visitor, until the next change."""
    st.session_state[NOTE] = sentence


def fault() -> str | None:
    """The sentence noted last, if it still stands."""
    return st.session_state.get(NOTE)


def read_link(check: Callable[[View], object]) -> None:
    """Take the view from the page's address, where it is not the one this session wrote there itself.

    `check` raises ConfigError for a view that cannot be shown; the defaults are shown then, with one notice.
    """
    link = {key: st.query_params[key] for key in st.query_params}
    if VIEW in st.session_state and link == st.session_state.get(LINK):
        return
    try:
        new, sentence = View.from_link(link, lesson_views()), None
        check(new)
    except ConfigError as error:
        new, sentence = View(), f"This link could not be read, so the defaults are shown. {error}"
    show_afresh(new)
    note(sentence)
    st.session_state[LINK] = link


def write_link() -> None:
    """Put the view into the page's address."""
    link = view().link(lesson_views())
    if link != st.session_state.get(LINK):
        st.session_state[LINK] = link
        st.query_params.from_dict(link)


def lesson_views() -> dict[str, View]:
    """The view of each lesson, which a link that names the lesson builds on."""
    return {key: lesson.view for key, lesson in LESSONS.items()}


def address(**changes: Any) -> str:
    """The full address of the view, or of one that differs from it."""
    link = view().replace(**changes).link(lesson_views())
    base = (st.context.url or "").split("?")[0]
    return f"{base}?{urlencode(link)}" if link else base


# ---- widgets ------------------------------------------------------------------------------------------


def bind(field: str, value: Any) -> str:
    """Ready a widget of the view's `field` to show `value`; returns its key."""
    key = f"view-{field}"
    st.session_state[key] = value
    return key


def chosen(field: str) -> Any:
    """In a widget's callback: what it shows."""
    return st.session_state[f"view-{field}"]


def take(field: str, built: Any = None) -> None:
    """Callback of such a widget: what it shows becomes the view's; back at what was built, its default."""
    value = chosen(field)
    default = View.model_fields[field].default
    change(**{field: default if built is not None and value == built else value})


def take_clock() -> None:
    """Callback: freeze the clock at 0, or let it run."""
    change(clock=0 if chosen("frozen") else None)


def next_seed(field: str) -> None:
    """Callback: move a seed on by one, starting over past its end. A new image takes off what was drawn."""
    drawn = {"drawing": "", "cue": None} if field == "image" else {}
    change(**{field: (getattr(view(), field) + 1) % (LARGEST_SEED + 1)}, **drawn)


def reset() -> None:
    """Callback: everything to its default, but for what a teacher's link hides."""
    show_afresh(View(hide=view().hide))


# ---- the player ---------------------------------------------------------------------------------------


def asked(key: str) -> dict[str, Any]:
    """In the callback of a component: what it asks for."""
    value = st.session_state[key].get("ask")
    return value if isinstance(value, dict) else {}


def heard(wish: dict[str, Any]) -> None:
    """Note a request that was dealt with, so that the player can send its next."""
    st.session_state[WISH] = wish
    st.session_state[STATE] = wants_state() or bool(wish.get("state"))


def answered() -> int:
    """The number of the last request that was dealt with."""
    number = st.session_state.get(WISH, {}).get("n")
    return number if isinstance(number, int) else 0


def hurried() -> bool:
    """Whether a slider is being dragged: answer fast, the rest can wait until it is let go."""
    return st.session_state.get(WISH, {}).get("live") is True


def wants_state() -> bool:
    """Whether this visitor has pointed at a pixel, so that u and v are worth sending."""
    return st.session_state.get(STATE, False)
