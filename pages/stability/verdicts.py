"""What the Stability lab says of its runs: the table of those on show, and a variant's two compared."""

from __future__ import annotations

import html
from collections.abc import Mapping

import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from fbseg_core.analysis.describe import meaning
from fbseg_core.analysis.lockstep import Leg, Walk
from fbseg_core.config import TaskConfig
from pages.stability import figures
from pages.ui import pictures
from pages.ui.plotly_style import chart


def table(legs: Mapping[str, Leg], t: int) -> None:
    """The legend of all charts: what each run on show comes to, and the words of its verdicts."""
    rows, labels = [], []
    for name, leg in legs.items():
        mark = f'<span class="mark" style="background-image: {figures.swatch(name)}"></span>'
        now = min(t, len(leg))
        score = f"{leg.curves['f1'][now]:.3f}" + f" (at its end, {now})" * (now < t)
        cells = (name, leg.state.label, leg.mask.label, score)
        labels += [leg.state.label, leg.mask.label]
        rows.append(
            f"<tr><td>{mark}</td>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"
        )
    run = next(iter(legs.values())).name
    heads = "".join(f"<th>{head}</th>" for head in ("", "variant", "state", "mask", f"F1 at t = {t}"))
    st.html(
        f'<table class="verdicts"><caption>On show: the four runs with the <b>{run}</b></caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
    st.caption("; ".join(f"*{label}*: {meaning(label)}" for label in dict.fromkeys(labels)) + ".")


def picture(task: TaskConfig, leg: Leg, t: int) -> Image.Image:
    """The answer of a run at step t."""
    return pictures.answer_picture(task, (leg.shape if pictures.of_two(task) else leg.masks)[t])


def clock(name: str, task: TaskConfig, walk: Walk) -> list[tuple[str, go.Figure]]:
    """Both runs of a variant, each with its own mask, and what they come to together."""
    st.subheader("Clock: settled, or switched off?", anchor=False)
    st.markdown(
        f"Under a clock that runs down every run comes to rest, so rest alone proves nothing. From step "
        f"{walk.clock} on **{name}** is therefore run twice, and the later half of those steps is judged."
    )
    for column, leg in zip(st.columns(2), (walk.clocked, walk.frozen)):
        with column:
            _run(task, leg)
    st.markdown("**Both runs together:**\n\n" + "\n".join(f"- {_bold(str(it))}" for it in _together(walk)))
    figure = figures.clock_figure(name, walk)
    chart(figure, key="chart-clock")
    st.caption(
        "Where δ is added (E5), E3 pins ‖δ‖ near a constant whatever F finds, so no state can settle: it can "
        "only be switched off, or go on; only the mask can settle. Where the state leaks (E5'), the error "
        "‖δ − h‖ can vanish, and a state can settle too."
    )
    return [(f"Clock: {name}", figure)]


def told(walks: Mapping[str, Walk], frozen: bool) -> list[str]:
    """The verdicts on the runs on show, and on both runs of each variant, as paragraphs for the export."""
    return [
        " ".join((f"{name}.", *walk.leg(frozen).sentences, "Both runs together:", *map(str, _together(walk))))
        for name, walk in walks.items()
    ]


def _run(task: TaskConfig, leg: Leg) -> None:
    mask, words = st.columns([1, 2])
    end = len(leg)
    told = f"{leg.name}, t = {end}, F1 {leg.curves['f1'][end]:.3f}"
    mask.image(picture(task, leg, end), caption=told, alt=told, width=150, output_format="PNG")
    words.markdown("  \n".join(leg.sentences))


def _together(walk: Walk) -> tuple[object, object]:
    return walk.state, walk.mask


def _bold(sentence: str) -> str:
    """With its first sentence, the verdict, in bold."""
    verdict, _, why = sentence.partition(". ")
    return f"**{verdict}.** {why}"
