"""What is segmented: the registry TASKS, and `make_batch`, which draws from any task in it."""

from collections.abc import Mapping
from typing import Any

from fbseg_core.config import TaskConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks.base import Batch, Content, Split, Task
from fbseg_core.tasks.digits import Digits
from fbseg_core.tasks.folder import Folder
from fbseg_core.tasks.grouping import Grouping
from fbseg_core.tasks.shapes import Shapes
from fbseg_core.tasks.textures import Textures

TASKS: dict[str, Task[Any]] = {
    "shapes": Shapes(), "grouping": Grouping(), "digits": Digits(), "textures": Textures(),
    "folder": Folder(),
}  # fmt: skip


def task_of(config: TaskConfig) -> Task:
    """The task a config belongs to. Raises ConfigError where TASKS has none of that name and settings."""
    kind = _named(config.name)
    if not isinstance(config, kind.config):
        raise ConfigError(
            f"name: the task {config.name!r} is set by a {kind.config.__name__}, no {type(config).__name__}."
        )
    return kind


def parse_task(values: object) -> TaskConfig:
    """A task's config from outside input; its key `name` says which task. Raises ConfigError."""
    if not isinstance(values, Mapping) or "name" not in values:
        raise ConfigError(
            f"name: a task's settings must say which task it is; choose from {', '.join(TASKS)}."
        )
    return _named(values["name"]).config.parse(values)


def _named(name: object) -> Task[Any]:
    if not isinstance(name, str) or name not in TASKS:
        raise ConfigError(f"name: there is no task {name!r:.60}; choose from {', '.join(TASKS)}.")
    return TASKS[name]


def make_batch(task: TaskConfig, n: int, seed: int, split: Split = "train") -> Batch:
    """Draw n images: x (n, C, H, W) and labels (n, H, W). The same arguments give the same tensors."""
    kind = task_of(task)
    return kind.observe(task, kind.content(task, n, seed, split), kind.noise(task, n, seed))


def draw(task: TaskConfig, seed: int, noise: int, split: Split = "test") -> Batch:
    """Draw one image of `seed`, (1, C, H, W), under the noise draw of another seed."""
    kind = task_of(task)
    return kind.observe(task, kind.content(task, 1, seed, split), kind.noise(task, 1, noise))


__all__ = ["TASKS", "Batch", "Content", "Task", "draw", "make_batch", "parse_task", "task_of"]
