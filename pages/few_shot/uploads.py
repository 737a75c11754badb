"""An uploaded image and its mask, as one example. Pure functions of bytes; streamlit is not imported."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from fbseg_core.config import TaskConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Content, picture_files, task_of
from fbseg_core.training.fewshot import own_example
from pages.ui.images import VOID

FORMATS = ["PNG", "JPEG"]
ENDINGS = ["png", "jpg", "jpeg"]
LARGEST = 2048  # px: a decoded image is then 12 MB at most
SMALLEST = 16
BLACK = (0, 0, 0, 255)
JPEG = b"\xff\xd8"  # how one begins


def example(task: TaskConfig, image: bytes, mask: bytes | None) -> Content:
    """The example of an image and its mask, both brought to the task's size; without a mask, all background.

    Raises ConfigError.
    """
    kind = task_of(task)
    if kind.has_cue(task):
        raise ConfigError(f"Images of the task {task.name!r} need a cue: draw one instead of uploading it.")
    picture, label = _open(image, "image"), None if mask is None else _open(mask, "mask")
    if label is not None and picture.size != label.size:
        raise ConfigError(
            f"Image and mask differ in size: {picture.size[0]} × {picture.size[1]} and "
            f"{label.size[0]} × {label.size[1]} px."
        )
    channels = len(kind.channel_names(task))
    grey = _resized(_values(picture, 3 if channels == 3 else 1), task.size)
    classes = len(kind.class_names(task))
    if label is None:
        labels = np.zeros(task.size, np.int64)
    else:
        labels = (
            _inside(label, task.size)
            if classes == 2
            else _classes(label, task.size, classes, mask[:2] == JPEG)
        )
    clean = torch.from_numpy(grey).permute(2, 0, 1).expand(channels, -1, -1)
    return own_example(task, torch.from_numpy(labels), clean.clone())


def what_a_mask_holds(task: TaskConfig) -> str:
    """How a mask says what is where, to follow "a mask"."""
    names = task_of(task).class_names(task)
    if len(names) == 2:
        return "that is white where something is to be found"
    told = ", ".join(
        f"{number} “{name}”" if name.isdecimal() else f"{number} {name}" for number, name in enumerate(names)
    )
    return f"whose palette numbers or grey values are the classes ({told}; {VOID} is void)"


def _open(content: bytes, what: str) -> Image.Image:
    """The image, decoded only once its size is known to be allowed."""
    what = f"The {what}"
    picture = picture_files.opened(io.BytesIO(content), what, FORMATS, LARGEST**2)
    width, height = picture.size
    if not (min(width, height) >= SMALLEST and max(width, height) <= LARGEST):
        raise ConfigError(f"{what} is {width} × {height} px; {SMALLEST} to {LARGEST} px a side are taken.")
    return picture_files.decoded(picture, what)


def _values(picture: Image.Image, channels: int, behind: tuple[int, ...] = picture_files.WHITE) -> np.ndarray:
    """Grey levels in [0, 1], (H, W, channels) float32."""
    values, bits = picture_files.levels(picture, "The image", channels, behind)
    return values.astype(np.float32) / (2**bits - 1)


def _inside(mask: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """1 where a mask marks most of a pixel, (H, W) int64. Raises ConfigError where it tells nothing apart."""
    inside = _resized(_marked(mask), size)[..., 0] >= 0.5
    if not inside.any() or inside.all():
        raise ConfigError("The mask marks nothing, or everything: white must mark what is to be found.")
    return inside.astype(np.int64)


def _classes(mask: Image.Image, size: tuple[int, int], classes: int, of_jpeg: bool) -> np.ndarray:
    """The class that most of a pixel is of, the lowest of equals, (H, W) int64; void where that is most.

    Raises ConfigError for a mask that does not hold class numbers, or only one class.
    """
    last = classes - 1
    if of_jpeg:
        raise ConfigError("The mask is a JPEG, which changes its numbers; save it as PNG.")
    if mask.mode not in ("P", "L", "1", "I", "I;16"):
        raise ConfigError(
            f"The mask is in colour: give a palette or grey one, of numbers 0 to {last} and {VOID}."
        )
    numbers = np.asarray(mask).astype(np.int64)
    wrong = numbers[(numbers < 0) | (numbers > last) & (numbers != VOID)]
    if len(wrong):
        raise ConfigError(f"The mask holds the number {wrong[0]}: classes are 0 to {last}, void is {VOID}.")
    known = [*range(classes), VOID]
    shares = [_resized((numbers == one).astype(np.float32)[..., None], size)[..., 0] for one in known]
    labels = np.array(known)[np.argmax(shares, 0)]
    if len(np.unique(labels[labels != VOID])) < 2:
        raise ConfigError("The mask holds a single class: there is nothing to tell apart.")
    return labels


def _marked(picture: Image.Image) -> np.ndarray:
    """1 where a mask marks something: any palette entry but the first, or brighter than half its range."""
    if picture.mode == "P":  # the numbers are the classes; their colours say nothing
        return (np.asarray(picture) > 0).astype(np.float32)[..., None]
    values = _values(picture, 1, BLACK)  # where a mask shows nothing, it marks nothing
    return (values > 0.5 * max(float(values.max()), 1e-6)).astype(np.float32)


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """To (H, W, C): the largest middle part of that shape, its pixels averaged."""
    height, width = values.shape[:2]
    scale = min(height / size[0], width / size[1])
    rows, columns = (round(scale * side) for side in size)
    top, left = (height - rows) // 2, (width - columns) // 2
    middle = values[top : top + rows, left : left + columns]
    planes = [
        Image.fromarray(np.ascontiguousarray(middle[..., c])).resize(size[::-1], Image.Resampling.BOX)
        for c in range(middle.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], 2)
