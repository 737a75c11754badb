"""Texture mosaics: pieces with curved borders, photographs of brick, grass and gravel, and plain ground.

The photographs ship with scikit-image, under CC0. Training draws from the left half of each, the test from
the right one. All are grey, of one mean and one spread, so that only their structure tells them apart.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fbseg_core.config import TexturesConfig
from fbseg_core.tasks.base import Content, Split, Task, joined, spans, streams
from fbseg_core.tasks.sampled import TRIES, packaged, places, sample

MATERIALS = ("brick", "grass", "gravel")
GREY, CONTRAST = 0.5, 0.2  # mean and spread of every photograph, grey levels
ZOOM = (0.6, 1.0)  # of each piece, drawn on a logarithmic scale
TILT = np.deg2rad(10)  # most that a piece is turned where its direction makes its class
WAVES = 4  # that bend the borders
BEND = 0.06  # amplitude of each, in sides
AT_ONCE = 32  # images that are drawn together, so that many take no more memory


class Textures(Task[TexturesConfig]):
    """Pieces are the cells of points, bent. The class of the plain ground is the first, the background."""

    config = TexturesConfig

    def channel_names(self, config: TexturesConfig) -> tuple[str, ...]:
        return ("grey",)

    def class_names(self, config: TexturesConfig) -> tuple[str, ...]:
        return ("plain", *(name for name, *_ in _kinds(config)))

    def content(self, config: TexturesConfig, n: int, seed: int, split: Split = "train") -> Content:
        """Draw n images.

        info: kind (n, regions), the class of each piece; cx, cy (n, regions), its point, px; light (n, 2),
        how far the light changes over the image, across and down. Raises ConfigError without scikit-image.
        """
        return joined(Textures.contents(self, config, n, seed, AT_ONCE, split))

    def contents(
        self, config: TexturesConfig, n: int, seed: int, part: int, split: Split = "train"
    ) -> Iterator[Content]:
        """`content`, `part` images at a time: their numbers are drawn at once, pixels when asked for."""
        kind_rng, place_rng, wave_rng, piece_rng, light_rng = streams(seed, 5)
        classes = len(self.class_names(config))
        # the classes in an order of each image's own, taken in turn: no image is of one class alone
        order = kind_rng.random((n, classes)).argsort(1)
        apart = 0.7 * config.side / np.sqrt(config.regions)
        numbers = {
            "kind": order[:, np.arange(config.regions) % classes],
            "centre": places(place_rng.random((n, config.regions, TRIES, 2)), 0, config.side, apart),
            "wave": wave_rng.random((n, 2, WAVES, 3)),
            "piece": piece_rng.random((n, config.regions, 4)),
            "light": light_rng.random((n, 2)),
        }
        for rows in spans(n, part):
            inner = spans(rows.stop - rows.start, AT_ONCE)
            mine = {key: value[rows] for key, value in numbers.items()}
            yield joined(
                _rendered(config, {key: value[some] for key, value in mine.items()}, split) for some in inner
            )


@functools.cache
def photograph(material: str, split: Split, coarse: bool = False) -> Tensor:
    """A half of a photograph, (256, 128) px, or (512, 256) coarse, of mean 0 and deviation 1. ConfigError."""
    with Image.open(packaged("skimage", "scikit-image", f"data/{material}.png")) as image:
        whole = torch.from_numpy(np.array(image)).float()
    middle = whole.shape[1] // 2
    half = whole[:, :middle] if split == "train" else whole[:, middle:]
    if not coarse:
        half = half.unflatten(0, (-1, 2)).unflatten(2, (-1, 2)).mean((1, 3))
    return (half - half.mean()) / half.std()


def _kinds(config: TexturesConfig) -> list[tuple[str, str, bool, bool]]:
    """The classes after the first: name, material, whether coarse, whether turned by a quarter."""
    if config.kinds == "scale":
        return [(f"{'coarse' if c else 'fine'} {m}", m, c, False) for m in MATERIALS for c in (False, True)]
    found = [(material, material, False, False) for material in MATERIALS]
    if config.kinds == "turn":
        found.insert(1, ("brick across", "brick", False, True))
    return found


def _rendered(config: TexturesConfig, numbers: dict[str, np.ndarray], split: Split) -> Content:
    """Images of the numbers that describe them."""
    n, side = len(numbers["kind"]), config.side
    piece = torch.from_numpy(_pieces(numbers["centre"], numbers["wave"], side))
    kind = torch.from_numpy(numbers["kind"])
    texture = torch.zeros(n, side, side)
    for k, (_, material, coarse, across) in enumerate(_kinds(config), start=1):
        photo = photograph(material, split, coarse)
        for region in range(config.regions):
            rows = np.flatnonzero(numbers["kind"][:, region] == k)
            seen = _piece(config, numbers["piece"][rows, region], photo, across)
            texture[rows] = torch.where(piece[rows] == region, seen, texture[rows])
    angle, strength = 2 * np.pi * numbers["light"][:, 0], config.gradient * numbers["light"][:, 1]
    light = torch.from_numpy(np.stack([np.cos(angle), np.sin(angle)], 1) * strength[:, None]).float()
    span = (torch.arange(side) + 0.5) / side - 0.5
    across, down = light[:, 0].view(-1, 1, 1) * span, light[:, 1].view(-1, 1, 1) * span.view(-1, 1)
    clean = (GREY + CONTRAST * texture) * (1 + across + down)
    labels = kind.gather(1, piece.flatten(1)).view(piece.shape)
    info = {
        "kind": kind,
        "cx": torch.from_numpy(numbers["centre"][..., 0]),
        "cy": torch.from_numpy(numbers["centre"][..., 1]),
        "light": light,
    }
    return Content(clean[:, None], labels, info)


def _pieces(centres: np.ndarray, wave: np.ndarray, side: int) -> np.ndarray:
    """Which point is nearest to each pixel, (n, side, side), once the plane is bent by a few waves."""
    pixel = (np.arange(side) + 0.5) / side
    bent = []
    for axis, phases in enumerate(wave.transpose(1, 0, 2, 3)):
        own = np.broadcast_to(pixel if axis == 0 else pixel[:, None], (len(wave), side, side)).copy()
        for along, across, phase in phases.transpose(1, 2, 0)[..., None, None]:
            # up to one and a half waves across the image, either way
            turns = (3 * along - 1.5) * pixel + (3 * across - 1.5) * pixel[:, None] + phase
            own += BEND * np.sin(2 * np.pi * turns)
        bent.append(own * side)
    x, y = bent
    away = [np.hypot(x - cx, y - cy) for cx, cy in centres.transpose(1, 2, 0)[..., None, None]]
    return np.argmin(away, 0)


def _piece(config: TexturesConfig, drawn: np.ndarray, photo: Tensor, across: bool) -> Tensor:
    """What is seen of a photograph through each of B windows at random, (B, side, side)."""
    across_, down, turn, zoom = drawn.T
    scale = ZOOM[0] * (ZOOM[1] / ZOOM[0]) ** zoom
    angle = 2 * np.pi * turn
    if config.kinds == "turn":
        angle = TILT * (2 * turn - 1) + np.pi / 2 * across
    height, width = photo.shape
    reach = np.minimum(config.side / scale * np.sqrt(2) / 2, width / 2)  # the window stays on the half
    at = np.stack([reach + across_ * (width - 2 * reach), reach + down * (height - 2 * reach)], 1)
    centre = np.full((len(drawn), 2), config.side / 2)
    photos = photo.expand(len(drawn), -1, -1)
    return sample(photos, config.side, centre, angle, scale, at, "reflection")[0]
