"""Widgets of a screen's state, each drawn from the one declaration of its setting there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from fbseg_core.settings import Setting, settings_of
from pages.ui.screen import Screen


def slider(
    screen: Screen, field: str, label: str, value: float, built: float | None = None, **more: Any
) -> None:
    """A slider for a number of the view. `built` is what None stands for: back there, the view holds None."""
    setting = _setting(screen, field)
    kind = int if setting.kind == "int" else float
    st.slider(
        f"{label} ({setting.unit})" if setting.unit else label,
        kind(setting.lo),
        kind(setting.hi),
        step=kind(setting.step or 1),
        key=screen.bind(field, kind(value), among=setting),
        help=setting.help,
        on_change=screen.take,
        args=(field, built),
        **more,
    )


def seed(
    screen: Screen, field: str, label: str, what: str, act: Callable[[str], object] | None = None
) -> None:
    """A slider for a seed of the view, and a button for the next one. what: what the seed draws.

    act: called with the field when the button is pressed, `screen.next_seed` if None.
    """
    slide, push = st.columns([3, 2], vertical_alignment="bottom")
    push.button(
        "New",
        key=f"next-{field}",
        help=f"Take the next {what}.",
        width="stretch",
        on_click=act or screen.next_seed,
        args=(field,),
    )
    with slide:
        slider(screen, field, label, getattr(screen.view, field))


def toggle(screen: Screen, field: str, label: str, value: bool, note: str = "", **more: Any) -> None:
    """A toggle for a switch of the view. `note` follows its line of help."""
    key = screen.bind(field, value, among=bool)
    told = f"{_setting(screen, field).help} {note}".strip()
    st.toggle(label, key=key, help=told, on_change=screen.take, args=(field,), **more)


def choice(
    screen: Screen,
    field: str,
    label: str,
    value: str,
    options: Sequence[str],
    built: str | None = None,
    told: Callable[[str], str] = str,
) -> None:
    """A menu for a text of the view. `told` says how an option reads."""
    st.selectbox(
        label,
        options,
        key=screen.bind(field, value),
        format_func=told,
        help=help_of(screen, field),
        on_change=screen.take,
        args=(field, built),
    )


def help_of(screen: Screen, field: str) -> str:
    """The help of a setting of the view, for a widget of another kind."""
    return _setting(screen, field).help


def _setting(screen: Screen, field: str) -> Setting:
    return settings_of(screen.kind)[field]
