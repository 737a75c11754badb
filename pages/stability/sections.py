"""The Stability lab's sections on one run: what is proved of it, how it stands locally, perturbed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from fbseg_core import ConfigError
from fbseg_core.analysis.certificate import certify
from fbseg_core.analysis.jacobian import Spectrum
from fbseg_core.analysis.lockstep import Walk
from fbseg_core.analysis.probes import Response
from fbseg_core.analysis.stretch import Stretch
from fbseg_core.models.base import Contraction
from pages.stability import figures, probes
from pages.stability.probes import Local, Tell
from pages.stability.state import StabilityState, Variant
from pages.ui import controls, models, notices
from pages.ui.pace import Pace
from pages.ui.plotly_style import chart
from pages.ui.screen import Screen

T = TypeVar("T")
Figures = list[tuple[str, go.Figure]]  # title and figure, for the export


def certificate(view: StabilityState, variant: Variant, walk: Walk) -> tuple[Figures, dict[str, np.ndarray]]:
    """What is proved of the run in focus, and what it does."""
    st.subheader("Certificate: what is proved", anchor=False)
    leg = walk.leg(view.frozen)
    switches = variant.switches.replace(clock=walk.clock) if view.frozen else variant.switches
    net = models.model(variant.checkpoint)[0]
    proof = certify(net, variant.task.size, switches)
    distance, bounds = leg.curves["to_end"], {}
    if proof.holds:
        end = len(leg)
        envelope = proof.envelope(0, end, float(leg.curves["norm"].max())).numpy()
        forever = np.array([proof.bound(t) for t in range(end + 1)])
        bounds = {
            f"{view.focus}: bound on to_end": envelope,
            f"{view.focus}: bound on distance to h(∞)": forever,
        }
        st.success(f"**It holds, {leg.name}.** {proof.reason} R = {proof.radius:.4g}.")
        st.markdown(f"**Proves:** {proof.proves}  \n**Does not prove:** {proof.does_not_prove}")
        if "drifting" in (walk.clocked.state.name, walk.frozen.state.name):
            st.markdown(told_of_drifting(walk, forever[-1]))
    else:
        envelope = forever = None
        st.warning(
            f"**Withdrawn, {leg.name}.** {proof.reason} Nothing is proved of this run; only what it did is "
            "drawn."
        )
    st.caption("Conditions: the decay is on and its clock runs, δ is normalised (E3), and q = e^(λ/τ) < 1.")
    st.markdown(told_of_contraction(net.contraction(switches)))
    figure = figures.certificate_figure(view.focus, distance, envelope, forever)
    chart(figure, key="chart-certificate")
    return [(f"Certificate: {view.focus}, {leg.name}", figure)], bounds


def told_of_contraction(found: Contraction) -> str:
    """Whether any two states of one image are proved to come together, and how fast."""
    if not found.holds:
        return f"**Contraction: nothing is proved.** {found.reason}"
    return (
        f"**Contracts for every image: by at least a factor {found.factor:.4g} a step**, whatever the image, "
        f"its size and the state. {found.reason} So there is one state of rest, every start is led to it, "
        f"and a perturbation is forgotten. Distances are max(max|v|, {found.weight:.3g}·max|u|) over pixels "
        "and channels. Not proved: that the mask there is right."
    )


def told_of_drifting(walk: Walk, left: float) -> str:
    """Why a state may be called drifting and yet be proved to converge. left: its bound at the end."""
    if walk.clocked.state.name == "drifting":
        return (
            f"“{walk.clocked.state.label.capitalize()}” is said of this run's judged steps, in which "
            f"it still moved. The proof is about all steps to come: past t = {len(walk.clocked)} they move "
            f"it by {left:.3g} at most, against a length ‖h‖ of {walk.clocked.curves['norm'][-1]:.4g}. "
            f"Nothing is proved of the run with the {walk.frozen.name}."
        )
    return (
        "“Drifting” above is said of another run: the proof is about the run with the clock running, and the "
        f"state drifts with the {walk.frozen.name}, of which nothing is proved."
    )


def with_progress(
    screen: Screen[StabilityState], flag: str, label: str, ask: Callable[[Tell | None], T | None], why: str
) -> T | None:
    """What `ask` gives: at once if it is there already, else on a button, with progress and a way to stop."""
    asked = getattr(screen.view, flag)
    place, bar = st.empty(), st.empty()
    try:
        found = ask(None)
        if found is None and asked:
            stop = {"on_click": screen.change, "kwargs": {flag: False}, "key": f"stability-stop-{flag}"}
            place.button("Stop", **stop)
            pace = Pace()
            found = ask(lambda share, what: bar.progress(share, what + pace.left(share)))
    except ConfigError as error:
        notices.noted(str(error), place)
        return None
    bar.empty()
    place.empty()
    if found is None or not asked:
        place.button(
            label, on_click=screen.change, kwargs={flag: True}, key=f"stability-ask-{flag}", help=why
        )
        return None
    return found


def local_stability(screen: Screen[StabilityState], variant: Variant) -> tuple[Figures, Local | None]:
    """Eigenvalues and growth rates, on a button."""
    view = screen.view
    st.subheader("Local stability", anchor=False)
    controls.slider(screen, "at", "State at step t, for this section and the next", view.at)
    found = with_progress(
        screen, "local", "Compute eigenvalues and growth rates",
        lambda tell: probes.local_of(variant, view.at, tell),
        f"Up to {probes.MOST + 2 * probes.GROWTH_STEPS} Jacobian-vector products; the "
        "time left is told once they are under way.",
    )  # fmt: skip
    if found is None:
        return [], None
    spectrum, growth = found.spectrum, found.growth
    left, right = st.columns(2)
    circle = figures.circle_figure(view.focus, spectrum)
    rates = figures.growth_figure(view.focus, growth, view.at)
    with left:
        values = "; ".join(figures.complex_text(value) for value in spectrum.eigenvalues) or "none"
        worst = max(spectrum.residuals, default=0.0)
        check = (
            "converged" if spectrum.converged else f"not converged ({spectrum.stopped or 'large residuals'})"
        )
        st.markdown(
            f"**∂h(t+1)/∂h(t) with the clock held at t = {view.at}**: spectral radius {spectrum.radius:.4g}. "
            f"Leading: {values}. {check.capitalize()}: largest relative residual {worst:.1e}, "
            f"{spectrum.products} products."
        )
        chart(circle, key="chart-circle")
        neutral = (
            f"Another {spectrum.neutral:,} directions, those of u, have eigenvalue 1 exactly. "
            if spectrum.neutral
            else ""
        )
        st.caption(
            f"{neutral}Outside the circle small changes at this state grow while the clock is held; nothing "
            "is said of large ones."
        )
    with right:
        first, second = growth.halves
        check = "Converged" if growth.converged else "Not converged: directions or halves disagree"
        st.markdown(
            f"**Finite-time Lyapunov exponent, clock running**, {growth.rates.shape[1]} steps from "
            f"t = {view.at}: {growth.exponent:+.4g} a step. {check}; "
            f"first half {first:+.3g}, second {second:+.3g}."
            + (f" It ended early: {growth.stopped}." if growth.stopped else "")
        )
        chart(rates, key="chart-growth")
        st.caption("With the clock running it tends to 0 in the end, by the clock's doing and not by F's.")
    if found.stretch is not None:
        proved = models.model(variant.checkpoint)[0].contraction(variant.switches.replace(clock=view.at))
        st.markdown(told_of_stretch(spectrum, found.stretch, proved))
    return [("Leading eigenvalues", circle), ("Growth of small changes", rates)], found


def told_of_stretch(spectrum: Spectrum, found: Stretch, proved: Contraction) -> str:
    """Whether the map of a state that leaks contracts there: what is measured, and what is proved of it."""
    factors = "; ".join(
        f"{span} step{'s' * (span > 1)} {float(factor):.3g}"
        for span, factor in zip(found.spans, found.factors.amax(1))
    )
    text = (
        f"**Largest stretch of a small change**, of {found.factors.shape[1]} states up to "
        f"{found.distance:.0%} apart: {factors}. "
    )
    span = found.contracts_after
    if proved.holds:
        text += (
            "That is measured, by the root of summed squares. Proved is a bound on the largest change at any "
            f"pixel: with the clock held it shrinks by at least a factor {proved.factor:.4g} in every step."
        )
    elif span is not None:
        text += (
            f"Over {span} step{'s' * (span > 1)} every change shrinks at each of them. That is measured, not "
            "proved: the norms have no largest slope, so no bound is known that holds for every state."
        )
    elif spectrum.converged and spectrum.radius < 1:
        text += (
            "Some change grows over each of these spans before it shrinks: by the eigenvalues all die out in "
            "the end, but no contraction is shown."
        )
    else:
        text += "No contraction is shown: nothing is proved of this state."
    return text


def perturbation_test(screen: Screen[StabilityState], variant: Variant) -> tuple[Figures, Response | None]:
    """Perturb the state, and see whether it comes back."""
    view = screen.view
    st.subheader("Perturbation", anchor=False)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        controls.slider(screen, "size", "Size of the perturbation", view.size)
    with right:
        controls.choice(screen, "direction", "Direction", view.direction, ("random", "leading eigenvector"))
    leading = view.direction != "random"
    found = with_progress(
        screen, "perturb", f"Perturb at t = {view.at}",
        lambda tell: probes.response_of(variant, view.at, view.size, leading, tell),
        "Runs the variant in focus four times: perturbed and not, clock running and held.",
    )  # fmt: skip
    if found is None:
        return [], None
    told = []
    for apart, how in ((found.clocked, "clock running"), (found.frozen, "clock held there")):
        left_over = float(apart[-1, 0] / apart[0, 0])
        share = f"{left_over:.1%}" if left_over < 10 else f"{left_over:.3g} times the length"
        told.append(f"{how}, {share} of the perturbation is left after {len(apart) - 1} steps")
    st.markdown("; ".join(told).capitalize() + ".")
    figure = figures.response_figure(view.focus, found, view.at)
    chart(figure, key="chart-response")
    return [(f"Perturbed at t = {view.at}: {view.focus}", figure)], found
