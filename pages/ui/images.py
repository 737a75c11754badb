"""Core objects to pictures: pure functions that import no streamlit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor
from plotly.colors import convert_colors_to_same_type, sample_colorscale, unlabel_rgb
from torch import Tensor

from fbseg_core.config import TaskConfig
from fbseg_core.tasks import task_of
from pages.ui import marks

UPSCALED = 384  # px: images are enlarged without smoothing, so that a pixel stays a pixel
SCALE = "Cividis"
_LUT = np.array(
    [unlabel_rgb(c) for c in convert_colors_to_same_type(sample_colorscale(SCALE, np.linspace(0, 1, 256)))[0]]
).astype(np.uint8)
VOID = 255  # the label of pixels that are neither learned nor scored
VOID_COLOUR = "#9aa0a6"
# Past the palette's eight colours the same come round again, each region outlined in its round's colour.
ROUND = 8
OUTLINES = ("", "#ffffff", "#000000", "#e6007e")


def probability_image(values: Tensor | np.ndarray) -> Image.Image:
    """A map (H, W) of values in [0, 1] on the fixed colour scale."""
    index = (np.clip(np.asarray(values, dtype=float), 0, 1) * 255).round().astype(np.uint8)
    return _enlarge(_LUT[index])


def class_palette(task: TaskConfig) -> tuple[str, ...]:
    """A colour "#rrggbb" for each class of a task: its own, or of two classes the ends of the fixed scale."""
    colours = task_of(task).palette(task)
    if len(colours) > 2:
        return colours
    return tuple(f"#{bytes(_LUT[at]).hex()}" for at in (0, -1))


def mask_image(labels: Tensor | np.ndarray, palette: Sequence[str]) -> Image.Image:
    """Labels (H, W) in the colours "#rrggbb" of their classes; void, 255, is grey.

    Classes past the eighth are outlined, as their colours come round again. Raises ValueError for a label
    without a colour.
    """
    labels = np.asarray(labels).astype(np.int64)
    known = (labels >= 0) & (labels < len(palette)) | (labels == VOID)
    if not known.all():
        raise ValueError(f"label {labels[~known][0]} has no colour among {len(palette)}")
    colours = np.array([ImageColor.getrgb(one) for one in (*palette, VOID_COLOUR)], np.uint8)
    void = np.full_like(labels, len(palette))
    picture = _enlarge(colours[np.where(labels == VOID, void, labels)])
    round_of = np.where(labels == VOID, 0, labels // ROUND)
    return _outlined(picture, labels, round_of) if round_of.any() else picture


def input_image(x: Tensor, cue: Tensor | None = None) -> Image.Image:
    """An image (C, H, W) as grey (1 channel) or colour (3), stretched to its own range; the cue is marked.

    Of any other number of channels the first is shown.
    """
    x = x if len(x) in (1, 3) else x[:1]
    lo, hi = float(x.min()), float(x.max())
    grey = ((x - lo) / max(hi - lo, 1e-6) * 255).round().byte().permute(1, 2, 0).numpy()
    colour = np.repeat(grey, 3 // grey.shape[2], 2)
    picture = _enlarge(colour)
    if cue is not None and cue.any():
        marks.draw_cue(picture, divmod(int(cue.argmax()), cue.shape[1]), picture.width // cue.shape[1])
    return picture


def colour_scale() -> bytes:
    """The fixed colour scale: 256 colours from 0 to 1, three bytes each."""
    return _LUT.tobytes()


def icon() -> Image.Image:
    """The app's icon: a spot on the colour scale, drawn here so that no browser must fetch one."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    return probability_image(np.exp(-3 * (x * x + y * y)))


def _outlined(picture: Image.Image, labels: np.ndarray, round_of: np.ndarray) -> Image.Image:
    """The picture of labels with a line along the inner edge of every region of a later round of colours."""
    times = picture.width // labels.shape[1]
    large, rounds = (np.kron(part, np.ones((times, times), int)) for part in (labels, round_of))
    edge = np.zeros(large.shape, bool)
    for axis in (0, 1):
        for by in (-1, 1):
            edge |= np.roll(np.pad(large, 1, mode="edge"), by, axis)[1:-1, 1:-1] != large
    pixels = np.asarray(picture).copy()
    for i, colour in enumerate(OUTLINES[1:], 1):
        pixels[edge & (rounds % len(OUTLINES) == i)] = ImageColor.getrgb(colour)
    return Image.fromarray(pixels)


def _enlarge(colour: np.ndarray) -> Image.Image:
    times = max(1, UPSCALED // max(colour.shape[:2]))
    return Image.fromarray(np.kron(colour, np.ones((times, times, 1), np.uint8)))
