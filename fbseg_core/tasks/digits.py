"""Digit clutter: handwritten digits that hide each other, among fragments of others.

After Spoerer, McClure and Kriegeskorte 2017 (Frontiers in Psychology 8:1551), where recurrent networks name
digits in clutter better than feedforward ones of as many weights; theirs are drawn by computer. The digits
here are the 1797 of 8 × 8 px that ship with scikit-learn (Alpaydin and Kaynak 1998), by 13 writers. Those of
training and test are different ones; of the same writers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import zoom
from torch import Tensor

from fbseg_core.config import DigitsConfig
from fbseg_core.tasks.base import PALETTE, Content, Split, Task, joined, spans, streams
from fbseg_core.tasks.sampled import TRIES, packaged, places, sample

FINE = 4  # times that the 8 × 8 px are made finer, before they are brought to an image's size
INK = 0.5  # from this grey level on a pixel is of a digit
FRAGMENT = 0.4  # side of a fragment, in heights
PATCH = (0.4, 0.6)  # side of a patch, in heights
PATCH_GREY = 0.4
AT_ONCE = 32  # images that are drawn together, so that many take no more memory


class Digits(Task[DigitsConfig]):
    """Classes are the ten digits. Each has a dark rim, so that a front digit hides what is behind it."""

    config = DigitsConfig

    def channel_names(self, config: DigitsConfig) -> tuple[str, ...]:
        return ("grey",)

    def class_names(self, config: DigitsConfig) -> tuple[str, ...]:
        return ("background", *map(str, range(10)))

    def palette(self, config: DigitsConfig) -> tuple[str, ...]:
        return (*PALETTE, "#882255", "#999933", "#ddccff")

    def content(self, config: DigitsConfig, n: int, seed: int, split: Split = "train") -> Content:
        """Draw n images.

        info, each (n, count), from back to front: digit; source, its number among scikit-learn's; cx, cy, px;
        hidden, the share of its ink that something lies on.
        """
        return joined(Digits.contents(self, config, n, seed, AT_ONCE, split))

    def contents(
        self, config: DigitsConfig, n: int, seed: int, part: int, split: Split = "train"
    ) -> Iterator[Content]:
        """`content`, `part` images at a time: their numbers are drawn at once, pixels when asked for."""
        known = sources(split)
        source_rng, place_rng, pose_rng, debris_rng, patch_rng = streams(seed, 5)
        size, half = (n, config.count), config.height / 2
        span = config.side - config.height
        numbers = {
            "source": known[source_rng.integers(0, len(known), size)],
            "centre": places(place_rng.random((*size, TRIES, 2)), half, span, config.apart * config.height),
            "pose": pose_rng.random((*size, 2)),
            "debris": debris_rng.random((n, config.debris, 6)),
            "patch": patch_rng.random((n, config.patches, 3)),
        }
        for rows in spans(n, part):
            inner = spans(rows.stop - rows.start, AT_ONCE)
            mine = {key: value[rows] for key, value in numbers.items()}
            yield joined(
                _rendered(config, {key: value[some] for key, value in mine.items()}, known) for some in inner
            )


@functools.cache
def handwriting() -> tuple[Tensor, np.ndarray]:
    """The digits, (1797, 32, 32) in 0 … 1, smoothly made finer, and which each is, (1797,)."""
    file = packaged("sklearn", "scikit-learn", "datasets/data/digits.csv.gz")
    table = np.loadtxt(file, delimiter=",")
    images = table[:, :-1].reshape(-1, 8, 8) / 16
    # a cubic spline, one side at a time: in three dimensions at once it would take ten seconds
    one = zoom(np.eye(8), (FINE, 1), order=3, mode="grid-constant", grid_mode=True)
    fine = one @ images @ one.T
    return torch.from_numpy(fine.clip(0, 1).astype(np.float32)), table[:, -1].astype(np.int64)


@functools.cache
def sources(split: Split) -> np.ndarray:
    """Numbers of the digits that a split draws from: every third is of the test."""
    number = np.arange(len(handwriting()[1]))
    return number[(number % 3 == 0) == (split == "test")]


def _rendered(config: DigitsConfig, numbers: dict[str, np.ndarray], known: np.ndarray) -> Content:
    """Images of the numbers that describe them, painted from back to front."""
    n, side, height = len(numbers["source"]), config.side, config.height
    canvas = _debris(config, numbers["debris"], known)
    seen = torch.zeros(n, side, side, dtype=torch.int64)  # 1 + place in the order, 0 for none
    whole, inks = seen.clone(), []
    for j in range(config.count):
        alpha = _glyph(config, numbers, j)
        ink = alpha >= INK
        inks.append(ink.sum((1, 2)))
        rim = max(round(height / 10), 1)
        covers = F.max_pool2d(ink.float(), 2 * rim + 1, 1, rim) > 0 if n else ink
        canvas = torch.where(covers, alpha, torch.maximum(canvas, alpha))
        seen = torch.where(ink, j + 1, torch.where(covers, 0, seen))
        whole = torch.where(ink, j + 1, whole)
    pixel = np.arange(side) + 0.5
    for x, y, width in numbers["patch"].transpose(1, 2, 0):
        half = height * (PATCH[0] + (PATCH[1] - PATCH[0]) * width) / 2
        covers = (abs(pixel - side * y[:, None]) <= half[:, None])[:, :, None]
        covers = torch.from_numpy(covers & (abs(pixel - side * x[:, None]) <= half[:, None])[:, None])
        canvas, seen = torch.where(covers, PATCH_GREY, canvas), torch.where(covers, 0, seen)
    digit = torch.from_numpy(handwriting()[1][numbers["source"]])
    order = torch.arange(1, config.count + 1).view(1, -1, 1, 1)
    info = {
        "digit": digit,
        "source": torch.from_numpy(numbers["source"]),
        "cx": torch.from_numpy(numbers["centre"][..., 0]),
        "cy": torch.from_numpy(numbers["centre"][..., 1]),
        "hidden": 1 - (seen[:, None] == order).sum((2, 3)) / torch.stack(inks, 1).clamp_min(1),
    }
    named = torch.cat([torch.zeros(n, 1, dtype=torch.int64), digit + 1], 1)  # class by place in the order
    target = seen if config.target == "visible" else whole
    labels = named.gather(1, target.flatten(1)).view(target.shape)
    return Content(canvas[:, None], labels, info)


def _glyph(config: DigitsConfig, numbers: dict[str, np.ndarray], j: int) -> Tensor:
    """The ink of each image's digit j, (n, side, side) in 0 … 1."""
    glyphs = handwriting()[0][numbers["source"][:, j]]
    turn, size = numbers["pose"][:, j].T
    scale = config.height * (0.9 + 0.2 * size) / glyphs.shape[-1]
    turn = np.deg2rad(config.turn) * (2 * turn - 1)
    at = np.full((len(glyphs), 2), glyphs.shape[-1] / 2)
    return sample(glyphs, config.side, numbers["centre"][:, j], turn, scale, at)[0]


def _debris(config: DigitsConfig, drawn: np.ndarray, known: np.ndarray) -> Tensor:
    """Fragments on an empty ground, (n, side, side): of each digit a small square, turned at will."""
    canvas = torch.zeros(len(drawn), config.side, config.side)
    for source, x, y, turn, at_x, at_y in drawn.transpose(1, 2, 0):
        glyphs = handwriting()[0][known[(source * len(known)).astype(int)]]
        edge = glyphs.shape[-1]
        at = edge * (0.25 + 0.5 * np.stack([at_x, at_y], 1))  # where in a digit there mostly is ink
        centre, scale = config.side * np.stack([x, y], 1), np.full(len(drawn), config.height / edge)
        ink, away = sample(glyphs, config.side, centre, 2 * np.pi * turn, scale, at)
        inside = (away.abs() <= edge * FRAGMENT / 2).all(-1)
        canvas = torch.maximum(canvas, torch.where(inside, ink, 0.0))
    return canvas
