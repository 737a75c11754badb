"""What a task's images, labels and answers look like, and what their colours and sizes are called.

Pure functions that import no streamlit. Of two classes an answer is shown by its probability, of more by the
class of each pixel.
"""

from __future__ import annotations

import html

import numpy as np
from PIL import Image
from torch import Tensor

from fbseg_core.config import TaskConfig
from fbseg_core.tasks import task_of
from pages.ui.images import VOID, VOID_COLOUR, class_palette, input_image, mask_image, probability_image


def of_two(task: TaskConfig) -> bool:
    """Whether a task's pixels are of two classes."""
    return len(task_of(task).class_names(task)) == 2


def input_picture(task: TaskConfig, x: Tensor) -> Image.Image:
    """An image (C, H, W), its cue marked where the task has one."""
    kind = task_of(task)
    cue = kind.cue_channel(task)
    return input_image(x[list(kind.shown_channels(task))], None if cue is None else x[cue])


def truth_picture(task: TaskConfig, labels: Tensor) -> Image.Image:
    """Labels (H, W) in the colours of their classes; void is grey."""
    return mask_image(labels, class_palette(task))


def answer_picture(task: TaskConfig, values: np.ndarray) -> Image.Image:
    """An answer (H, W) uint8: of two classes 255 times P(not background), of more the class of each pixel."""
    return probability_image(values / 255) if of_two(task) else mask_image(values, class_palette(task))


def legend(task: TaskConfig, labels: Tensor) -> str:
    """What the colours of masks mean, as one line of HTML: "" for two classes without void among labels."""
    named = [] if of_two(task) else list(zip(task_of(task).class_names(task), class_palette(task)))
    named += [("void: neither learned nor scored", VOID_COLOUR)] * bool((labels == VOID).any())
    if not named:
        return ""
    square = f"width:0.9rem;height:0.9rem;border:1px solid {VOID_COLOUR}"
    return (
        "<div style='display:flex;flex-wrap:wrap;gap:0.15rem 1.25rem;font-size:0.875rem'>"
        + "".join(
            "<span style='display:inline-flex;align-items:center;gap:0.4rem'>"
            f"<i style='{square};background:{colour}'></i>{html.escape(name)}</span>"
            for name, colour in named
        )
        + "</div>"
    )


def pixels(task: TaskConfig) -> str:
    """The size of a task's images: "64 px", or height × width where they differ."""
    height, width = task.size
    return f"{height} px" if height == width else f"{height} × {width} px"
