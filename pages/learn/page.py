"""Learn: a course that asks for a guess before it answers, and works the answer out on the spot."""

import math

import streamlit as st
from PIL.Image import Image
from streamlit.delta_generator import DeltaGenerator
from torch import Tensor

from fbseg_core import CheckpointError, ConfigError
from pages import menu
from pages.learn import computed, figures, glossary, guess, handout, phone, progress, reading, teacher
from pages.learn.course import COURSE, Lesson, digits
from pages.learn.outcome import Outcome
from pages.learn.state import LearnState
from pages.ui import notices, plotly_style, presentation, screen, server

SCREEN = screen.Screen("learn", LearnState, {}, lambda view: None)
GUESS = "guess"  # the box where it is told that there is none
ASKED, SAID = "asked", "said"  # the containers of the question, and of the guess beside the answer


def outcome(lesson: Lesson, trial: float) -> Outcome:
    """What answers a lesson; the server keeps it for the next who asks."""
    return server.kept("rest", ("learn", lesson.key, trial), lambda: getattr(computed, lesson.key)(trial))


def usual(lesson: Lesson) -> Outcome:
    """A lesson's answer as it stands before anything is tried."""
    return outcome(lesson, lesson.trial[4] if lesson.trial else 0.0)


def given(lesson: Lesson) -> str:
    """What is told with a lesson's question."""
    return "" if lesson.options else usual(lesson).given


def to_point_at(lesson: Lesson) -> Image:
    """The picture of a question that is answered by pointing."""
    found = usual(lesson)
    return figures.marked(
        figures.picture(*found.pictures[found.asked[0]]),
        lesson.side,
        {figures.DOT: lesson.place(found.spread.dot)},
    )


def worked_out(lesson: Lesson) -> float | None:
    """What answers a lesson, as a guess would say it, where its answer has been shown."""
    if SCREEN.view.guess_of(COURSE.index(lesson) + 1) is None:
        return None
    truth = usual(lesson).truth
    return float(lesson.options.index(truth)) if lesson.options else truth


def go(by: int) -> None:
    """Callback: a lesson on, or back."""
    SCREEN.change(at=min(max(SCREEN.view.at + by, 1), len(COURSE)))


def show_lesson(number: int) -> None:
    """Callback of a presentation's keys: the lesson of that number, from 0."""
    SCREEN.change(at=number + 1)


def take_guess() -> None:
    """Callback of the button: the guess stands, and the answer is shown."""
    lesson = COURSE[SCREEN.view.at - 1]
    chosen = guess.value(lesson, SCREEN.chosen(f"guess-{SCREEN.view.at}"))
    if chosen is None:
        SCREEN.note("Point at a place first." if lesson.side else "Choose one first.", GUESS)
    else:
        turn(chosen)


def guess_anew() -> None:
    """Callback: the answer is closed again."""
    turn(None)


def turn(guessed: float | None) -> None:
    """From the question to the answer, or back; what then is to be read has the keyboard."""
    SCREEN.change(guesses=SCREEN.view.guessed(guessed))
    SCREEN.remember("turned", turned() + 1)


def turned() -> int:
    """How often the answer was shown or closed again."""
    return SCREEN.recalled("turned", 0)


def go_on() -> None:
    """Callback: where an earlier visit stopped, if this one has not begun."""
    earlier = progress.found()
    if earlier is not None and not SCREEN.view.begun():
        SCREEN.show(earlier.replace(presented=SCREEN.view.presented))


def ask(lesson: Lesson, words: DeltaGenerator, figure: DeltaGenerator) -> None:
    """The question, and a guess to be made before there is an answer."""
    found = usual(lesson)
    with words:
        with st.container(key=SCREEN.key(ASKED)):
            st.markdown(f"**Guess first.** {lesson.question} {found.given}")
        guess.field(lesson, SCREEN.key(f"guess-{SCREEN.view.at}"), to_point_at)
        st.button("Show the answer", on_click=take_guess, type="primary")
        notices.noted(SCREEN.noted_in(GUESS))
    if not lesson.side:  # that one's picture is where the guess is made
        with figure:
            pictures({name: found.pictures[name] for name in found.asked}, marks(lesson, found, asked=True))


def answer(lesson: Lesson, words: DeltaGenerator, figure: DeltaGenerator) -> None:
    """The guess beside the answer, the figure, and what to try."""
    said, found = lesson.said(SCREEN.view.guess()), usual(lesson)
    with words:
        right = found.truth if lesson.options else lesson.said(found.truth)
        verb = "worked out:" if lesson.options else "it is"  # an option can be a sentence of its own
        with st.container(key=SCREEN.key(SAID)):
            st.markdown(f"You said **{said}**; {verb} **{right}**.{at_place(lesson, found)}")
        if lesson.trial:
            label, low, high, step, start = lesson.trial
            key = SCREEN.key(f"try-{lesson.key}")
            chosen = st.slider(f"Try: {label}", low, high, start, step, f"%{digits(step)}", key=key)
            found = outcome(lesson, chosen)
        st.markdown(found.told)
        if not SCREEN.view.presented:
            st.caption(f"Simplified: {lesson.simplified}")
    with figure:
        pictures(found.pictures, marks(lesson, found))
        if drawn := figures.chart(found):
            if SCREEN.view.presented:
                plotly_style.enlarge(drawn)
            plotly_style.chart(drawn, f"learn-{lesson.key}")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Guess again", on_click=guess_anew)
            st.markdown(f"[Open it in its lab]({menu.link(lesson.screen, **lesson.values)})")
        if SCREEN.view.presented:  # the words fill their column of a screen of 1080 lines
            st.caption(f"Simplified: {lesson.simplified}")


def at_place(lesson: Lesson, found: Outcome) -> str:
    """What happens at the place that was pointed at."""
    if found.spread is None:
        return ""
    mine, last = (lesson.place(place) for place in (SCREEN.view.guess(), found.spread.last))
    return f" Your place is {found.spread.told(*mine)}. The last is {math.dist(mine, last):.0f} px away."


def marks(lesson: Lesson, found: Outcome, asked: bool = False) -> dict[str, tuple[int, int]]:
    """What is marked in a lesson's pictures: the dot, and once it is answered what was pointed at, too."""
    if found.dot is not None:
        return {figures.DOT: divmod(found.dot, found.pictures[found.asked[0]][0].shape[-1])}
    if found.spread is None or asked:
        return {}
    places = {
        figures.DOT: found.spread.dot,
        figures.LAST: found.spread.last,
        figures.MINE: SCREEN.view.guess(),
    }
    return {what: lesson.place(number) for what, number in places.items()}


def pictures(named: dict[str, tuple[Tensor, bool]], places: dict[str, tuple[int, int]] | None = None) -> None:
    """Maps side by side, with the places marked in each."""
    if not named:
        return
    row = st.container(key=SCREEN.key("pictures"))  # side by side on a phone, too
    for place, (name, (values, signed)) in zip(row.columns(max(len(named), 2)), named.items()):
        drawn = figures.picture(values, signed)
        drawn = figures.marked(drawn, values.shape[-1], places) if places else drawn
        place.image(drawn, caption=name, alt=name, width="stretch", output_format="PNG")
    if places:
        st.caption(", ".join(f"{figures.SIGNS[what]} {what}" for what in places))


def turn_pages(view: LearnState) -> None:
    """From lesson to lesson, and how far the course has come."""
    row = st.container(horizontal=True, vertical_alignment="center")
    keys = (None, None) if view.presented else ("Left", "Right")  # a presentation has keys of its own
    first, last = view.at == 1, view.at == len(COURSE)
    row.button("Back", on_click=go, args=(-1,), disabled=first, shortcut=keys[0])
    row.button("Next", on_click=go, args=(1,), disabled=last, shortcut=keys[1])
    done = sum(view.guess_of(at) is not None for at in range(1, len(COURSE) + 1))
    row.progress(done / len(COURSE), f"Lesson {view.at} of {len(COURSE)}; {done} answered")
    with row:
        (presentation.leave_button if view.presented else presentation.begin_button)(SCREEN)
    if view.presented:
        presentation.present(SCREEN, view.at - 1, len(COURSE) - 1, show_lesson, arrows=True)


@st.fragment
def show(presented: bool) -> None:
    """One lesson."""
    view, lesson = SCREEN.view, COURSE[SCREEN.view.at - 1]
    if view.presented != presented:
        st.rerun()  # what stands around the lesson comes or goes, too
    notices.noted(SCREEN.noted)
    turn_pages(view)
    words, figure = st.columns([3, 2] if presented else 2, gap="large")  # large text takes more of the width
    with words:
        st.subheader(f"{view.at}. {lesson.title}", anchor=False)
        st.markdown(lesson.words)
        name = "**{}**".format if presented else glossary.linked  # a presentation has no glossary below it
        st.caption(" · ".join(f"{name(symbol)} {meaning}" for symbol, meaning in lesson.terms.items()))
    try:
        part = ask if view.guess() is None else answer  # an expression of its own would be drawn on the page
        part(lesson, words, figure)
    except (ConfigError, CheckpointError) as error:
        notices.refused(error)
    progress.keep(view, go_on)
    reading.follow(turned(), SCREEN.key(ASKED if view.guess() is None else SAID))
    SCREEN.write_link()


def for_a_class(code: str | None) -> None:
    """For a teacher: a room, and handouts of the questions and of what the models answer."""
    with st.expander("For a class: a room for its answers, handouts"):
        room, handouts = st.columns(2, gap="large")
        with room:
            teacher.offer(SCREEN, code)
            phone.join(SCREEN)
        with handouts:
            st.caption("One sheet each, to be printed.")
            st.download_button(
                "Questions", lambda: handout.handout(to_point_at), "questions.html", "text/html",
                on_click="ignore", width="stretch",
            )  # fmt: skip
            st.download_button(
                "Answers, worked out now", lambda: handout.handout(to_point_at, usual), "answers.html",
                "text/html", on_click="ignore", width="stretch",
            )  # fmt: skip


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    if SCREEN.view.room:
        phone.show(SCREEN, given, to_point_at)
        SCREEN.write_link()
        return
    presented = SCREEN.view.presented
    if not presented:
        st.title("Learn: guess, then see it worked out", anchor=False)
    code = teacher.room_here()
    place = st.container()
    if code:
        place, side = st.columns([3, 1], gap="large")
        with side:
            teacher.show(SCREEN, code, worked_out)
    with place:
        show(presented)
    if not presented:
        for_a_class(code)
        st.html(glossary.table())


screen.begin()
page()
