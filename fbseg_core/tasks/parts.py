"""A batch too large to hold: its images a few at a time, each part drawn when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from fbseg_core.config import TaskConfig
from fbseg_core.tasks import task_of
from fbseg_core.tasks.base import Batch, Task


@dataclass(frozen=True)
class Batches:
    """The images of `make_batch(task, n, seed)`, bit for bit, `part` at a time and as often as asked."""

    task: TaskConfig
    n: int
    seed: int
    part: int = 8

    def __len__(self) -> int:
        return -(-self.n // self.part)

    def __iter__(self) -> Iterator[Batch]:
        kind, arguments = task_of(self.task), (self.task, self.n, self.seed, self.part)
        contents = kind.contents if _up_to_date(kind, "contents", "content") else partial(Task.contents, kind)
        noises = kind.noises if _up_to_date(kind, "noises", "noise") else partial(_noises, kind)
        for content, noise in zip(contents(*arguments), noises(*arguments)):
            yield kind.observe(self.task, content, noise)


def _up_to_date(kind: Task, lazy: str, whole: str) -> bool:
    """Whether the task says how to draw by parts what it draws: not if it has changed the whole alone."""
    return next(lazy in vars(cls) for cls in type(kind).__mro__ if lazy in vars(cls) or whole in vars(cls))


def _noises(kind: Task, config: TaskConfig, n: int, seed: int, part: int) -> Iterable[Tensor]:
    return kind.noise(config, n, seed).split(part)
