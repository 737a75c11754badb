"""The state of a screen in a visitor's session, typed, and its link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import streamlit as st

from fbseg_core import ConfigError
from pages.ui import images, notices, server
from pages.ui.link import LARGEST_SEED, Linked
from pages.ui.visitor import travelled

V = TypeVar("V", bound=Linked)


def begin() -> None:
    """Set up a page, and the process where it is the first page of all."""
    server.warm_up()
    st.set_page_config(page_title="Feedback segmentation explorer", page_icon=images.icon(), layout="wide")
    st.html(Path(__file__).with_name("style.css"))


class Screen(Generic[V]):
    """One page's state in this session, kept while other pages are visited, and in the page's address.

    Callbacks (`take`, `attempt`, `next_seed`, `reset`, …) are methods, to be given to widgets.
    """

    def __init__(
        self, name: str, kind: type[V], lessons: Mapping[str, V], check: Callable[[V], object]
    ) -> None:
        """`check` raises ConfigError for a state that cannot be shown."""
        self.name, self.kind, self.lessons, self.check = name, kind, lessons, check

    def _get(self, what: str, default: Any = None) -> Any:
        return st.session_state.get(f"{self.name}/{what}", default)

    def _set(self, what: str, value: Any) -> None:
        st.session_state[f"{self.name}/{what}"] = value

    @property
    def view(self) -> V:
        """What the screen shows now."""
        return self._get("view")

    def show(self, new: V) -> None:
        """Show something else; what was noted no longer holds."""
        self._set("view", new)
        self.note(None)

    def show_afresh(self, new: V) -> None:
        """Show something else altogether: what plays, plays from its start."""
        self.show(new)
        self._set("epoch", self.epoch + 1)

    @property
    def epoch(self) -> int:
        """How often the view was replaced as a whole."""
        return self._get("epoch", 0)

    def change(self, **changes: Any) -> None:
        """Change parts of the view. Raises ConfigError, and then changes nothing."""
        self.show(self.view.replace(**changes))

    def note(self, sentence: str | None, box: str = "") -> None:
        """What to tell the visitor, until the next change: at the top of the screen, or in the box named."""
        self._set("note", (box, sentence))

    @property
    def noted(self) -> str | None:
        """What is to be told at the top of the screen."""
        return self.noted_in("")

    def noted_in(self, box: str) -> str | None:
        """What is to be told in a box."""
        where, sentence = self._get("note", ("", None))
        return sentence if where == box else None

    def attempt(self, act: Callable[..., object], *arguments: Any, box: str = "") -> None:
        """Callback: do it, or note in one sentence why not; box: where that is told, at the top if ""."""
        self.note(None)
        try:
            act(*arguments)
        except notices.REFUSED as error:
            self.note(str(error), box)

    def remember(self, what: str, value: Any) -> None:
        """Keep something for this session that is no part of the view."""
        self._set(f"kept/{what}", value)

    def recalled(self, what: str, default: Any = None) -> Any:
        """What was last remembered under that name."""
        return self._get(f"kept/{what}", default)

    def told(self) -> V:
        """The view that a component was last given as a whole; since then it knows better what it shows."""
        epoch, view = self.recalled("told", (-1, None))
        if epoch != self.epoch:
            view = self.view
            self.remember("told", (self.epoch, view))
        return view

    # ---- the link

    def read_link(self) -> None:
        """Take the view from the page's address, where the visitor opened it or came by Back or Forward.

        Whatever else a browser asks may name an address that the server has left since: a timer's call or a
        click sets out before the new address arrives. It never changes what is shown. A link that cannot be
        read gives the defaults and one notice.
        """
        link = self._named()
        if self.view is not None and not (travelled() and link != self.view.link(self.lessons)):
            return
        try:
            new, sentence = self.kind.from_link(link, self.lessons), None
            self.check(new)
        except ConfigError as error:
            new, sentence = self.kind(), f"This link could not be read, so the defaults are shown. {error}"
        self.show_afresh(new)
        self.note(sentence)

    def write_link(self) -> None:
        """Put the view into the page's address, unless the browser named just that with this run.

        After Back or Forward also then, if the last one sent may still arrive: the browser would take it for
        the one it went to.
        """
        link, named = self.view.link(self.lessons), self._named()
        if link != named or (travelled() and self._get("sent") is not None):
            st.query_params.from_dict(link)
            # if two are sent before the browser answers, the second may arrive after Back from the first
            self._set("sent", (named if self._get("sent") is None else None, link))

    def _named(self) -> dict[str, str]:
        """The address that the browser named with this run.

        It shows whether the last one sent has arrived: it is named, or Back has led to the one before it.
        """
        link = dict(st.query_params)
        before, sent = self._get("sent") or (None, None)
        if link == sent or (travelled() and link == before):
            self._set("sent", None)
        elif travelled() and sent is not None:
            self._set("sent", (None, sent))  # a Forward may lead to the one before it, too
        return link

    def address(self, **changes: Any) -> str:
        """The full address of the view, or of one that differs from it."""
        link = self.view.replace(**changes).link(self.lessons)
        base = (st.context.url or "").split("?")[0]
        return f"{base}?{urlencode(link)}" if link else base

    # ---- widgets

    def bind(self, field: str, value: Any, among: object = None) -> str:
        """Have the widget of the view's `field` show `value`; returns its key.

        `among` says what the choices depend on, where that is known: while it stays the same, a widget that
        shows `value` already is left alone, so that a key pressed meanwhile is not overruled.
        """
        key = f"{self.name}-{field}"
        if among is None or st.session_state.get(key) != value or self._get(f"among-{field}") != among:
            st.session_state[key] = value
            self._set(f"among-{field}", among)
        return key

    def key(self, field: str) -> str:
        """The key of a widget that keeps its own value, as an upload must."""
        return f"{self.name}-{field}"

    def chosen(self, field: str) -> Any:
        """In a widget's callback: what it shows."""
        return st.session_state[f"{self.name}-{field}"]

    def take(self, field: str, built: Any = None) -> None:
        """Callback of a widget: what it shows becomes the view's; back at what was built, its default.

        What cannot be shown is noted in one sentence, and changes nothing.
        """
        value = self.chosen(field)
        default = self.kind.model_fields[field].default
        before = self.view
        try:
            self.change(**{field: default if built is not None and value == built else value})
            self.check_change(field)
        except ConfigError as error:
            self.show(before)
            self.note(f"That could not be done: {error}")

    def check_change(self, field: str) -> None:
        """Raise ConfigError where a widget of this field asked for what cannot be shown."""

    def next_seed(self, field: str) -> None:
        """Callback: move a seed on by one, starting over past its end."""
        self.change(**{field: (getattr(self.view, field) + 1) % (LARGEST_SEED + 1)})

    def take_lesson(self) -> None:
        """Callback of the menu of lessons: show the one chosen, or the defaults."""
        self.show_afresh(self.kept(self.lessons.get(self.chosen("lesson"), self.kind())))

    def reset(self) -> None:
        """Callback: everything to its default."""
        self.show_afresh(self.kept(self.kind()))

    def kept(self, new: V) -> V:
        """With what a teacher's link hides, which no button brings back, and presented as before."""
        kept = {"hide", "presented"} & self.kind.model_fields.keys()
        return new.replace(**{field: getattr(self.view, field) for field in kept})
