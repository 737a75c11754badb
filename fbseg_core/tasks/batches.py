"""A batch too large to hold: its images a few at a time, each part drawn when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from fbseg_core.config import TaskConfig
from fbseg_core.tasks import task_of
from fbseg_core.tasks.base import Batch, Split, Task

PART = 32  # images that are run together, at most
PIXELS = 2**17  # pixels that are run together, unless a single image has more


def at_once(pixels: int) -> int:
    """How many images of so many pixels are run together, so that no size of image takes much memory."""
    return min(max(PIXELS // max(pixels, 1), 1), PART)


@dataclass(frozen=True)
class Batches:
    """The images of `make_batch(task, n, seed, split)`, bit for bit, `part` at a time and as often as asked.

    part None: as many as are run together.
    """

    task: TaskConfig
    n: int
    seed: int
    split: Split = "train"
    part: int | None = None

    @property
    def nbytes(self) -> int:
        """What the whole batch would take, images and labels."""
        return self.n * self._pixels * (4 * len(task_of(self.task).channel_names(self.task)) + 8)

    @property
    def _pixels(self) -> int:
        return self.task.size[0] * self.task.size[1]

    def __iter__(self) -> Iterator[Batch]:
        kind, part = task_of(self.task), self.part or at_once(self._pixels)
        contents = kind.contents if _up_to_date(kind, "contents", "content") else partial(Task.contents, kind)
        noises = kind.noises if _up_to_date(kind, "noises", "noise") else partial(_noises, kind)
        drawn = contents(self.task, self.n, self.seed, part, self.split)
        for content, noise in zip(drawn, noises(self.task, self.n, self.seed, part)):
            yield kind.observe(self.task, content, noise)


def _up_to_date(kind: Task, lazy: str, whole: str) -> bool:
    """Whether `lazy` draws what `whole` does: not where a subclass overrides `whole` alone."""
    return next(lazy in vars(cls) for cls in type(kind).__mro__ if lazy in vars(cls) or whole in vars(cls))


def _noises(kind: Task, config: TaskConfig, n: int, seed: int, part: int) -> Iterable[Tensor]:
    return kind.noise(config, n, seed).split(part)
