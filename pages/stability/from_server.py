"""The four runs for a browser that cannot run them itself: masks and charts of one step, made here."""

from __future__ import annotations

import time
from collections.abc import Mapping

import streamlit as st

from fbseg_core.analysis.lockstep import Leg, Walk
from pages.stability import computed, figures, verdicts
from pages.stability.state import NAMES, StabilityState, Variant, step_shown
from pages.ui import controls, pictures
from pages.ui.plotly_style import chart
from pages.ui.screen import Screen

PATIENCE = 0.3  # seconds without a bar


def show(screen: Screen[StabilityState], variants: Mapping[str, Variant]) -> None:
    """The pictures and charts of one step."""
    view = screen.view
    legs = {name: walk.leg(view.frozen) for name, walk in _walks(variants).items()}
    drawn = figures.of_four(view, legs, computed.plane_shown(view, variants))
    last = max(1, *(len(leg) for leg in legs.values()))
    t = step_shown(view, last)
    key = screen.bind("t", t, among=last)
    told = controls.help_of(screen, "t")
    st.slider("Step t on show", 0, last, key=key, help=told, on_change=screen.take, args=("t", last))
    _masks(variants, legs, t)
    controls.toggle(screen, "log", "Logarithmic axes", view.log)
    for column, (_, figure), name in zip(st.columns([3, 2]), drawn, ("curves", "plane")):
        with column:
            chart(figure, key=f"chart-{name}")


def _masks(variants: Mapping[str, Variant], legs: Mapping[str, Leg], t: int) -> None:
    """Input, truth, and the four answers of the runs on show at step t."""
    batch = computed.batch_of(variants[NAMES[0]])
    task = variants[NAMES[0]].task
    shown = [
        ("input", pictures.input_picture(task, batch.x[0])),
        ("truth", pictures.truth_picture(task, batch.labels[0])),
    ]
    for name, leg in legs.items():
        now = min(t, len(leg))
        shown.append((f"{name}, t = {now}", verdicts.picture(task, leg, now)))
    with st.container(horizontal=True, gap="small"):
        for title, picture in shown:
            with st.container(width=150):
                st.image(picture, caption=title, alt=title, width="stretch", output_format="PNG")


def _walks(variants: Mapping[str, Variant]) -> dict[str, Walk]:
    """The four runs, one after the other, with progress where they take long; a new choice interrupts."""
    place, begun, walks = st.empty(), time.monotonic(), {}
    for name, variant in variants.items():
        if time.monotonic() - begun > PATIENCE:
            place.progress(
                len(walks) / len(variants), f"Running {name}: {len(walks)} of {len(variants)} done"
            )
        walks[name] = computed.walk_of(variant)
    place.empty()
    return walks
