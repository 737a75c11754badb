"""What a model says of a visitor's images: scores by class, who is taken for whom, and masks to take along.

Pure functions; streamlit is not imported.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, ImageColor

from fbseg_core.config import FolderConfig
from fbseg_core.models.base import Model
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.metrics import mask_of
from fbseg_core.tasks import task_of
from fbseg_core.tasks.batches import Batches
from fbseg_core.tasks.picture_files import read_image
from fbseg_core.tasks.resize import middle
from pages.ui.images import class_palette

MOST_TESTED = 200  # test images that are scored


@dataclass(frozen=True)
class Answer:
    """A new image and what a model makes of it. x (C, H, W), mask (H, W) int64."""

    name: str
    x: torch.Tensor
    mask: torch.Tensor


def answer(model: Model, task: FolderConfig, name: str, file: BinaryIO) -> Answer:
    """The mask of an image, brought to the size of the training images as they were. Raises ConfigError."""
    pixels = read_image(file, name, task.channels)
    image, _ = middle(pixels, np.zeros(pixels.shape[:2], np.uint8), task.size)
    clean = torch.from_numpy(image.transpose(2, 0, 1) / np.float32(255))[None]
    x = task_of(task).normalise(task, clean)
    return Answer(name, x[0], mask_of(rollout(model, x, model.steps).logits[-1])[0])


def tested(task: FolderConfig) -> Batches:
    """The test images that are scored."""
    return Batches(task, min(MOST_TESTED, task_of(task).supply(task, "test")), 0, "test")


def scores_by_class(table: np.ndarray) -> list[tuple[float, float] | None]:
    """F1 and IoU of each class; None for one that is in neither truth nor answer."""
    found = []
    for k in range(len(table)):
        both, either = table[k, k], table[k].sum() + table[:, k].sum() - table[k, k]
        found.append((2 * both / (both + either), both / either) if either else None)
    return found


def masks_zip(task: FolderConfig, answers: list[Answer]) -> bytes:
    """The masks as palette PNGs, whose numbers are the classes, and the names of the classes."""
    out = io.BytesIO()
    palette = [part for colour in class_palette(task) for part in ImageColor.getrgb(colour)]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for number, one in enumerate(answers, 1):
            picture = Image.fromarray(one.mask.numpy().astype(np.uint8), "P")
            picture.putpalette(palette)
            file = io.BytesIO()
            picture.save(file, "PNG")
            packed.writestr(f"{number:02}-{one.name.rpartition('.')[0][:80] or 'image'}.png", file.getvalue())
        packed.writestr("classes.txt", "\n".join(task_of(task).class_names(task)) + "\n")
    return out.getvalue()
