"""The Evidence page's pictures: pure functions that import no streamlit."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import plotly.graph_objects as go

from fbseg_core.experiments.records import Finding, Listed, Panel, Row, Series
from pages.ui.plotly_style import FEEDBACK, FEEDFORWARD, NEUTRAL, lay_out

LOOP_CUT = "#CC79A7"
OTHERS = ("#009E73", "#E69F00", "#56B4E9", "#A6761D", "#8C6BB1")
STYLES = {  # kind -> colour, dash, symbol; "other" takes the next of OTHERS
    "feedback": (FEEDBACK, "solid", "circle"),
    "feedforward": (FEEDFORWARD, "dash", "diamond"),
    "loop cut": (LOOP_CUT, "longdash", "square"),
    "limit": (NEUTRAL, "longdashdot", "line-ew-open"),
    "chance": (NEUTRAL, "dot", "line-ew-open"),
    "trivial": (NEUTRAL, "dash", "line-ew-open"),
}
OTHER_DASHES, OTHER_SYMBOLS = ("dashdot", "longdashdot", "dot"), ("cross", "x", "triangle-up")
CSS_DASHES = {"solid": "solid", "dot": "dotted"}  # all others are dashed
GLYPHS = {"circle": "●", "diamond": "◆", "square": "■", "cross": "✚", "x": "✖", "triangle-up": "▲"}
LEVELS = ("chance", "trivial", "limit")  # kinds that have no points of their own
MOST_BARS = 12  # points of a line up to which each has a bar of its own; more get a band
HEIGHT = 340
FEW_DECADES = 3.0  # of a log axis, up to which more than whole powers are written on it
COLOURS = {  # verdict -> the colour of its badge
    "reproduced": "#2E8B57",
    "partly": "#C77F0A",
    "not reproduced": "#C0392B",
    "explained by": "#7A5BB5",
    "undecided": NEUTRAL,
    "measured": NEUTRAL,
    "": NEUTRAL,
}


def styles(panel: Panel) -> list[tuple[str, str, str]]:
    """Colour, dash and symbol of each line of a panel; no two lines are drawn alike."""
    found, used = [], set()
    for series in panel.series:
        style = STYLES.get(series.kind)
        if style is None or style in used:
            i = sum(one not in STYLES.values() for one in found)
            style = OTHERS[i % 5], OTHER_DASHES[i % 3], OTHER_SYMBOLS[i % 3]
        used.add(style)
        found.append(style)
    return found


def connected(panel: Panel, series: Series) -> bool:
    """Whether its points are joined by a line. Between conditions that are named there is nothing to read
    off; a level is a line wherever it stands."""
    return series.kind in LEVELS or not any(_is_name(x) for each in panel.series for x in each.x)


def _is_name(x: float | str) -> bool:
    return isinstance(x, str) and not x.replace(".", "", 1).isdigit()


def legend(panel: Panel) -> str:
    """The names of a panel's lines and points, as HTML."""
    parts = []
    for series, (colour, dash, symbol) in zip(panel.series, styles(panel)):
        if connected(panel, series):
            mark = f"<i style='border-top: 3px {CSS_DASHES.get(dash, 'dashed')} {colour}'></i>"
        else:
            mark = f"<b style='color: {colour}'>{GLYPHS[symbol]}</b>"
        parts.append(f"<span>{mark}{html.escape(series.name)}</span>")
    return f'<div class="legend">{"".join(parts)}</div>'


def listed(finding: Finding) -> str:
    """The points of a finding as a list in Markdown; where one has several items, as a list below it."""
    lines = []
    for point in finding.points:
        if isinstance(point, Listed) and len(point.items) > 1:
            lines += [f"- {point.of}:", *(f"    - {item}" for item in point.items)]
        else:
            lines.append(f"- {point}")
    return "\n".join(lines)


def badge(finding: Finding | None) -> str:
    """The verdict as HTML."""
    word = finding.word if finding else ""
    text = html.escape(finding.verdict if finding else "no result here")
    return f'<span class="verdict" style="border-color: {COLOURS[word]}">{text}</span>'


def machines(rows: Sequence[Row]) -> list[str]:
    """What the rows were made on, with which Python and torch: each that there is."""
    texts = (
        f"{row.made['machine']}, with Python {row.made['python']} and torch {row.made['torch']}"
        for row in rows
    )
    return list(dict.fromkeys(texts))


def panel_figure(panel: Panel) -> go.Figure:
    """The lines of a panel with their intervals: bars, or bands where a line has many points."""
    figure = go.Figure()
    lines = list(zip(panel.series, styles(panel)))
    for series, style in sorted(lines, key=lambda line: line[0].kind in ("feedback", "feedforward")):
        _add(figure, panel, series, style)
    labels = [x for series in panel.series for x in series.x]
    if any(isinstance(x, str) for x in labels):
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=list(dict.fromkeys(labels)))
    if any(_is_name(x) for x in labels):  # points of one condition that are level would cover one another
        figure.update_layout(scattermode="group", scattergap=0.6)
    lay_out(figure, HEIGHT, hoverlabel={"namelength": -1})
    figure.update_xaxes(title=panel.x)
    figure.update_yaxes(title=panel.y)
    if panel.y.endswith("F1"):
        figure.update_yaxes(range=[-0.03, 1.03])
    for letter, update in (("x", figure.update_xaxes), ("y", figure.update_yaxes)):
        if letter in panel.logs:
            values = [v for trace in figure.data for v in trace[letter] if v > 0]
            update(type="log", exponentformat="power", **_log_ticks(values))
    return figure


def _log_ticks(values: Sequence[float]) -> dict[str, object]:
    """Ticks at 1, 2 and 5 of each decade, written in full; over many decades at whole powers alone."""
    if not values:
        return {}
    low, high = (math.log10(end) for end in (min(values), max(values)))
    if high - low > FEW_DECADES:
        return {"dtick": math.ceil((high - low) / 6)}
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks = [step * 10.0**power for power in decades for step in (1, 2, 5)]
    return {"tickvals": ticks, "ticktext": [f"{tick:,.10g}" for tick in ticks]}


def _add(figure: go.Figure, panel: Panel, series: Series, style: tuple[str, str, str]) -> None:
    colour, dash, symbol = style
    log = "y" in panel.logs
    kept = [(x, y) for x, y in zip(series.x, series.y) if math.isfinite(y.mean) and not (log and y.mean <= 0)]
    x, y = [x for x, _ in kept], [y for _, y in kept]
    mean = [one.mean for one in y]
    # an interval that is not known, or that no log axis can show, is left out
    low = [one.low if math.isfinite(one.low) and not (log and one.low <= 0) else one.mean for one in y]
    high = [one.high if math.isfinite(one.high) else one.mean for one in y]
    spread = any(a != b for a, b in zip(low, high))
    band = spread and len(kept) > MOST_BARS
    if band:
        figure.add_scatter(
            x=[*x, *x[::-1]], y=[*high, *low[::-1]], mode="lines", fill="toself", fillcolor=colour,
            opacity=0.2, line={"width": 0}, hoverinfo="skip", name=f"{series.name}, interval",
        )  # fmt: skip
    drawn = "lines+markers" if connected(panel, series) else "markers"
    if series.kind in LEVELS or len(kept) > MOST_BARS:
        drawn = "lines"
    bars = {
        "type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
        "array": [b - m for b, m in zip(high, mean)], "arrayminus": [m - a for a, m in zip(low, mean)],
    }  # fmt: skip
    figure.add_scatter(
        x=x, y=mean, mode=drawn, name=series.name, line={"color": colour, "dash": dash, "width": 2.5},
        marker={"symbol": symbol, "size": 8}, error_y=bars if spread and not band else None,
        customdata=[_interval(one) for one in y], hovertemplate="%{y:.3g} %{customdata}",
    )  # fmt: skip


def _interval(one) -> str:
    known = math.isfinite(one.low) and one.low != one.high
    return f"[{one.low:.3g}, {one.high:.3g}]" if known else ""
