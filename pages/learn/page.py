"""Learn: a course that asks for a guess before it answers, and works the answer out on the spot."""

import streamlit as st

from fbseg_core import CheckpointError, ConfigError
from pages import menu
from pages.learn import computed, figures, handout, progress
from pages.learn.course import COURSE, Lesson
from pages.learn.state import LearnState
from pages.ui import notices, plotly_style, screen, server

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
    if earlier is not None and SCREEN.view == LearnState():
        SCREEN.show(earlier)


def ask(lesson: Lesson) -> None:
    """The question, and a guess to be made before there is an answer."""
    given = "" if lesson.options else usual(lesson).given
    st.markdown(f"**Guess first.** {lesson.question} {given}")
    key = SCREEN.key(f"guess-{SCREEN.view.at}")
    if lesson.options:
        st.radio("Your guess", lesson.options, index=None, key=key, label_visibility="collapsed")
    else:
        middle = round((lesson.lo + lesson.hi) / 2 / lesson.step) * lesson.step
        st.slider(f"Your guess {lesson.unit}", lesson.lo, lesson.hi, middle, lesson.step, key=key)
    st.button("Show the answer", on_click=take_guess, type="primary")


def answer(lesson: Lesson) -> None:
    """The guess beside the answer, the figure, and what to try."""
    guess, found = SCREEN.view.guess(), usual(lesson)
    if lesson.options:
        right = lesson.options[min(int(guess), len(lesson.options) - 1)]
        st.markdown(f"You said **{right}**; it is **{found.truth}**.")
    else:
        digits = 0 if lesson.step >= 1 else 1 if lesson.step >= 0.1 else 2
        unit = f" {lesson.unit}" if lesson.unit else ""
        st.markdown(f"You said **{guess:.{digits}f}{unit}**; it is **{found.truth:.{digits}f}{unit}**.")
    if lesson.trial:
        label, low, high, step, start = lesson.trial
        chosen = st.slider(f"Try: {label}", low, high, start, step, key=SCREEN.key(f"try-{lesson.key}"))
        found = outcome(lesson, chosen)
    st.markdown(found.told)
    if found.pictures:
        for place, (name, (values, signed)) in zip(st.columns(len(found.pictures)), found.pictures.items()):
            place.image(figures.picture(values, signed), caption=name, width="stretch", output_format="PNG")
    if found.lines:
        plotly_style.chart(figures.curves(found), f"learn-{lesson.key}")
    st.caption(f"Simplified: {lesson.simplified}")
    st.markdown(f"[Open it in its lab]({menu.link(lesson.screen, **lesson.values)})")
    st.button("Guess again", on_click=guess_anew)


@st.fragment
def show() -> None:
    """One lesson."""
    notices.noted(SCREEN.noted)
    view, lesson = SCREEN.view, COURSE[SCREEN.view.at - 1]
    done = sum(guess is not None for guess in view.guesses)
    st.progress(done / len(COURSE), f"Lesson {view.at} of {len(COURSE)}; {done} answered")
    back, on, _ = st.columns([1, 1, 4])
    back.button("Back", on_click=go, args=(-1,), disabled=view.at == 1, shortcut="Left", width="stretch")
    on.button(
        "On", on_click=go, args=(1,), disabled=view.at == len(COURSE), shortcut="Right", width="stretch"
    )
    st.subheader(f"{view.at}. {lesson.title}", anchor=False)
    st.markdown(lesson.words)
    st.caption(" · ".join(f"**{symbol}** {meaning}" for symbol, meaning in lesson.terms.items()))
    try:
        part = ask if view.guess() is None else answer  # an expression of its own would be drawn on the page
        part(lesson)
    except (ConfigError, CheckpointError) as error:
        notices.refused(error)
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
    st.title("Learn: guess, then see it worked out", anchor=False)
    show()
    handouts()


screen.begin()
page()
