"""The widget that takes a guess, in the course and on a phone alike."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from PIL.Image import Image

from pages.learn import point
from pages.learn.course import Lesson


def field(lesson: Lesson, key: str, picture: Callable[[Lesson], Image]) -> None:
    """A choice, a picture to point at, or a bar from the least to the largest guess. picture: draws one."""
    if lesson.side:
        point.field(key, picture(lesson), lesson.side)
        st.caption("Click or tap the place, or move the mark with the arrow keys. The white disc is the dot.")
        return
    if lesson.options:
        st.radio("Your guess", lesson.options, index=None, key=key, label_visibility="collapsed")
        return
    middle = round((lesson.lo + lesson.hi) / 2 / lesson.step) * lesson.step
    span = (lesson.lo, lesson.hi, middle, lesson.step)
    label = f"Your guess, {lesson.unit}" if lesson.unit else "Your guess"
    st.slider(label, *span, f"%{lesson.format}", key=key)


def value(lesson: Lesson, chosen: object) -> float | None:
    """What the widget's value stands for as a guess; None where nothing that can be one was chosen."""
    chosen = point.place(chosen) if lesson.side else chosen
    number = lesson.options.index(chosen) if chosen in lesson.options else chosen
    return float(number) if lesson.takes(number) else None
