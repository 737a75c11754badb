"""Incremental grouping: many winding regions, one cue dot, and the question which pixels belong to it.

The textbook task for recurrent processing in visual cortex (curve tracing, Roelfsema; for deep
networks Goetschalckx et al. 2023, arXiv 2306.11582): the answer at a pixel depends on a chain of
pixels between it and the cue, which no local look can settle.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import torch
from torch import Tensor

from fbseg_core.config import GroupingConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks.base import Content, Split, Task, spans, streams
from fbseg_core.tasks.regions import GENERATORS

CHUNK = 32  # candidates are drawn in chunks of fixed size, so image k is the same in every batch
GIVE_UP = 20  # chunks for each acceptable image; where more are needed the settings are called impossible


class Grouping(Task[GroupingConfig]):
    """Regions are blobs, curves or mazes; the label is the 4-connected region that holds the cue."""

    config = GroupingConfig

    def channel_names(self, config: GroupingConfig) -> tuple[str, ...]:
        return ("regions", "cue")

    def class_names(self, config: GroupingConfig) -> tuple[str, ...]:
        return ("background", "cued region")

    def cue_channel(self, config: GroupingConfig) -> int:
        return 1

    def noisy_channels(self, config: GroupingConfig) -> tuple[bool, ...]:
        return (True, False)

    def trivial_name(self, config: GroupingConfig) -> str:
        return "mark every region"

    def trivial(self, config: GroupingConfig, content: Content) -> Tensor:
        """Every pixel of every region, whatever the cue."""
        return (content.clean[:, 0] > 0.5).long()

    def content(self, config: GroupingConfig, n: int, seed: int, split: Split = "train") -> Content:
        """Draw n images. info: path_length (n,) px, the longest shortest way from the cue within its region.

        Raises ConfigError where regions that long (`winding`) do not occur at this side and scale.
        """
        return next(Grouping.contents(self, config, n, seed, n, split))

    def contents(
        self, config: GroupingConfig, n: int, seed: int, part: int, split: Split = "train"
    ) -> Iterator[Content]:
        """`content`, `part` images at a time, each drawn when it is asked for."""
        field_rng, cue_rng = streams(seed, 2)
        kept: list[tuple[np.ndarray, ...]] = []
        total, ahead = 0, [rows.stop - rows.start for rows in spans(n, part)]
        for tried in count(1):
            regions = GENERATORS[config.regions](config, field_rng, CHUNK)
            cues = _cues(regions, cue_rng)
            distance = geodesic(regions, cues)
            longest = distance.reshape(CHUNK, -1).max(1)
            # A cue alone answers nothing unless other regions could be mistaken for its own.
            rest = (regions & (distance < 0)).sum((1, 2)) / regions.sum((1, 2)).clip(1)
            good = (longest >= config.winding * config.side) & (longest > 0) & (rest >= 0.25)
            kept.append((regions[good], cues[good], distance[good], longest[good]))
            total += int(good.sum())
            while ahead and sum(len(rows[0]) for rows in kept) >= ahead[0]:
                drawn = [np.concatenate(parts) for parts in zip(*kept)]
                yield _content(*(rows[: ahead[0]] for rows in drawn))
                kept = [tuple(rows[ahead[0] :] for rows in drawn)]
                del ahead[0]
            if not ahead:
                return
            if tried >= GIVE_UP * (total + 1):
                raise ConfigError(
                    f"winding: regions of {config.winding:g} sides hardly occur at side {config.side} px and "
                    f"scale {config.scale:g} px ({config.regions}); lower the winding or the scale."
                )

    def drawn(self, config: GroupingConfig, mask: Tensor, cue: tuple[int, int] | None = None) -> Content:
        """The mask as regions; the label is the region that holds the cue, and empty without one."""
        regions, cues = mask.numpy().astype(bool)[None], np.zeros((1, *mask.shape), bool)
        if cue is not None:
            if not all(0 <= at < size for at, size in zip(cue, mask.shape)):
                raise ConfigError(f"cue: {cue} is outside the image of {tuple(mask.shape)} px.")
            cues[0, cue[0], cue[1]] = True
        distance = geodesic(regions, cues)
        return Content(
            torch.from_numpy(np.stack([regions, cues], 1).astype(np.float32)),
            torch.from_numpy((distance >= 0).astype(np.int64)),
            {"path_length": torch.tensor([distance.max().clip(0)], dtype=torch.float32)},
        )

    def sketch(self, config: GroupingConfig, content: Content) -> tuple[Tensor, tuple[int, int] | None]:
        regions, cue = content.clean[0, 0] > 0.5, content.clean[0, 1]
        place = divmod(int(cue.argmax()), cue.shape[1]) if cue.any() else None
        return regions, place


def _content(regions: np.ndarray, cues: np.ndarray, distance: np.ndarray, longest: np.ndarray) -> Content:
    clean = np.stack([regions, cues], 1).astype(np.float32)
    return Content(
        torch.from_numpy(clean),
        torch.from_numpy((distance >= 0).astype(np.int64)),
        {"path_length": torch.from_numpy(longest.astype(np.float32))},
    )


def geodesic(regions: np.ndarray, cues: np.ndarray) -> np.ndarray:
    """Steps from the cue to each pixel, up, down, left or right within the regions; -1 where none leads.

    regions and cues (B, H, W) bool; returns (B, H, W) int32. A cue outside every region reaches nothing.
    """
    front = regions & cues
    distance = np.where(front, 0, -1).astype(np.int32)
    step = 0
    while front.any():
        step += 1
        spread = np.zeros_like(front)
        spread[:, 1:] |= front[:, :-1]
        spread[:, :-1] |= front[:, 1:]
        spread[:, :, 1:] |= front[:, :, :-1]
        spread[:, :, :-1] |= front[:, :, 1:]
        front = spread & regions & (distance < 0)
        distance[front] = step
    return distance


def _cues(regions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One pixel of some region of each image, drawn evenly: (B, H, W) bool."""
    order = rng.random(regions.shape, dtype=np.float32) * regions
    cues = np.zeros(regions.shape, bool)
    np.put_along_axis(cues.reshape(len(cues), -1), order.reshape(len(order), -1).argmax(1)[:, None], True, 1)
    return cues
