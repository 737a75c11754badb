"""An uploaded image and its mask, as one example. Pure functions of bytes; streamlit is not imported."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image, ImageOps

from fbseg_core.config import TaskConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Content, task_of
from fbseg_core.training.fewshot import own_example

FORMATS = ["PNG", "JPEG"]
ENDINGS = ["png", "jpg", "jpeg"]
LARGEST = 2048  # px: a decoded image is then 12 MB at most
SMALLEST = 16


def example(task: TaskConfig, image: bytes, mask: bytes) -> Content:
    """The example of an image and its mask, both brought to the task's size. Raises ConfigError."""
    kind = task_of(task)
    if not all(kind.noisy_channels(task)):
        raise ConfigError(f"Images of the task {task.name!r} need a cue: draw one instead of uploading it.")
    picture, label = _open(image, "image"), _open(mask, "mask")
    if picture.size != label.size:
        raise ConfigError(
            f"Image and mask differ in size: {picture.size[0]} × {picture.size[1]} and "
            f"{label.size[0]} × {label.size[1]} px."
        )
    channels = len(kind.channel_names(task))
    grey = _resized(_values(picture, "RGB" if channels == 3 else "L"), task.side)
    inside = _resized(_marked(label), task.side)[..., 0] >= 0.5
    if not inside.any() or inside.all():
        raise ConfigError("The mask marks nothing, or everything: white must mark what is to be found.")
    clean = torch.from_numpy(grey).permute(2, 0, 1).expand(channels, -1, -1)
    return own_example(task, torch.from_numpy(inside).long(), clean.clone())


def _open(content: bytes, what: str) -> Image.Image:
    """The image, decoded only once its size is known to be allowed."""
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
        width, height = picture.size
        if not (min(width, height) >= SMALLEST and max(width, height) <= LARGEST):
            raise ConfigError(
                f"The {what} is {width} × {height} px; {SMALLEST} to {LARGEST} px a side are taken."
            )
        picture.load()
        return ImageOps.exif_transpose(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"The {what} is no PNG or JPEG that can be read.") from None


def _values(picture: Image.Image, mode: str) -> np.ndarray:
    """Grey levels in [0, 1], (H, W, 1 or 3) float32."""
    if picture.mode.startswith("I"):  # 16 bits, which convert() would cut at 255
        values = np.asarray(picture, np.float32)[..., None] / 65535
        return np.repeat(values, 3 if mode == "RGB" else 1, 2)
    values = np.asarray(picture.convert(mode), np.float32) / 255
    return values if values.ndim == 3 else values[..., None]


def _marked(picture: Image.Image) -> np.ndarray:
    """1 where a mask marks something: any palette entry but the first, or brighter than half its range."""
    if picture.mode == "P":  # the numbers are the classes; their colours say nothing
        return (np.asarray(picture) > 0).astype(np.float32)[..., None]
    values = _values(picture, "L")
    return (values > 0.5 * max(float(values.max()), 1e-6)).astype(np.float32)


def _resized(values: np.ndarray, side: int) -> np.ndarray:
    """To (side, side, C): the middle square, its pixels averaged."""
    height, width = values.shape[:2]
    cut = min(height, width)
    top, left = (height - cut) // 2, (width - cut) // 2
    square = values[top : top + cut, left : left + cut]
    planes = [
        Image.fromarray(np.ascontiguousarray(square[..., c])).resize((side, side), Image.Resampling.BOX)
        for c in range(square.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], 2)
