"""A room as the teacher steers it, beside the lesson: code and QR, then how the answers are spread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from html import escape
from urllib.parse import urlsplit

import segno
import streamlit as st

from pages.learn import answers
from pages.learn.course import COURSE, Lesson
from pages.learn.room import LIFE, MOST_ANSWERS, ROOMS, RoomError
from pages.ui import notices, visitor
from pages.ui.screen import Screen

EVERY = 1.5  # seconds between two counts
BOX = "teacher"  # where a refusal is told
OWN = ("localhost", "127.0.0.1", "[::1]")  # names that a phone would look for in itself


def room_here() -> str | None:
    """The code of the room that this browser has open."""
    return ROOMS.of(visitor.owner())


def offer(screen: Screen, code: str | None) -> None:
    """A button that opens a room for the question on show."""

    def open_room() -> None:
        try:
            ROOMS.open(visitor.owner(), _on_show(screen).key)
        except RoomError as error:
            screen.note(str(error), BOX)

    st.button("Open a room for this question", on_click=open_room, disabled=code is not None, width="stretch")
    st.caption(
        f"Students answer on their phones, without a name. A room takes {MOST_ANSWERS} answers and is gone "
        f"after {LIFE // 3600} hours; only this browser steers it."
    )
    notices.noted(screen.noted_in(BOX))


def show(screen: Screen, code: str, worked_out: Callable[[Lesson], float | None]) -> None:
    """The room. worked_out: what answers a lesson, where that has been shown."""
    visitor.remember_owner()  # after a reload, too, this browser steers it
    follow(screen, code, worked_out)


@st.fragment(run_every=EVERY)
def follow(screen: Screen, code: str, worked_out: Callable[[Lesson], float | None]) -> None:
    """The room, kept up with the answers that come."""
    owner = visitor.owner()
    try:
        seen = ROOMS.look(code, owner)
    except RoomError:
        st.rerun()  # closed, or its time is over: nothing stands beside the lesson
    lesson = next(one for one in COURSE if one.key == seen.question)
    link = screen.address(room=code, at=1, guesses=(), presented=False)
    st.html(f"<div class='room-code' role='heading' aria-level='2'>{code}</div>")
    if seen.answers is None:
        st.html(qr(link))
        st.caption(short(link))
        if urlsplit(link).hostname in OWN and not screen.view.presented:
            st.caption(
                "This address is your own machine's alone. Start the app with --server.address 0.0.0.0 and "
                "open it by the machine's name in the network."
            )
    else:
        st.html(answers.bars(lesson, seen.answers, None, worked_out(lesson)))
    st.markdown(f"**{seen.count}** answer{'s' * (seen.count != 1)} to lesson {COURSE.index(lesson) + 1}")
    steer(screen, code, seen.answers is not None, lesson)


def steer(screen: Screen, code: str, shown: bool, lesson: Lesson) -> None:
    """What the teacher does in the room."""
    owner, on_show = visitor.owner(), _on_show(screen)
    label = "Hide the answers" if shown else "Show the answers"
    steps = [(label, ROOMS.show, (code, owner, not shown))]
    number = COURSE.index(on_show) + 1
    label = "Ask again" if on_show == lesson else f"Ask lesson {number}"
    steps += [(label, ROOMS.ask, (code, owner, on_show.key)), ("Close the room", ROOMS.close, (code, owner))]
    for label, act, arguments in steps:
        st.button(label, on_click=_try, args=(act, *arguments), width="stretch")


def _try(act: Callable[..., None], *arguments: object) -> None:
    """Callback: a room whose time is over at this moment is noticed by the next look."""
    with suppress(RoomError):
        act(*arguments)


def _on_show(screen: Screen) -> Lesson:
    return COURSE[screen.view.at - 1]


def qr(link: str) -> str:
    """A QR code of a link as HTML, dark on white in both themes, with the margin that scanners ask for."""
    picture = segno.make(link, error="m", micro=False).svg_data_uri(scale=8, border=4, light="white")
    return f"<img class='room-qr' src='{escape(picture)}' alt='QR code of the room&#39;s address'>"


def short(link: str) -> str:
    """A link as it is typed: without its scheme and the version, which a link may leave out."""
    return link.split("://", 1)[-1].replace("v=1&", "")
