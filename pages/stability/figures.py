"""The Stability lab's numbers as plotly figures: pure functions that import no streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from fbseg_core.analysis.jacobian import Growth, Spectrum
from fbseg_core.analysis.lockstep import Leg, Walk
from fbseg_core.analysis.pca import Projection
from fbseg_core.analysis.probes import Response
from pages.stability.state import NAMES, StabilityState, step_shown
from pages.ui.plotly_style import NEUTRAL, lay_out

# Okabe-Ito, each at 3:1 or better on both backgrounds; the dash tells them apart without colour, too
COLOURS = dict(zip(NAMES, ("#0072B2", "#D55E00", "#009E73", "#CC79A7")))
EDGE = {"width": 1, "color": "white"}
DASHES = dict(zip(NAMES, ("solid", "dash", "dot", "dashdot")))
CURVES = {
    "norm": "‖h‖", "delta": "‖δ‖ undamped; ‖δ − h‖ where leaky", "applied": "‖δ̃‖ applied",
    "update": "‖Δh‖ / ‖h‖", "f1": "F1",
}  # fmt: skip


def of_four(view: StabilityState, legs: Mapping[str, Leg], plane: Projection) -> list[tuple[str, go.Figure]]:
    """Title and figure of the curves and the paths of the four, as the race draws them."""
    t = step_shown(view, max(1, *(len(leg) for leg in legs.values())))
    run = next(iter(legs.values())).name
    return [
        (f"Four variants in lock-step, {run}", curves_figure(legs, t, view.log)),
        (f"Paths of the state, {run}", plane_figure(plane, legs, t)),
    ]


def curves_figure(legs: Mapping[str, Leg], t: int, log: bool) -> go.Figure:
    """Five small multiples over one axis of time, a line for each variant."""
    figure = make_subplots(
        rows=len(CURVES),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.045,
        subplot_titles=list(CURVES.values()),
    )
    for row, key in enumerate(CURVES, 1):
        for name, leg in legs.items():
            values = leg.curves[key]
            figure.add_scatter(
                x=np.arange(len(values)),
                y=_gaps(values, log and key != "f1"),
                mode="lines",
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                line=line(name),
                row=row,
                col=1,
            )
        figure.update_yaxes(
            **(_decades(figure, row) if log and key != "f1" else {"nticks": 5}), row=row, col=1
        )
    figure.update_yaxes(range=[-0.05, 1.05], row=len(CURVES), col=1)
    figure.add_vline(x=t, line={"color": NEUTRAL, "width": 1})
    figure.update_xaxes(title="step t", row=len(CURVES), col=1)
    return _style(figure, 680)


def plane_figure(plane: Projection, legs: Mapping[str, Leg], t: int) -> go.Figure:
    """The paths of all variants in one plane that stays put: whole and faint, and up to step t."""
    figure = go.Figure()
    for name, leg in legs.items():
        path = plane.place(leg.sample)
        now = min(t, len(leg))
        figure.add_scatter(
            x=path[:, 0], y=path[:, 1], mode="lines", name=name, legendgroup=name,
            line=line(name) | {"width": 1}, opacity=0.5, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=path[: now + 1, 0], y=path[: now + 1, 1], mode="lines+markers", name=name, legendgroup=name,
            line=line(name), marker={"size": 4}, hovertext=[f"{name}, t = {i}" for i in range(now + 1)],
            hoverinfo="text",
        )  # fmt: skip
        figure.add_scatter(
            x=path[[now], 0], y=path[[now], 1], mode="markers", name=f"{name}, t = {now}", showlegend=False,
            legendgroup=name, hoverinfo="name",
            marker={"symbol": "diamond", "size": 13, "color": COLOURS[name], "line": EDGE},
        )  # fmt: skip
    start = plane.place(next(iter(legs.values())).sample[:1])
    figure.add_scatter(
        x=start[:, 0], y=start[:, 1], mode="markers", name="start", showlegend=False, hoverinfo="name",
        marker={"symbol": "square", "size": 10, "color": NEUTRAL},
    )  # fmt: skip
    for axis, update, share in zip("12", (figure.update_xaxes, figure.update_yaxes), plane.explained):
        update(title=f"PC{axis} ({100 * share:.1f} % of variance)", nticks=6, zeroline=False)
    return _style(figure, 380)


def clock_figure(name: str, walk: Walk) -> go.Figure:
    """What the clock allows, and what really changes: with the clock running, and held."""
    figure = go.Figure()
    for leg, dash, told in ((walk.clocked, "solid", "clock running"), (walk.frozen, "dash", "clock held")):
        t = np.arange(len(leg) + 1)
        figure.add_scatter(
            x=t, y=_gaps(leg.curves["gain"], True), mode="lines", name=f"allowed gain, {told}",
            line={"color": NEUTRAL, "width": 2, "dash": dash},
        )  # fmt: skip
        figure.add_scatter(
            x=t, y=_gaps(leg.curves["update"], True), mode="lines", name=f"‖Δh‖ / ‖h‖, {told}",
            line={"color": COLOURS[name], "width": 2.5, "dash": dash},
        )  # fmt: skip
    if walk.clock:
        figure.add_vline(x=walk.clock, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_yaxes(title="share of one step", **_decades(figure))
    figure.update_xaxes(title="step t")
    return _style(figure, 320, legend=True)


def certificate_figure(
    name: str, distance: np.ndarray, envelope: np.ndarray | None, forever: np.ndarray | None
) -> go.Figure:
    """Measured distance to the run's last state, below what is proved of it; None where nothing is."""
    figure = go.Figure()
    t = np.arange(len(distance))
    for values, told, style in (
        (forever, "proved: distance to h(∞)", {"color": NEUTRAL, "width": 1.5, "dash": "dot"}),
        (envelope, "proved: distance to h(T)", {"color": NEUTRAL, "width": 2.5}),
        (distance, "measured: ‖h(T) − h(t)‖", {"color": COLOURS[name], "width": 2.5}),
    ):
        if values is not None:
            figure.add_scatter(x=t, y=_gaps(values, True), mode="lines", name=told, line=style)
    figure.update_yaxes(title="distance", **_decades(figure))
    figure.update_xaxes(title="step t")
    return _style(figure, 320, legend=True)


def circle_figure(name: str, spectrum: Spectrum) -> go.Figure:
    """The leading eigenvalues against the unit circle; those outside it grow."""
    angle = np.linspace(0, 2 * np.pi, 200)
    values = spectrum.eigenvalues
    figure = go.Figure()
    figure.add_scatter(
        x=np.cos(angle), y=np.sin(angle), mode="lines", name="unit circle", hoverinfo="skip",
        line={"color": NEUTRAL, "width": 1.5},
    )  # fmt: skip
    if spectrum.neutral:
        figure.add_scatter(
            x=[1.0], y=[0.0], mode="markers", name="1: every direction of u", hoverinfo="name",
            marker={"symbol": "x-thin", "size": 12, "line": {"width": 2, "color": NEUTRAL}},
        )  # fmt: skip
    figure.add_scatter(
        x=values.real, y=values.imag, mode="markers", name="leading eigenvalues",
        hovertext=[f"{complex_text(value)}, |λ| = {abs(value):.4g}" for value in values], hoverinfo="text",
        marker={"size": 11, "color": COLOURS[name], "line": EDGE},
    )  # fmt: skip
    figure.update_xaxes(title="real part", nticks=7, zeroline=False)
    figure.update_yaxes(title="imaginary part", nticks=7, scaleanchor="x", zeroline=False)
    return _style(figure, 380, legend=True)


def growth_figure(name: str, growth: Growth, start: int) -> go.Figure:
    """How fast two small changes grew at each step of the clocked run."""
    figure = go.Figure()
    for rates, told, dash in zip(growth.rates, ("leading eigenvector", "random"), ("solid", "dot")):
        figure.add_scatter(
            x=start + 1 + np.arange(len(rates)), y=_gaps(rates, False), mode="lines", name=f"from: {told}",
            line={"color": COLOURS[name], "width": 2.5, "dash": dash},
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1})
    figure.update_xaxes(title="step t")
    figure.update_yaxes(title="growth rate in this step")
    return _style(figure, 380, legend=True)


def response_figure(name: str, response: Response, start: int) -> go.Figure:
    """Distance between perturbed and unperturbed run, of the state and of the mask."""
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.12,
        subplot_titles=("‖h perturbed − h‖", "share of pixels whose class differs"),
    )  # fmt: skip
    states, masks = (response.clocked, response.frozen), (response.clocked_mask, response.frozen_mask)
    for row, pair in enumerate((states, masks), 1):
        for values, told, dash in zip(pair, ("clock running", "clock held there"), ("solid", "dash")):
            figure.add_scatter(
                x=start + np.arange(len(values)), y=_gaps(values[:, 0].numpy(), False), mode="lines",
                name=told,
                legendgroup=told, showlegend=row == 1, row=row, col=1,
                line={"color": COLOURS[name], "width": 2.5, "dash": dash},
            )  # fmt: skip
    apart = torch.cat(states)
    if apart.max() > 100 * apart.min() > 0:
        figure.update_yaxes(**_decades(figure, 1), row=1, col=1)
    else:
        figure.update_yaxes(rangemode="tozero", nticks=5, row=1, col=1)
    figure.update_yaxes(rangemode="tozero", nticks=5, row=2, col=1)
    figure.update_yaxes(tickformat=".2%", row=2, col=1)
    figure.update_xaxes(title="step t", row=2, col=1)
    return _style(figure, 420, legend=True)


def complex_text(value: complex) -> str:
    """A complex number to four digits; a real one without its zero."""
    return f"{value.real:.4g}" if abs(value.imag) < 5e-5 else f"{value.real:.4g} {value.imag:+.4g}i"


def line(name: str) -> dict[str, object]:
    """How a variant is drawn everywhere."""
    return {"color": COLOURS[name], "width": 2.5, "dash": DASHES[name]}


def swatch(name: str) -> str:
    """A variant's line as a CSS background, for legends outside a chart."""
    parts = {"solid": (30,), "dash": (9, 4), "dot": (3, 3), "dashdot": (9, 3, 3, 3)}[DASHES[name]]
    stops, at = [], 0
    for i, length in enumerate(parts):
        stops.append(f"{'transparent' if i % 2 else COLOURS[name]} {at}px {at + length}px")
        at += length
    return f"repeating-linear-gradient(90deg, {', '.join(stops)})"


def _decades(figure: go.Figure, row: int | None = None) -> dict[str, object]:
    """A log axis with a tick at whole powers of ten, four at most, where the values span more than one."""
    axis = {None: "y", 1: "y"}.get(row, f"y{row}")
    values = [v for trace in figure.data if (trace.yaxis or "y") == axis for v in trace.y if v]
    span = np.log10(max(values) / min(values)) if values else 0.0
    ticks = {"dtick": float(np.ceil(span / 4))} if span > 1 else {"nticks": 4}
    return {"type": "log", "exponentformat": "power", **ticks}


def _gaps(values: np.ndarray, log: bool) -> Sequence[float | None]:
    """A gap where there is no number, or none that a log axis could show."""
    ok = np.isfinite(values) & ((values > 0) | (not log))
    return [float(value) if good else None for value, good in zip(values, ok)]


def _style(figure: go.Figure, height: int, legend: bool = False) -> go.Figure:
    lay_out(
        figure,
        height,
        76 if legend else 28,
        showlegend=legend,
        legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0, "xanchor": "left"},
        hovermode="x" if legend else "closest",
        uirevision="keep",
    )
    figure.update_annotations(font={"size": 13}, x=0, xanchor="left")
    return figure
