"""Noisy regular polygons on an empty ground: the paper's task, and harder relatives of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from fbseg_core.config import ShapesConfig
from fbseg_core.tasks.base import Content, Split, Task, normalised, spans, streams

NAMES = {
    0: "circle", 3: "triangle", 4: "square", 5: "pentagon", 6: "hexagon", 7: "heptagon", 8: "octagon",
}  # fmt: skip


class Shapes(Task[ShapesConfig]):
    """Regular polygons and circles of value 1 on 0; a pixel belongs to a shape if its centre does."""

    config = ShapesConfig

    def channel_names(self, config: ShapesConfig) -> tuple[str, ...]:
        return tuple(f"noise channel {i + 1}" for i in range(config.channels))

    def class_names(self, config: ShapesConfig) -> tuple[str, ...]:
        if config.multiclass:
            return ("background", *(NAMES[sides] for sides in config.sides))
        return ("background", NAMES[config.sides[0]] if len(config.sides) == 1 else "shape")

    def content(self, config: ShapesConfig, n: int, seed: int, split: Split = "train") -> Content:
        """Draw n images. info: cx, cy, radius (px), angle (rad), sides, each (n, count).

        With jitter also corners (n, count, 8), the radius of each as a share of `radius`; the first `sides`
        of them count.
        """
        return next(Shapes.contents(self, config, n, seed, n, split))

    def contents(
        self, config: ShapesConfig, n: int, seed: int, part: int, split: Split = "train"
    ) -> Iterator[Content]:
        """`content`, `part` images at a time: their numbers are drawn at once, pixels when asked for."""
        kind_rng, radius_rng, x_rng, y_rng, angle_rng, corner_rng = streams(seed, 6)
        size = (n, config.count)
        kind = kind_rng.integers(0, len(config.sides), size)
        radius = radius_rng.uniform(config.radius_min, config.radius_max, size) * config.side
        reach = radius * (1 + config.jitter)
        lo, hi = (reach, config.side - reach) if config.border == "inside" else (0.0, config.side)
        cx, cy = lo + x_rng.random(size) * (hi - lo), lo + y_rng.random(size) * (hi - lo)
        turn = angle_rng.uniform(0, 2 * math.pi, size)
        angle = turn if config.rotate else np.full(size, -math.pi / 2)  # a vertex on top
        numbers = {"cx": cx, "cy": cy, "radius": radius, "angle": angle, "kind": kind}
        if config.jitter:
            numbers["corners"] = 1 + config.jitter * corner_rng.uniform(-1, 1, (*size, max(NAMES)))
        for rows in spans(n, part):
            yield _rendered(config, {key: one[rows] for key, one in numbers.items()})

    def drawn(self, config: ShapesConfig, mask: Tensor, cue: tuple[int, int] | None = None) -> Content:
        """The mask as the one shape; of several classes it is the first."""
        labels = mask.long()[None]
        return Content(labels.float()[:, None].repeat(1, config.channels, 1, 1), labels)

    def sketch(self, config: ShapesConfig, content: Content) -> tuple[Tensor, None]:
        return content.labels[0] > 0, None

    def normalise(self, config: ShapesConfig, x: Tensor) -> Tensor:
        return normalised(x, config.normalise)


def cover(side: int, cx, cy, radius, angle, sides: int) -> np.ndarray:
    """Pixels whose centre lies in a regular polygon (sides ≥ 3) or a circle (sides = 0).

    cx, cy, radius (px) and angle of the first vertex (rad) are arrays (N,); returns (N, side, side) bool.
    A convex polygon is the intersection of its edges' half-planes.
    """
    centre = np.arange(side) + 0.5
    dx = centre[None, None, :] - np.asarray(cx)[:, None, None]
    dy = centre[None, :, None] - np.asarray(cy)[:, None, None]
    radius = np.asarray(radius)[:, None, None]
    if sides == 0:
        return dx * dx + dy * dy <= radius * radius
    inside = np.ones((len(dx), side, side), bool)
    for k in range(sides):
        normal = np.asarray(angle)[:, None, None] + (2 * k + 1) * math.pi / sides
        inside &= dx * np.cos(normal) + dy * np.sin(normal) <= radius * math.cos(math.pi / sides)
    return inside


def cover_jittered(side: int, cx, cy, radii, angle) -> np.ndarray:
    """Pixels whose centre lies in a polygon whose corners have radii of their own, at equal angles.

    cx, cy and angle of the first corner as in `cover`; radii (N, sides) px, each above 0, of at least three
    corners; returns (N, side, side) bool. Seen from its centre such a polygon is a fan of triangles.
    """
    centre = np.arange(side) + 0.5
    x = centre[None, None, :] - np.asarray(cx)[:, None, None]
    y = centre[None, :, None] - np.asarray(cy)[:, None, None]
    sides = radii.shape[1]
    turns = np.asarray(angle)[:, None] + 2 * math.pi * np.arange(sides) / sides
    ends_x, ends_y = (radii * one(turns) for one in (np.cos, np.sin))
    inside = np.zeros((len(x), side, side), bool)
    for k in range(sides):
        (ax, bx), (ay, by) = (
            (end[:, k, None, None], end[:, (k + 1) % sides, None, None]) for end in (ends_x, ends_y)
        )
        between = (ax * y - ay * x >= 0) & (x * by - y * bx >= 0)
        inside |= between & ((bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0)
    return inside


def _rendered(config: ShapesConfig, numbers: dict[str, np.ndarray]) -> Content:
    """Images of the numbers that describe them, each (B, count, …); kind is an index into config.sides."""
    cx, cy, radius, angle, kind = (numbers[key] for key in ("cx", "cy", "radius", "angle", "kind"))
    labels = np.zeros((len(kind), config.side, config.side), np.int64)
    for j in range(config.count):
        for k, sides in enumerate(config.sides):
            rows = np.flatnonzero(kind[:, j] == k)
            place = config.side, cx[rows, j], cy[rows, j]
            if config.jitter and sides:
                radii = radius[rows, j, None] * numbers["corners"][rows, j, :sides]
                inside = cover_jittered(*place, radii, angle[rows, j])
            else:
                inside = cover(*place, radius[rows, j], angle[rows, j], sides)
            value = k + 1 if config.multiclass else 1
            labels[rows] = np.where(inside, value, labels[rows])
    labels = torch.from_numpy(labels)
    clean = (labels > 0).float()[:, None].repeat(1, config.channels, 1, 1)
    info = {**numbers, "sides": np.array(config.sides)[kind]}
    del info["kind"]
    return Content(clean, labels, {key: torch.from_numpy(value) for key, value in info.items()})
