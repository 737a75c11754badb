"""Labels of any number of classes as a text for the link: each bit of the class numbers is a mask."""

from __future__ import annotations

import numpy as np

from fbseg_core.config import TaskConfig
from fbseg_core.rollout.interventions import pack_mask, unpack_mask
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import task_of
from pages.ui.images import VOID


def pack_labels(task: TaskConfig, labels: np.ndarray) -> str:
    """Labels (H, W), class numbers or void, as `unpack_labels` reads them."""
    classes = len(task_of(task).class_names(task))
    codes = np.where(labels == VOID, classes, labels)
    return pack_mask(np.concatenate([codes >> bit & 1 for bit in range(classes.bit_length())]))


def unpack_labels(task: TaskConfig, text: str) -> np.ndarray:
    """The labels (H, W) int64 of `pack_labels`. Raises ConfigError where they are none of the task."""
    classes, (height, width) = len(task_of(task).class_names(task)), task.size
    bits = classes.bit_length()
    planes = unpack_mask(text, (bits * height, width)).reshape(bits, height, width)
    codes = sum(plane.astype(np.int64) << bit for bit, plane in enumerate(planes))
    if codes.max() > classes:
        raise ConfigError(f"labels: this drawing holds the class {codes.max()}; the last is {classes - 1}.")
    return np.where(codes == classes, VOID, codes)
