"""Learn: a course that asks for a guess before it answers, and works the answer out on the spot."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from fbseg_core import CheckpointError, ConfigError
from pages import menu
from pages.learn import computed, figures, handout, progress
from pages.learn.course import COURSE, Lesson
from pages.learn.state import LearnState
from pages.ui import plotly_style, presentation, screen, server

SCREEN = screen.Screen("learn", LearnState, {}, lambda view: None)


def outcome(lesson: Lesson, trial: float) -> computed.Outcome:
    """What answers a lesson; the server keeps it for the next who asks."""
    return server.kept("rest", ("learn", lesson.key, trial), lambda: getattr(computed, lesson.key)(trial))


def usual(lesson: Lesson) -> computed.Outcome:
    """A lesson's answer as it stands before anything is tried."""
    return outcome(lesson, lesson.trial[4] if lesson.trial else 0.0)


def go(by: int) -> None:
    """Callback: a lesson on, or back."""
    SCREEN.change(at=min(max(SCREEN.view.at + by, 1), len(COURSE)))


def show_lesson(number: int) -> None:
    """Callback of a presentation's keys: the lesson of that number, from 0."""
    SCREEN.change(at=number + 1)


def take_guess() -> None:
    """Callback of the button: the guess stands, and the answer is shown."""
    chosen, lesson = SCREEN.chosen(f"guess-{SCREEN.view.at}"), COURSE[SCREEN.view.at - 1]
    if chosen is not None:
        value = float(lesson.options.index(chosen)) if lesson.options else float(chosen)
        SCREEN.change(guesses=SCREEN.view.guessed(value))


def guess_anew() -> None:
    """Callback: the answer is closed again."""
    SCREEN.change(guesses=SCREEN.view.guessed(None))


def go_on() -> None:
    """Callback: where an earlier visit stopped, if this one has not begun."""
    earlier = progress.found()
    if earlier is not None and not SCREEN.view.begun():
        SCREEN.show(earlier.replace(presented=SCREEN.view.presented))


def ask(lesson: Lesson, words: DeltaGenerator, figure: DeltaGenerator) -> None:
    """The question, and a guess to be made before there is an answer."""
    found = usual(lesson)
    with words:
        st.markdown(f"**Guess first.** {lesson.question} {found.given}")
        key = SCREEN.key(f"guess-{SCREEN.view.at}")
        if lesson.options:
            st.radio("Your guess", lesson.options, index=None, key=key, label_visibility="collapsed")
        else:
            middle = round((lesson.lo + lesson.hi) / 2 / lesson.step) * lesson.step
            span = (lesson.lo, lesson.hi, middle, lesson.step)
            st.slider(f"Your guess {lesson.unit}", *span, f"%{digits(lesson.step)}", key=key)
        st.button("Show the answer", on_click=take_guess, type="primary")
    with figure:
        pictures({name: found.pictures[name] for name in found.asked})


def answer(lesson: Lesson, words: DeltaGenerator, figure: DeltaGenerator) -> None:
    """The guess beside the answer, the figure, and what to try."""
    guess, found = SCREEN.view.guess(), usual(lesson)
    with words:
        if lesson.options:
            said = lesson.options[min(int(guess), len(lesson.options) - 1)]
            st.markdown(f"You said **{said}**; it is **{found.truth}**.")
        else:
            said, right = (f"{n:{digits(lesson.step)}} {lesson.unit}".strip() for n in (guess, found.truth))
            st.markdown(f"You said **{said}**; it is **{right}**.")
        if lesson.trial:
            label, low, high, step, start = lesson.trial
            key = SCREEN.key(f"try-{lesson.key}")
            chosen = st.slider(f"Try: {label}", low, high, start, step, f"%{digits(step)}", key=key)
            found = outcome(lesson, chosen)
        st.markdown(found.told)
        st.caption(f"Simplified: {lesson.simplified}")
    with figure:
        pictures(found.pictures)
        if found.lines:
            drawn = figures.curves(found)
            if SCREEN.view.presented:
                plotly_style.enlarge(drawn)
            plotly_style.chart(drawn, f"learn-{lesson.key}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Guess again", on_click=guess_anew)
            st.markdown(f"[Open it in its lab]({menu.link(lesson.screen, **lesson.values)})")


def digits(step: float) -> str:
    """How a number is written that goes in such steps, as a format."""
    return ".0f" if step >= 1 else ".1f" if step >= 0.1 and (10 * step).is_integer() else ".2f"


def pictures(named: dict[str, tuple[Tensor, bool]]) -> None:
    """Maps side by side."""
    if not named:
        return
    for place, (name, (values, signed)) in zip(st.columns(max(len(named), 2)), named.items()):
        place.image(figures.picture(values, signed), caption=name, width="stretch", output_format="PNG")


def turn_pages(view: LearnState) -> None:
    """From lesson to lesson, and how far the course has come."""
    back, on, told, leave = st.columns([1, 1, 4, 1], vertical_alignment="center")
    keys = (None, None) if view.presented else ("Left", "Right")  # a presentation has keys of its own
    first, last = view.at == 1, view.at == len(COURSE)
    back.button("Back", on_click=go, args=(-1,), disabled=first, shortcut=keys[0], width="stretch")
    on.button("On", on_click=go, args=(1,), disabled=last, shortcut=keys[1], width="stretch")
    done = sum(guess is not None for guess in view.guesses)
    told.progress(done / len(COURSE), f"Lesson {view.at} of {len(COURSE)}; {done} answered")
    with leave:
        (presentation.leave_button if view.presented else presentation.begin_button)(SCREEN)
    if view.presented:
        presentation.present(SCREEN, view.at - 1, len(COURSE) - 1, show_lesson, arrows=True)


@st.fragment
def show(presented: bool) -> None:
    """One lesson."""
    view, lesson = SCREEN.view, COURSE[SCREEN.view.at - 1]
    if view.presented != presented:
        st.rerun()  # what stands around the lesson comes or goes, too
    if SCREEN.noted:
        st.warning(SCREEN.noted)
    turn_pages(view)
    words, figure = st.columns(2, gap="large")
    with words:
        st.subheader(f"{view.at}. {lesson.title}", anchor=False)
        st.markdown(lesson.words)
        st.caption(" · ".join(f"**{symbol}** {meaning}" for symbol, meaning in lesson.terms.items()))
    try:
        part = ask if view.guess() is None else answer  # an expression of its own would be drawn on the page
        part(lesson, words, figure)
    except (ConfigError, CheckpointError) as error:
        st.error(str(error))
    progress.keep(view, go_on)
    SCREEN.write_link()


def handouts() -> None:
    """For a teacher: the questions on one sheet, and the same with what the models answer."""
    with st.expander("Handouts for a class"):
        one, other = st.columns(2)
        one.download_button(
            "Questions", handout.handout(), "questions.html", "text/html", on_click="ignore", width="stretch"
        )
        other.download_button(
            "Answers, worked out now",
            lambda: handout.handout(usual),
            "answers.html",
            "text/html",
            on_click="ignore",
            width="stretch",
        )


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    presented = SCREEN.view.presented
    if not presented:
        st.title("Learn: guess, then see it worked out", anchor=False)
    show(presented)
    if not presented:
        handouts()


screen.begin()
page()
