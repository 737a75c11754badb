"""What a task is: a way to draw clean content and unit noise apart, and to put them together.

Content and noise come from separate streams of one seed, so that changing σ rescales the very same
noise draw, and the first k images of a batch do not depend on how many are drawn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from fbseg_core.config import TaskConfig
from fbseg_core.settings import ConfigError

C = TypeVar("C", bound=TaskConfig)


@dataclass(frozen=True)
class Content:
    """Images before noise. clean (B, C, H, W) float32; labels (B, H, W) int64; info: one value an image."""

    clean: Tensor
    labels: Tensor
    info: dict[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, rows: slice) -> Content:
        info = {key: value[rows] for key, value in self.info.items()}
        return Content(self.clean[rows], self.labels[rows], info)


@dataclass(frozen=True)
class Batch:
    """Images as a model sees them. x (B, C, H, W) float32; labels (B, H, W) int64; info as in Content."""

    x: Tensor
    labels: Tensor
    info: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> Batch:
        """Its images and labels on a device, itself where they are there."""
        return replace(self, x=self.x.to(device), labels=self.labels.to(device))


class Task(ABC, Generic[C]):
    """One kind of image to segment. Subclasses hold no state: settings travel in the config."""

    config: ClassVar[type[TaskConfig]]

    @abstractmethod
    def channel_names(self, config: C) -> tuple[str, ...]:
        """Names of the C image channels."""

    @abstractmethod
    def class_names(self, config: C) -> tuple[str, ...]:
        """Names of the K classes; the first is the background."""

    @abstractmethod
    def content(self, config: C, n: int, seed: int) -> Content:
        """Draw n clean images and their exact labels. Same arguments, same tensors."""

    def contents(self, config: C, n: int, seed: int, part: int) -> Iterator[Content]:
        """`content`, `part` images at a time. A task that can draws each part when it is asked for."""
        whole = self.content(config, n, seed)
        for rows in spans(n, part):
            yield whole[rows]

    def noisy_channels(self, config: C) -> tuple[bool, ...]:
        """Which channels carry noise; all of them unless a task says otherwise."""
        return (True,) * len(self.channel_names(config))

    def normalise(self, config: C, x: Tensor) -> Tensor:
        """Bring noisy images (B, C, H, W) to the range the model is fed; unchanged by default."""
        return x

    def noise(self, config: C, n: int, seed: int) -> Tensor:
        """Unit normal noise (n, C, H, W), zero on channels that carry none."""
        return next(Task.noises(self, config, n, seed, n))

    def noises(self, config: C, n: int, seed: int, part: int) -> Iterator[Tensor]:
        """`noise`, `part` images at a time, each drawn when it is asked for: the stream is one."""
        on = torch.tensor(self.noisy_channels(config), dtype=torch.float32).view(1, -1, 1, 1)
        shape = (n, on.shape[1], config.side, config.side)
        rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
        for rows in spans(n, part):
            shape = (rows.stop - rows.start, *shape[1:])
            yield torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)) * on

    def drawn(self, config: C, mask: Tensor, cue: tuple[int, int] | None = None) -> Content:
        """One image from a drawing: mask (H, W) bool, cue (row, column) where the task has one.

        Raises ConfigError for a task that cannot be drawn.
        """
        raise ConfigError(f"drawing: images of the task {config.name!r} cannot be drawn.")

    def sketch(self, config: C, content: Content) -> tuple[Tensor, tuple[int, int] | None]:
        """The mask (H, W) bool and the cue of the first image, such that `drawn` gives the image again."""
        raise ConfigError(f"drawing: images of the task {config.name!r} cannot be drawn.")

    def observe(self, config: C, content: Content, noise: Tensor) -> Batch:
        """Add σ times the given unit noise (B, C, H, W) to the content and normalise each image."""
        x = self.normalise(config, content.clean + config.sigma * noise)
        return Batch(x, content.labels, content.info)


def spans(n: int, part: int) -> list[slice]:
    """The rows of each part of n images; one empty part where there are none."""
    return [slice(first, min(first + part, n)) for first in range(0, n, max(part, 1))] or [slice(0, 0)]


def streams(seed: int, n: int) -> list[np.random.Generator]:
    """n independent random streams for the content of one seed, one for each drawn quantity."""
    return [np.random.default_rng(s) for s in np.random.SeedSequence([seed, 0]).spawn(n)]
