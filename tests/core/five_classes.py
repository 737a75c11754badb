"""A task as somebody else would write one: five classes on images of 48 × 80 px, with void pixels.

Ellipses of four colours on a dark ground, a narrow void rim about each. Import it by its bare name from any
test; `with registered() as task:` puts it into TASKS. Processes that a test starts know it, too, if they are
given `environment()`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from fbseg_core.config import TaskConfig
from fbseg_core.tasks import TASKS
from fbseg_core.tasks.base import Content, Split, Task, streams

HERE = Path(__file__).resolve().parent
NAME = "five-classes"
NAMES = ("ground", "amber", "moss", "sky", "rose")
COLOURS = np.array([[0.1, 0.1, 0.1], [1, 0.7, 0], [0, 0.7, 0.2], [0.2, 0.5, 1], [1, 0.3, 0.6]], np.float32)
HEIGHT, WIDTH, VOID = 48, 80, 255


class FiveClassesConfig(TaskConfig):
    name: Literal["five-classes"] = NAME

    @property
    def size(self) -> tuple[int, int]:
        return HEIGHT, WIDTH


class FiveClasses(Task[FiveClassesConfig]):
    config = FiveClassesConfig

    def channel_names(self, config: FiveClassesConfig) -> tuple[str, ...]:
        return "red", "green", "blue"

    def class_names(self, config: FiveClassesConfig) -> tuple[str, ...]:
        return NAMES

    def content(self, config: FiveClassesConfig, n: int, seed: int, split: Split = "train") -> Content:
        """One ellipse of each kind at most, so that classes may be absent; the two splits share no image."""
        drawn = streams(seed, 2)[split == "test"].random((n, len(NAMES) - 1, 5, 1, 1))
        y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
        kinds, labels = np.zeros((2, n, HEIGHT, WIDTH), np.int64)
        for kind, (cx, cy, rx, ry, there) in enumerate(drawn.transpose(1, 2, 0, 3, 4), start=1):
            away = np.hypot((x - WIDTH * cx) / (6 + 10 * rx), (y - HEIGHT * cy) / (6 + 10 * ry))
            away = np.where(there < 0.8, away, np.inf)
            labels[away < 1.15] = VOID
            labels[away < 1] = kinds[away < 1] = kind
        clean = torch.from_numpy(COLOURS[kinds].transpose(0, 3, 1, 2).copy())
        return Content(clean, torch.from_numpy(labels))


# What follows is how tests make the task known.


@contextmanager
def registered() -> Iterator[FiveClassesConfig]:
    """With the task in TASKS: its config."""
    TASKS[NAME] = FiveClasses()
    try:
        yield FiveClassesConfig()
    finally:
        del TASKS[NAME]


def environment() -> dict[str, str]:
    """The environment of a child process that knows the task from its start, by five_classes_site."""
    folders = [HERE / "five_classes_site", HERE, HERE.parents[1]]
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, folders), *([known] if known else [])])}
