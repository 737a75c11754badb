"""The Few-shot lab's pictures: pure functions that import no streamlit.

Feedback is blue and solid, the feedforward baseline orange and dashed, as in the whole app; a feedforward
model of an ablation step has a colour of its own. Names stand in one legend for all charts: `legend`.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fbseg_core.analysis.paired import Difference
from fbseg_core.config import TaskConfig
from fbseg_core.scores.evaluate import Score
from pages.ui.pictures import answer_picture, input_picture, truth_picture
from pages.ui.plotly_style import FEEDBACK, FEEDFORWARD, NEUTRAL, lay_out

ABLATION_COLOURS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe-Ito
ABLATION_DASHES = ("dashdot", "dot", "longdash", "longdashdot")
MOST_POINTS = 300  # of a curve
MOST_STEPS = 6  # of a trajectory, in a strip or as curves of their own
TILE, GAP, LINE = 128, 8, 36  # px of the strip, which is drawn large; a tile's longer side
DRAWN = 0.7  # and shown smaller, so that its words are readable on a phone too
HEIGHT = 270
LEVEL_DASHES, CSS_LEVELS = ("dot", "dash"), ("dotted", "dashed")  # chance, and the task's trivial baseline


@dataclass(frozen=True)
class Shown:
    """A run as it is drawn. updates and scores: its records by update; steps: T of its trajectories.

    short: its name where there is little room.
    """

    name: str
    short: str
    recurrent: bool
    colour: str
    dash: str
    steps: int
    total: int
    updates: dict[int, dict[str, Any]] = field(default_factory=dict)
    scores: dict[int, dict[str, Any]] = field(default_factory=dict)


def spread(steps: int) -> list[int]:
    """Steps 1 … T, thinned to MOST_STEPS of them, both ends included."""
    return sorted({round(t) for t in np.linspace(1, steps, min(steps, MOST_STEPS))})


def legend(runs: Sequence[Shown], levels: Mapping[str, float]) -> str:
    """One line of HTML that names every run's line, and the levels that stand in the charts of F1."""
    items = [(run.name, run.colour, "solid" if run.recurrent else "dashed", 3) for run in runs]
    items += [(name, NEUTRAL, CSS_LEVELS[i], 2) for i, name in enumerate(levels)]
    return (
        "<div style='display:flex;flex-wrap:wrap;gap:0.15rem 1.25rem;font-size:0.875rem'>"
        + "".join(
            "<span style='display:inline-flex;align-items:center;gap:0.4rem'>"
            f"<i style='width:2rem;border-top:{width}px {style} {colour}'></i>{html.escape(name)}</span>"
            for name, colour, style, width in items
        )
        + "</div>"
    )


def loss_figure(runs: Sequence[Shown]) -> go.Figure:
    """Cross-entropy at steps t of the trajectory, update by update: the later the step, the stronger."""
    figure = go.Figure()
    for run in runs:
        updates = _thinned(run.updates)
        steps = spread(run.steps) if run.recurrent else [1]
        for i, t in enumerate(steps):
            last = i == len(steps) - 1
            figure.add_scatter(
                x=updates,
                y=[_positive(_at(run.updates[u]["losses"], t - 1)) for u in updates],
                mode="lines",
                name=f"{run.name}, t = {t}" if run.recurrent else run.name,
                line={"color": run.colour, "dash": run.dash, "width": 2.5 if last else 1.2},
                opacity=0.35 + 0.65 * (i + 1) / len(steps),
            )
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    return _style(figure, "update", "Loss at steps t = 1 … T", runs)


def f1_figure(runs: Sequence[Shown], levels: Mapping[str, float], images: int) -> go.Figure:
    """F1 on the validation images at the last step, by update; levels: what learns nothing, by name."""
    figure = go.Figure()
    _add_levels(figure, levels)
    for run in runs:
        updates = sorted(run.scores)
        figure.add_scatter(
            x=updates,
            y=[run.scores[u]["f1"][-1] for u in updates],
            mode="lines+markers",
            name=run.name,
            line={"color": run.colour, "dash": run.dash, "width": 2.5},
            marker={"size": 5},
        )
    figure.update_yaxes(range=[-0.03, 1.03])
    return _style(figure, "update", f"F1 on {images} validation images", runs)


def gradient_figure(runs: Sequence[Shown]) -> go.Figure:
    """The gradient's norm before clipping, update by update."""
    figure = go.Figure()
    for run in runs:
        updates = _thinned(run.updates)
        figure.add_scatter(
            x=updates,
            y=[_positive(run.updates[u]["grad_norm"]) for u in updates],
            mode="lines",
            name=run.name,
            line={"color": run.colour, "dash": run.dash, "width": 1.5},
        )
    figure.update_yaxes(type="log", dtick=1, exponentformat="power")
    return _style(figure, "update", "Gradient norm", runs)


def score_figure(
    scores: Sequence[tuple[Shown, Score]], levels: Mapping[str, float], limit: float | None = None
) -> go.Figure:
    """F1 on fresh images at t = 1, 2, … with the interval over images; a feedforward model has one F1.

    limit: the ideal observer's F1, a line that no model can cross.
    """
    figure = go.Figure()
    last = max(len(score.f1) for _, score in scores) - 1
    for run, score in scores:
        if run.recurrent:
            x, rows = list(range(1, len(score.f1))), range(1, len(score.f1))
        else:
            x, rows = [0.8, last + 0.2], (-1, -1)
        low, high = ([values[i] for i in rows] for values in (score.low, score.high))
        figure.add_scatter(
            x=[*x, *x[::-1]], y=[*high, *low[::-1]], mode="lines", fill="toself", hoverinfo="skip",
            line={"width": 0}, fillcolor=run.colour, opacity=0.2, name=f"{run.name}: 95 % interval",
        )  # fmt: skip
        figure.add_scatter(
            x=x, y=[score.f1[i] for i in rows], mode="lines+markers" if run.recurrent else "lines",
            name=run.name, line={"color": run.colour, "dash": run.dash, "width": 2.5},
        )  # fmt: skip
    if limit is not None:
        figure.add_hline(
            y=limit, line={"color": NEUTRAL, "width": 2}, annotation_text="ideal observer",
            annotation_position="bottom left",
        )  # fmt: skip
    _add_levels(figure, levels)
    figure.update_yaxes(range=[-0.03, 1.03])
    _style(figure, "step t in test", f"F1 on {scores[0][1].images} fresh images", [])
    figure.update_xaxes(range=[0.5, last + 0.5])
    return figure


def seeds_figure(
    feedback: Sequence[float], baseline: Sequence[float], first: int, levels: Mapping[str, float]
) -> go.Figure:
    """F1 of both models, seed by seed; a line joins the two of a seed."""
    figure = go.Figure()
    seeds = [first + i for i in range(len(feedback))]
    for seed, a, b in zip(seeds, feedback, baseline):
        figure.add_scatter(
            x=[seed, seed], y=[a, b], mode="lines", hoverinfo="skip", showlegend=False,
            line={"color": NEUTRAL, "width": 1},
        )  # fmt: skip
    for values, name, colour, symbol in (
        (feedback, "feedback", FEEDBACK, "circle"),
        (baseline, "feedforward", FEEDFORWARD, "diamond-open"),
    ):
        figure.add_scatter(
            x=seeds, y=list(values), mode="markers", name=name,
            marker={"color": colour, "symbol": symbol, "size": 11, "line": {"width": 2}},
        )  # fmt: skip
    _add_levels(figure, levels)
    figure.update_yaxes(range=[-0.03, 1.03])
    _style(figure, "seed", "F1 on 200 fresh images, by seed", [])
    figure.update_xaxes(dtick=1, range=[first - 0.5, seeds[-1] + 0.5])
    return figure


def verdict(difference: Difference) -> str:
    """Whether a difference over seeds may be called one, in a sentence. Positive is in favour of feedback."""
    what = f"Feedback minus feedforward, F1: {difference.mean:+.3f}"
    if not np.isfinite(difference.low):
        return f"{what} over {difference.k} seeds: too few to tell from seed variance; take 5 or more."
    what += f" [{difference.low:+.3f}, {difference.high:+.3f}] over {difference.k} seeds"
    if not difference.called:
        return f"{what}: the interval includes zero, so this cannot be called a difference."
    better = "feedback" if difference.mean > 0 else "feedforward"
    return f"{what}: the interval excludes zero, a difference in favour of {better}."


def strip(
    task: TaskConfig, x: Tensor, truth: Tensor, runs: Sequence[tuple[Shown, np.ndarray | None]]
) -> tuple[str, int]:
    """Test images, their truth, and each run's masks at t = 1 … T: the data URL of a PNG, and its width.

    x (N, C, H, W), truth (N, H, W); a run's masks (T, N, H, W) as `answer_picture` takes them, or None
    before its first. The picture's size does not depend on what is there yet.
    """
    font = ImageFont.load_default(LINE - 2)
    columns: list[tuple[str, list[Image.Image] | None]] = [
        ("input", [input_picture(task, one) for one in x]),
        ("truth", [truth_picture(task, labels) for labels in truth]),
    ]
    height, width = (round(TILE * side / max(task.size)) for side in task.size)
    groups = [("", NEUTRAL, 2)]
    for run, masks in runs:
        steps = spread(run.steps) if run.recurrent else [1]
        groups.append((run.short, run.colour, len(steps)))
        for t in steps:
            at = None if masks is None else masks[min(t, len(masks)) - 1]
            images = None if at is None else [answer_picture(task, one) for one in at]
            columns.append((f"t = {t}" if run.recurrent else "answer", images))
    widths = [max(width * n + GAP * (n - 1), int(font.getlength(name)) + GAP) for name, _, n in groups]
    size = (sum(widths) + 3 * GAP * (len(groups) - 1), 2 * LINE + GAP + len(x) * (height + GAP))
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    left, column = 0, iter(columns)
    for (name, colour, count), whole in zip(groups, widths):
        pen.text((left, 0), name, colour, font)
        for i in range(count):
            label, images = next(column)
            x0 = left + i * (width + GAP)
            pen.text((x0 + width / 2, LINE), label, NEUTRAL, font, "ma")
            for row in range(len(x)):
                box = (x0, 2 * LINE + GAP + row * (height + GAP))
                if images is None:
                    pen.rectangle((*box, box[0] + width - 1, box[1] + height - 1), outline=NEUTRAL)
                else:
                    picture.paste(images[row].resize((width, height), Image.Resampling.NEAREST), box)
        left += whole + 3 * GAP
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}", int(DRAWN * size[0])


def _add_levels(figure: go.Figure, levels: Mapping[str, float]) -> None:
    """A line across for each level, in the order that the legend names them."""
    for y, dash in zip(levels.values(), LEVEL_DASHES):
        figure.add_hline(y=y, line={"color": NEUTRAL, "dash": dash, "width": 2})


def _thinned(records: dict[int, Any]) -> list[int]:
    """The updates to draw, MOST_POINTS of them at most, the last one included."""
    updates = sorted(records)
    step = -(-len(updates) // MOST_POINTS) or 1
    return updates[::-1][::step][::-1]


def _at(values: Sequence[float | None], index: int) -> float | None:
    return values[index] if index < len(values) else None


def _positive(value: float | None) -> float | None:
    """Zero and what is not finite have no place on a log axis: leave a gap there."""
    return value if value is not None and value > 0 else None


def _style(figure: go.Figure, x: str, title: str, runs: Sequence[Shown]) -> go.Figure:
    head = {"text": title, "font": {"size": 14}, "x": 0, "xanchor": "left", "y": 0.98, "yanchor": "top"}
    lay_out(figure, HEIGHT, 34, title=head, uirevision="keep")
    figure.update_xaxes(title=x)
    if runs:  # frozen from the start, so that nothing moves while it learns
        figure.update_xaxes(range=[0, max(run.total for run in runs) * 1.02])
    return figure
