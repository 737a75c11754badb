"""What the Stability lab says of its runs: the table of those on show, and a variant's two compared."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

import plotly.graph_objects as go
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from fbseg_core.analysis.describe import clock_name, meaning
from fbseg_core.analysis.lockstep import Leg, Walk
from fbseg_core.config import TaskConfig
from pages.stability import computed, figures
from pages.stability.state import NAMES, StabilityState, Variant, planned, step_shown
from pages.ui import pictures
from pages.ui.plotly_style import chart

JUDGING = "judging…"


def run_shown(view: StabilityState, variants: Mapping[str, Variant]) -> str:
    """Which of each variant's two runs is on show, by its clock."""
    return clock_name(variants[NAMES[0]].clock if view.frozen else None)


class Board:
    """What is said of the four runs below their pictures, filled in as they are judged."""

    def __init__(self, view: StabilityState, variants: Mapping[str, Variant]) -> None:
        self.view, self.variants = view, variants
        self.run, self.planned = run_shown(view, variants), planned(variants)
        self.walks = {name: computed.known(variant) for name, variant in variants.items()}
        self._place, self._below = st.empty(), st.container()
        self._fill()

    def _fill(self) -> None:
        legs = {name: walk and walk.leg(self.view.frozen) for name, walk in self.walks.items()}
        last = max(1, *(self.planned if leg is None else len(leg) for leg in legs.values()))
        table(self._place, legs, self.run, step_shown(self.view, last))

    def judge(self, told: Callable[[str, Walk], object]) -> dict[str, Walk]:
        """All four, the one in focus first. told: called with each that was not known."""
        for name in sorted(self.variants, key=lambda name: name != self.view.focus):
            if self.walks[name] is None:
                self.walks[name] = computed.walk_of(self.variants[name])
                self._fill()
                told(name, self.walks[name])
        with self._below:
            _overflow(self.walks, self.view.frozen)
        return self.walks


def table(place: DeltaGenerator, legs: Mapping[str, Leg | None], run: str, t: int) -> None:
    """The legend of all charts: what each run on show comes to, and the words of its verdicts.

    legs: None for a run that is still judged. run: which runs they are, by their clocks.
    """
    rows, labels = [], []
    for name, leg in legs.items():
        mark = f'<span class="mark" style="background-image: {figures.swatch(name)}"></span>'
        cells = (name, JUDGING, JUDGING, "…") if leg is None else (name, *_cells(leg, t))
        labels += [] if leg is None else [leg.state.label, leg.mask.label]
        rows.append(
            f"<tr><td>{mark}</td>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        )
    heads = "".join(f"<th>{head}</th>" for head in ("", "variant", "state", "mask", f"F1 at t = {t}"))
    words = [f"<em>{html.escape(one)}</em>: {html.escape(meaning(one))}" for one in dict.fromkeys(labels)]
    told = "; ".join(words) + "." if words else "What each verdict means is told here."
    place.html(
        f'<table class="verdicts"><caption>On show: the four runs with the <b>{run}</b></caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f'<p class="meanings">{told}</p>'
    )


def _cells(leg: Leg, t: int) -> tuple[str, str, str]:
    now = min(t, len(leg))
    score = f"{leg.curves['f1'][now]:.3f}" + f" (at its end, {now})" * (now < t)
    return leg.state.label, leg.mask.label, score


def picture(task: TaskConfig, leg: Leg, t: int) -> Image.Image:
    """The answer of a run at step t."""
    return pictures.answer_picture(task, (leg.shape if pictures.of_two(task) else leg.masks)[t])


def _overflow(walks: Mapping[str, Walk], frozen: bool) -> None:
    """Where runs ended early, and why."""
    ended = {name: walk.leg(frozen).stopped for name, walk in walks.items() if walk.leg(frozen).stopped}
    if ended:
        told = "; ".join(f"{name}: {reason}" for name, reason in ended.items())
        st.warning(
            f"Overflow was caught, and what was reached is shown. {told}. With a positive eigenvalue λ the "
            "gain e^{λt/τ} multiplies every step, and 32-bit numbers end at about 3·10³⁸, "
            "the squares inside the normalisation at a root of that: the state diverges."
        )


class ClockSection:
    """Both runs of a variant, each with its own mask, and what they come to together.

    Where the walk is not known yet, each verdict's place says so.
    """

    def __init__(self, name: str, variant: Variant, walk: Walk | None) -> None:
        self.name, self.task = name, variant.task
        st.subheader("Clock: settled, or switched off?", anchor=False)
        self._since = st.empty()
        self._runs = [column.columns([1, 2]) for column in st.columns(2)]
        self._words = [
            words.container(key=f"stability-words-{which}").empty()
            for which, (_, words) in zip(("running", "held"), self._runs)
        ]
        self._together = st.container(key="stability-together").empty()
        self._chart = st.container()
        if walk is None:
            self._begin(variant.clock)
            for words in (*self._words, self._together):
                words.markdown(JUDGING)
        else:
            self.tell(walk)

    def _begin(self, clock: int) -> None:
        self._since.markdown(
            "Under a clock that runs down every run comes to rest, so rest alone proves nothing. From step "
            f"{clock} on **{self.name}** is therefore run twice, and the later half of those steps is judged."
        )

    def tell(self, walk: Walk) -> None:
        """The masks and the verdicts, each in its place."""
        self._begin(walk.clock)
        for (mask, _), words, leg in zip(self._runs, self._words, (walk.clocked, walk.frozen)):
            end = len(leg)
            told = f"{leg.name}, t = {end}, F1 {leg.curves['f1'][end]:.3f}"
            shown = picture(self.task, leg, end)
            mask.image(shown, caption=told, alt=told, width=150, output_format="PNG")
            words.markdown("  \n".join(leg.sentences))
        both = "\n".join(f"- {_bold(str(it))}" for it in _together(walk))
        self._together.markdown("**Both runs together:**\n\n" + both)

    def draw(self, walk: Walk) -> list[tuple[str, go.Figure]]:
        """The chart below them."""
        figure = figures.clock_figure(self.name, walk)
        with self._chart:
            chart(figure, key="chart-clock")
            st.caption(
                "Where δ is added (E5), E3 pins ‖δ‖ near a constant whatever F finds, so no state can "
                "settle: it can only be switched off, or go on; only the mask can settle. Where the state "
                "leaks (E5'), the error ‖δ − h‖ can vanish, and a state can settle too."
            )
        return [(f"Clock: {self.name}", figure)]


def told(walks: Mapping[str, Walk], frozen: bool) -> list[str]:
    """The verdicts on the runs on show, and on both runs of each variant, as paragraphs for the export."""
    return [
        " ".join((f"{name}.", *walk.leg(frozen).sentences, "Both runs together:", *map(str, _together(walk))))
        for name, walk in walks.items()
    ]


def _together(walk: Walk) -> tuple[object, object]:
    return walk.state, walk.mask


def _bold(sentence: str) -> str:
    """With its first sentence, the verdict, in bold."""
    verdict, _, why = sentence.partition(". ")
    return f"**{verdict}.** {why}"
