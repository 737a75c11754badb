"""Core objects to pictures and plotly figures: pure functions that import no streamlit."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.colors import convert_colors_to_same_type, sample_colorscale, unlabel_rgb
from torch import Tensor

from fbseg_core.analysis.pca import Projection

FEEDBACK, FEEDFORWARD, NEUTRAL = "#0072B2", "#D55E00", "#7f8c99"  # Okabe-Ito: safe for colour-blind eyes
UPSCALED = 384  # px: images are enlarged without smoothing, so that a pixel stays a pixel
SCALE = "Cividis"
_LUT = np.array(
    [unlabel_rgb(c) for c in convert_colors_to_same_type(sample_colorscale(SCALE, np.linspace(0, 1, 256)))[0]]
).astype(np.uint8)


def probability_image(values: Tensor | np.ndarray) -> Image.Image:
    """A map (H, W) of values in [0, 1] on the fixed colour scale."""
    index = (np.clip(np.asarray(values, dtype=float), 0, 1) * 255).round().astype(np.uint8)
    return _enlarge(_LUT[index])


def input_image(x: Tensor, cue: Tensor | None = None) -> Image.Image:
    """An image (C, H, W) as grey (1 channel) or colour (3), stretched to its own range; the cue in red."""
    x = x if len(x) in (1, 3) else x[:1]
    lo, hi = float(x.min()), float(x.max())
    grey = ((x - lo) / max(hi - lo, 1e-6) * 255).round().byte().permute(1, 2, 0).numpy()
    colour = np.repeat(grey, 3 // grey.shape[2], 2)
    if cue is not None:
        row, column = np.unravel_index(int(cue.argmax()), cue.shape)
        for r, c in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)):
            if 0 <= row + r < cue.shape[0] and 0 <= column + c < cue.shape[1]:
                colour[row + r, column + c] = (230, 30, 60)
    return _enlarge(colour)


def scale_image() -> Image.Image:
    """The fixed colour scale from 0 to 1, as a strip."""
    return Image.fromarray(np.repeat(_LUT[None], 12, 0))


def icon() -> Image.Image:
    """The app's icon: a spot on the colour scale, drawn here so that no browser must fetch one."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    return probability_image(np.exp(-3 * (x * x + y * y)))


def pca_figure(plane: Projection, t: int) -> go.Figure:
    """The path up to step t over the whole path, faint, in its own frozen plane."""
    points = plane.points
    figure = go.Figure()
    figure.add_scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="lines+markers",
        name="whole run",
        line={"color": NEUTRAL, "width": 1},
        marker={"size": 4},
        opacity=0.5,
        hovertext=[f"step {i}" for i in range(len(points))],
        hoverinfo="text",
    )
    figure.add_scatter(
        x=points[: t + 1, 0],
        y=points[: t + 1, 1],
        mode="lines+markers",
        name="so far",
        line={"color": FEEDBACK, "width": 3},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=points[[0], 0],
        y=points[[0], 1],
        mode="markers",
        name="start",
        marker={"symbol": "square", "size": 11, "color": NEUTRAL},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=points[[t], 0],
        y=points[[t], 1],
        mode="markers",
        name=f"t = {t}",
        marker={"symbol": "diamond", "size": 14, "color": FEEDBACK, "line": {"width": 1, "color": "white"}},
        hoverinfo="skip",
    )
    share = [f"PC{i + 1} ({100 * value:.1f} % of variance)" for i, value in enumerate(plane.explained)]
    # Frozen axes: they span the whole run, so that stepping moves the point and not the plane.
    return _style(figure, share[0], share[1])


def score_figure(
    f1: np.ndarray, feedforward: float, chance: float, t: int, names: tuple[str, str]
) -> go.Figure:
    """F1 of one image over time, with the feedforward model's and the better constant answer's."""
    steps = np.arange(len(f1))
    figure = go.Figure()
    figure.add_scatter(
        x=steps, y=f1, mode="lines+markers", name=names[0], line={"color": FEEDBACK, "width": 3}
    )
    for value, name, colour, dash in (
        (feedforward, names[1], FEEDFORWARD, "dash"),
        (chance, "chance", NEUTRAL, "dot"),
    ):
        figure.add_scatter(
            x=steps[[0, -1]],
            y=[value, value],
            mode="lines",
            name=name,
            line={"color": colour, "dash": dash, "width": 2},
        )
    figure.add_vline(x=t, line={"color": NEUTRAL, "width": 1})
    figure.update_yaxes(range=[-0.02, 1.02])
    return _style(figure, "step t", "F1 of this image")


def update_figure(residual: np.ndarray, update: np.ndarray, t: int) -> go.Figure:
    """‖δ‖ undamped, what F would still change, beside ‖δ̃‖, what the decay lets through, on a log axis."""
    steps = np.arange(len(residual))
    figure = go.Figure()
    figure.add_scatter(
        x=steps,
        y=_positive(residual),
        mode="lines+markers",
        name="‖δ‖ undamped",
        line={"color": FEEDBACK, "width": 2},
        marker={"symbol": "circle-open", "size": 8},
    )
    figure.add_scatter(
        x=steps,
        y=_positive(update),
        mode="lines+markers",
        name="‖δ̃‖ applied",
        line={"color": FEEDBACK, "width": 2, "dash": "dot"},
    )
    figure.add_vline(x=t, line={"color": NEUTRAL, "width": 1})
    figure.update_yaxes(type="log", exponentformat="power", dtick=1)
    return _style(figure, "step t", "norm")


def _positive(values: np.ndarray) -> list[float | None]:
    """Zero has no place on a log axis: leave a gap there."""
    return [float(value) if value > 0 else None for value in values]


def _style(figure: go.Figure, x: str, y: str) -> go.Figure:
    figure.update_layout(
        height=300,
        margin={"l": 10, "r": 10, "t": 34, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        uirevision="keep",
    )
    figure.update_xaxes(title=x, automargin=True)
    figure.update_yaxes(title=y, automargin=True)
    return figure


def _enlarge(colour: np.ndarray) -> Image.Image:
    times = max(1, UPSCALED // max(colour.shape[:2]))
    return Image.fromarray(np.kron(colour, np.ones((times, times, 1), np.uint8)))
