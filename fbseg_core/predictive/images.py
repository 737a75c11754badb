"""What a predictive-coding model learns from: a task's images with their labels, or photographs without."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fbseg_core.config import PhotographsConfig, PredictiveConfig, TaskConfig
from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.photographs import patches
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Batch, make_batch, parse_task, task_of
from fbseg_core.tasks.base import Split

Source = TaskConfig | PhotographsConfig


def draw(source: Source, n: int, seed: int, split: Split = "train") -> Batch | Tensor:
    """n images: a task's batch, or patches (n, 1, H, W). The same arguments give the same tensors."""
    if isinstance(source, PhotographsConfig):
        return patches(source, n, seed, split)
    return make_batch(source, n, seed, split)


def shown(config: PredictiveConfig, images: Batch | Tensor) -> Senses:
    """Images as a model learns from them: with their labels, where they have any."""
    if isinstance(images, Batch):
        return Senses.of(config, images.x, images.labels)
    return Senses.of(config, images)


def channels(source: Source) -> tuple[int, int]:
    """Image channels, and classes of the label: 0 where there is none."""
    if isinstance(source, PhotographsConfig):
        return 1, 0
    kind = task_of(source)
    return len(kind.channel_names(source)), len(kind.class_names(source))


def check_fit(config: PredictiveConfig, source: Source) -> None:
    """Raise ConfigError for a model that cannot learn from these images."""
    if (config.in_channels, config.classes) != channels(source):
        raise ConfigError(
            f"in_channels, classes: {config.in_channels} and {config.classes} are not those of "
            f"{source.name}, {channels(source)}."
        )


def parse_source(values: object) -> Source:
    """A source from outside input; its `name` says which. Raises ConfigError."""
    if isinstance(values, Mapping) and values.get("name") == "photographs":
        return PhotographsConfig.parse(values)
    return parse_task(values)
