"""What a visitor can take along from the Stability lab: curves, figures, code."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from fbseg_core.analysis.lockstep import Walk
from fbseg_core.analysis.pca import Projection
from fbseg_core.analysis.probes import Response
from fbseg_core.config import Switches
from pages.stability.probes import GROWTH_STEPS, Local
from pages.stability.state import StabilityState, Variant
from pages.ui import own_models
from pages.ui.code import INSTALL
from pages.ui.models import own_title
from pages.ui.screen import Screen
from pages.ui.tables import csv_of


def table(walks: Mapping[str, Walk], plane: Projection, bounds: Mapping[str, np.ndarray]) -> str:
    """Every curve over time as CSV, a row for each variant, clock and step, with the verdicts on its run.

    The focused variant's clocked rows also hold `bounds`, what its certificate proves.
    """
    rows = []
    for name, walk in walks.items():
        for leg in (walk.clocked, walk.frozen):
            path = plane.place(leg.sample)
            verdicts = {"state": leg.state.label, "mask": leg.mask.label}
            for t in range(len(leg) + 1):
                row = {"variant": name, "clock": leg.name.removeprefix("clock ")} | verdicts | {"t": t}
                row |= {key: float(values[t]) for key, values in leg.curves.items()}
                row |= {"pc1": path[t, 0], "pc2": path[t, 1]}
                if leg is walk.clocked:
                    row |= {key: values[t] for key, values in bounds.items() if key.startswith(f"{name}: ")}
                rows.append(row)
    return _table(rows)


def local_table(found: Local, start: int) -> str:
    """Eigenvalues and growth rates as CSV."""
    spectrum, growth = found.spectrum, found.growth
    rows = [
        {"what": "eigenvalue", "index": i, "real": value.real, "imaginary": value.imag, "residual": residual}
        for i, (value, residual) in enumerate(zip(spectrum.eigenvalues, spectrum.residuals), 1)
    ]
    for which, rates in zip(("from the leading eigenvector", "from a random direction"), growth.rates):
        rows += [
            {"what": f"growth rate, {which}", "index": start + i, "real": rate}
            for i, rate in enumerate(rates, 1)
        ]
    return _table(rows)


def response_table(response: Response, start: int) -> str:
    """The distances to the unperturbed runs as CSV, a row a step."""
    columns = {
        key: getattr(response, key)[:, 0].numpy()
        for key in ("clocked", "frozen", "clocked_mask", "frozen_mask")
    }
    return csv_of({"t": range(start, start + max(map(len, columns.values())))} | columns)


def _table(rows: Sequence[dict[str, Any]]) -> str:
    names = dict.fromkeys(name for row in rows for name in row)
    return csv_of({name: [row.get(name) for row in rows] for name in names})


def page_of(figures: Sequence[tuple[str, go.Figure]], address: str, told: Sequence[str] = ()) -> str:
    """All figures on one HTML page that needs no network, below the paragraphs of `told`."""
    parts = [
        f"<h2>{title}</h2>"
        + go.Figure(figure)
        .update_layout(showlegend=True, paper_bgcolor="white", margin={"t": 60})
        .to_html(full_html=False, include_plotlyjs=not i)
        for i, (title, figure) in enumerate(figures)
    ]
    link = f'<p><a href="{address.replace("&", "&amp;")}">This view in the explorer</a></p>'
    words = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in told)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Stability lab</title>"
        f"<body style='font-family:sans-serif;max-width:60rem;margin:auto'>"
        f"{link}{words}{''.join(parts)}</body></html>"
    )


def snippet(view: StabilityState, variants: Mapping[str, Variant], title: str = "") -> str:
    """Python code that computes the same numbers with `fbseg_core` alone.

    title: of a model that is named by a mere file.
    """
    first = next(iter(variants.values()))
    chosen = variants[view.focus]
    ways = [
        f"    {name!r}: ({own_models.loadable(v.checkpoint)!r}, {_switches(v.switches)}),"
        for name, v in variants.items()
    ]
    probes = view.local or view.perturb
    lines = [
        INSTALL,
        "from fbseg_core import Switches, load",
        *["from fbseg_core.analysis.jacobian import leading_eigenvalues, lyapunov"]
        * (view.local or _leads(view)),
        f"from fbseg_core.analysis.lockstep import {'state_at, ' * probes}walk",
        *["from fbseg_core.analysis.probes import response"] * view.perturb,
        "from fbseg_core.tasks import draw",
        "",
        *[f"# The file: {title}"] * bool(title),
        "ways = {",
        *ways,
        "}",
        "for name, (checkpoint, switches) in ways.items():",
        "    model, card = load(checkpoint)",
        f"    batch = draw(card.task.replace(sigma={first.task.sigma!r}), {first.image}, {first.noise})",
        f"    found = walk(model, batch, steps={first.steps}, clock={first.clock}, switches=switches)",
        f"    run = found.{'frozen' if view.frozen else 'clocked'}",
        '    last = {key: float(f"{values[-1]:.6g}") for key, values in run.curves.items()}',
        "    print(name, len(run), last)",
        '    print(*run.sentences, found.state, found.mask, sep="\\n")',
    ]
    if probes:
        lines += [
            "",
            f"checkpoint, switches = ways[{view.focus!r}]",
            "model, card = load(checkpoint)",
            f"batch = draw(card.task.replace(sigma={chosen.task.sigma!r}), {chosen.image}, {chosen.noise})",
            f"state = state_at(model, batch, {view.at}, switches)",
        ]
    if view.local or _leads(view):
        lines += ["spectrum = leading_eigenvalues(model, batch.x, state, 4, switches)"]
    if view.local:
        lines += [
            "way = spectrum.direction",
            f"growth = lyapunov(model, batch.x, state, {GROWTH_STEPS}, switches, direction=way)",
            "print(spectrum.eigenvalues, growth.exponent)",
        ]
    if view.perturb:
        direction = ", direction=spectrum.direction" * _leads(view)
        lines += [
            f"size = {view.size!r} * float(state.h.norm())",
            f"found = response(model, batch.x, state, size, {chosen.steps}, switches{direction})",
            "print(float(found.clocked[-1, 0]), float(found.frozen[-1, 0]))",
        ]
    return "\n".join(lines) + "\n"


def _leads(view: StabilityState) -> bool:
    return view.perturb and view.direction != "random"


def _switches(switches: Switches) -> str:
    values = switches.changed().items()
    return f"Switches({', '.join(f'{key}={tuple(v) if isinstance(v, list) else v!r}' for key, v in values)})"


def show(
    screen: Screen[StabilityState],
    variants: Mapping[str, Variant],
    files: Sequence[tuple[str, str, Callable[[], str]]],
) -> None:
    """The box at the end of the screen, filled once it is opened. `files`: label, ending, and what makes it
    when it is asked for."""
    view = screen.view
    box = st.expander("Take it along: curves, figures, code, link", key="stability-files", on_change="rerun")
    if not box.open:
        return
    with box:
        with st.container(horizontal=True):
            for label, ending, make in files:
                name = f"stability-{view.mode}-image{view.image}-{ending}"
                kind = "text/html" if ending.endswith("html") else "text/csv"
                st.download_button(label, make, name, kind, key=f"stability-{ending}", on_click="ignore")
        st.markdown("**The same numbers in Python:**")
        code = snippet(view, variants, own_title(variants[view.focus].checkpoint))
        st.code(code, language="python")
        st.markdown("**Link** to this very view:")
        st.code(screen.address(), language=None, wrap_lines=True)
