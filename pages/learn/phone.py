"""What a student's phone shows: a room's question, a way to answer it, then all answers."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from PIL.Image import Image

from pages.learn import answers, guess
from pages.learn.course import COURSE, Lesson
from pages.learn.room import ROOMS, RoomError, Seen
from pages.ui import notices, visitor
from pages.ui.screen import Screen

EVERY = 2.0  # seconds between two looks at the room
BOX = "room"  # where a refusal is told


def show(screen: Screen, given: Callable[[Lesson], str], picture: Callable[[Lesson], Image]) -> None:
    """The whole page. given: what a lesson tells with its question; picture: what is pointed at."""
    visitor.remember_owner()  # a phone that loads the page anew has still its one answer
    follow(screen, screen.view.room.upper(), given, picture)
    st.divider()
    join(screen)
    st.button("Leave the room", on_click=screen.change, kwargs={"room": ""})


def join(screen: Screen) -> None:
    """A field for a code."""

    def enter() -> None:
        screen.change(room=screen.chosen("code").strip().upper())

    st.text_input("Code of a room", max_chars=4, key=screen.key("code"), on_change=enter)


@st.fragment(run_every=EVERY)
def follow(
    screen: Screen, code: str, given: Callable[[Lesson], str], picture: Callable[[Lesson], Image]
) -> None:
    """The question, kept up with what the teacher does."""
    try:
        seen = ROOMS.look(code, visitor.owner())
    except RoomError as error:
        notices.noted(str(error))
        return
    lesson = next(one for one in COURSE if one.key == seen.question)
    st.subheader(lesson.title, anchor=False)
    st.markdown(lesson.words)
    st.markdown(f"**{lesson.question}** {given(lesson)}")
    if seen.answers is None:
        ask(screen, lesson, seen, picture)
    else:
        st.html(answers.bars(lesson, seen.answers, seen.mine, None))
    st.caption(f"Room {seen.code}, {seen.count} answers. No names are asked for, and nothing is stored.")


def ask(screen: Screen, lesson: Lesson, seen: Seen, picture: Callable[[Lesson], Image]) -> None:
    """The answer, which may be changed until all are shown."""
    field = f"room-{seen.code}-{seen.asked}"

    def send() -> None:
        chosen = guess.value(lesson, screen.chosen(field))
        screen.note(None)
        try:
            if chosen is not None:
                ROOMS.answer(seen.code, visitor.owner(), seen.asked, chosen)
        except RoomError as error:
            screen.note(str(error), BOX)

    guess.field(lesson, screen.key(field), picture)
    st.button("Send", on_click=send, type="primary", width="stretch")
    if seen.mine is not None:
        st.success(f"Sent: {lesson.said(seen.mine)}. It may be changed until all answers are shown.")
    notices.noted(screen.noted_in(BOX))
