"""What a task is: a way to draw clean content and unit noise apart, and to put them together.

Content and noise come from separate streams of one seed, so that changing σ rescales the very same
noise draw, and the first k images of a batch do not depend on how many are drawn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from fbseg_core.config import TaskConfig
from fbseg_core.settings import ConfigError

C = TypeVar("C", bound=TaskConfig)
Split = Literal["train", "test"]
# Colours of the classes, the background's first: Okabe and Ito's, which colour-blind eyes tell apart.
PALETTE = ("#262c34", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


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
    """Images as a model sees them. x (B, C, H, W) float32; labels (B, H, W) int64; info as in Content.

    trivial (B, H, W) int64: the answer of the task's trivial baseline, None where it has none. It stays on
    the host: it is counted, never run.
    """

    x: Tensor
    labels: Tensor
    info: dict[str, Tensor] = field(default_factory=dict)
    trivial: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device) -> Batch:
        """Its images and labels on a device, itself where they are there."""
        return replace(self, x=self.x.to(device), labels=self.labels.to(device))


class Task(ABC, Generic[C]):
    """One kind of image to segment. Subclasses hold no state: settings travel in the config."""

    config: ClassVar[type[TaskConfig]]

    on_its_own: ClassVar[bool] = True  # whether its default settings are enough to draw images

    @abstractmethod
    def channel_names(self, config: C) -> tuple[str, ...]:
        """Names of the C image channels."""

    @abstractmethod
    def class_names(self, config: C) -> tuple[str, ...]:
        """Names of the K classes; the first is the background."""

    @abstractmethod
    def content(self, config: C, n: int, seed: int, split: Split = "train") -> Content:
        """Draw n clean images (n, C, H, W) and their exact labels (n, H, W). Same arguments, same tensors.

        A label of 255 is void: it is neither learned nor scored. split: where images come from a finite
        source, "train" and "test" have none in common; a task that generates its images ignores it.
        """

    def opened(self, config: C) -> C:
        """The settings with what only the task's files tell, which may be read from here on; else unchanged.

        To be called with settings of who runs the program, never with those of a visitor.
        """
        return config

    def supply(self, config: C, split: Split) -> int | None:
        """How many different images there are of a split; None where they do not run out."""
        return None

    def palette(self, config: C) -> tuple[str, ...]:
        """A colour "#rrggbb" for each class. Past eight they come round again; an outline or name tells."""
        return tuple(PALETTE[k % len(PALETTE)] for k in range(len(self.class_names(config))))

    def cue_channel(self, config: C) -> int | None:
        """The channel that is 1 at one pixel, the cue, and 0 elsewhere; None for a task without a cue."""
        return None

    def has_cue(self, config: C) -> bool:
        """Whether the answer depends on where a cue stands."""
        return self.cue_channel(config) is not None

    def cues(self, config: C, x: Tensor) -> list[tuple[int, int] | None] | None:
        """(row, column) of the cue in each of x (B, C, H, W), or None; None for a task without cues."""
        channel = self.cue_channel(config)
        if channel is None:
            return None
        return [divmod(int(cue.argmax()), cue.shape[1]) if cue.any() else None for cue in x[:, channel]]

    def shown_channels(self, config: C) -> tuple[int, ...]:
        """The channels that make up the picture of an image, at most three."""
        cue = self.cue_channel(config)
        return tuple(i for i in range(len(self.channel_names(config))) if i != cue)[:3]

    @property
    def drawable(self) -> bool:
        """Whether an image can be made of a drawing."""
        return type(self).drawn is not Task.drawn

    def trivial_name(self, config: C) -> str:
        """What the answer of `trivial` is called, as "mark every region"; "" where there is none."""
        return ""

    def trivial(self, config: C, content: Content) -> Tensor | None:
        """Labels (B, H, W) of the best answer that takes none of what the task is about, or None.

        Given where a constant answer, which is `chance`, would be too weak a baseline. It may look at the
        clean image: a model that does no better has learned to see through the noise, and nothing else.
        """
        return None

    def contents(self, config: C, n: int, seed: int, part: int, split: Split = "train") -> Iterator[Content]:
        """`content`, `part` images at a time. A task that can draws each part when it is asked for."""
        whole = self.content(config, n, seed, split)
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
        shape = (n, on.shape[1], *config.size)
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
        return Batch(x, content.labels, content.info, self.trivial(config, content))


def normalised(x: Tensor, how: Literal["minmax", "standard", "none"]) -> Tensor:
    """Each of x (B, C, H, W) to [0, 1], or to mean 0 and deviation 1, all channels alike; or as it is."""
    if how == "minmax":
        lo, hi = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - lo) / (hi - lo).clamp_min(1e-6)
    if how == "standard":
        std, mean = torch.std_mean(x, (1, 2, 3), keepdim=True)
        return (x - mean) / std.clamp_min(1e-6)
    return x


def joined(parts: Iterable[Content]) -> Content:
    """Several contents as one, in their order."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    info = {key: torch.cat([one.info[key] for one in parts]) for key in parts[0].info}
    return Content(torch.cat([one.clean for one in parts]), torch.cat([one.labels for one in parts]), info)


def spans(n: int, part: int) -> list[slice]:
    """The rows of each part of n images; one empty part where there are none."""
    return [slice(first, min(first + part, n)) for first in range(0, n, max(part, 1))] or [slice(0, 0)]


def streams(seed: int, n: int) -> list[np.random.Generator]:
    """n independent random streams for the content of one seed, one for each drawn quantity."""
    return [np.random.default_rng(s) for s in np.random.SeedSequence([seed, 0]).spawn(n)]
