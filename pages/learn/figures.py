"""The figures of the lessons: what `computed` found, as charts and pictures. Imports no streamlit."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from PIL import Image, ImageDraw
from torch import Tensor

from pages.learn.outcome import Outcome
from pages.ui.plotly_style import FEEDBACK, FEEDFORWARD, NEUTRAL, lay_out

COLOURS = (FEEDBACK, FEEDFORWARD, "#009E73", "#CC79A7")
DASHES = ("solid", "dash", "dot", "dashdot")  # told apart without colour
DOT, MINE, LAST = "the dot", "your place", "marked last"  # what may be marked in a picture
SIGNS = {DOT: "white disc:", MINE: "○", LAST: "□"}
LARGE = 240  # px: pictures are enlarged without smoothing


def chart(found: Outcome) -> go.Figure | None:
    """What is drawn of an outcome beside its pictures, if anything is."""
    return scores(found) if found.scores else curves(found) if found.lines else None


def scores(found: Outcome) -> go.Figure:
    """The scores of an outcome: a dot for each training seed, and a bar across at their mean."""
    figure = go.Figure()
    for (name, values), colour in zip(found.scores.items(), COLOURS):
        dots = {"color": colour, "size": 11, "opacity": 0.6}
        figure.add_scatter(x=[name] * len(values), y=values, name=name, mode="markers", marker=dots)
    bars = {"symbol": "line-ew", "size": 40, "line": {"width": 3, "color": NEUTRAL}}
    means = [float(np.mean(values)) for values in found.scores.values()]
    figure.add_scatter(x=list(found.scores), y=means, name="mean", mode="markers", marker=bars)
    lay_out(figure, 300, xaxis_title="a dot for each seed, a bar at their mean", yaxis_title="F1")
    figure.update_yaxes(range=[-0.05, 1.05], dtick=0.2)
    return figure


def curves(found: Outcome) -> go.Figure:
    """The lines of an outcome, by step or by what `at` says."""
    figure = go.Figure()
    for (name, values), colour, dash in zip(found.lines.items(), COLOURS, DASHES):
        at = found.at or list(range(len(values)))
        line = {"color": colour, "dash": dash, "width": 2.5}
        figure.add_scatter(x=at, y=values, name=name, mode="lines", line=line)
    lay_out(
        figure, 300, showlegend=True, legend={"orientation": "h", "y": 1.15},
        xaxis_title=found.x, yaxis_title=found.y,
    )  # fmt: skip
    values = [value for line in found.lines.values() for value in line]
    positive = [value for value in values if value > 0]
    if min(values) >= 0 and positive and max(positive) > 1e3 * min(positive):
        figure.update_yaxes(type="log", dtick=1, title_text=f"{found.y}, log scale")
    return figure


def picture(values: Tensor, signed: bool) -> Image.Image:
    """A map (H, W) in grey: from its least to its largest value, or with 0 in the middle."""
    array = np.asarray(values.detach(), dtype=float)
    if signed:
        most = max(float(np.quantile(np.abs(array), 0.995)), 1e-9)
        low, high = -most, most
    else:
        low, high = float(array.min()), max(float(array.max()), float(array.min()) + 1e-9)
    grey = (np.clip((array - low) / (high - low), 0, 1) * 255).round().astype(np.uint8)
    times = max(LARGE // max(grey.shape), 1)
    return Image.fromarray(np.kron(grey, np.ones((times, times), np.uint8)))


def marked(image: Image.Image, side: int, places: dict[str, tuple[int, int]]) -> Image.Image:
    """A picture of side × side px, enlarged, with DOT, MINE and LAST at rows and columns, by their signs."""
    found = image.convert("RGB")
    draw, one = ImageDraw.Draw(found), found.width / side
    for what, (row, column) in places.items():
        x, y, r = (column + 0.5) * one, (row + 0.5) * one, found.width / 40
        box = (x - r, y - r, x + r, y + r)
        if what == DOT:
            draw.ellipse(box, fill="white", outline="black", width=2)
            continue
        shape, colour = (draw.ellipse, FEEDFORWARD) if what == MINE else (draw.rectangle, FEEDBACK)
        shape(box, outline="white", width=5)  # seen on any ground
        shape((box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1), outline=colour, width=3)
    return found
