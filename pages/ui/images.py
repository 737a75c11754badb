"""Core objects to pictures: pure functions that import no streamlit."""

from __future__ import annotations

import numpy as np
from PIL import Image
from plotly.colors import convert_colors_to_same_type, sample_colorscale, unlabel_rgb
from torch import Tensor

from pages.ui import marks

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
    """An image (C, H, W) as grey (1 channel) or colour (3), stretched to its own range; the cue is marked."""
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


def _enlarge(colour: np.ndarray) -> Image.Image:
    times = max(1, UPSCALED // max(colour.shape[:2]))
    return Image.fromarray(np.kron(colour, np.ones((times, times, 1), np.uint8)))
