"""A family of single shapes as cells of (centre, radius, angle, kind): prior, pixels, halves, filters.

A cell is a row (cx, cy, radius, angle, k): the middle of a small box, lengths in px, angle in rad, k the
place of its kind in `config.sides`. It stands for the shape drawn there, which covers the same pixels as
`fbseg_core.tasks.shapes.cover` says. A convex shape covers one run of pixels in each row, so sums over
its pixels are differences of running sums: a cell costs its rows, not its pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor

from fbseg_core.config import ShapesConfig
from fbseg_core.tasks.shapes import cover

AT_ONCE = 4096  # cells whose rows are held in memory together
HELD = 2**19  # numbers in one stack of filtered images, 4 MB
EDGE = 1e-6  # px added to the range of the centre, which is else empty where 2·radius = side


@dataclass(frozen=True)
class Family:
    """The shapes that `config` (count 1) may draw, cut into boxes `level` halvings below the coarse ones.

    Coarse boxes are `step` px wide in cx and cy; `radii` of them share the range of the radius, and
    `angles[k]` of them one turn of kind k onto itself.
    """

    config: ShapesConfig
    step: float
    level: int = 0

    @property
    def radii(self) -> int:
        return max(1, math.ceil(self._radius_range / self.step - 1e-9))

    @property
    def angles(self) -> tuple[int, ...]:
        """Turning moves area at about half the pace of shifting, hence the 2."""
        longest = self.config.radius_max * self.config.side
        return tuple(max(1, math.ceil(turn * longest / (2 * self.step))) for turn in self._turns)

    @property
    def coarse(self) -> Iterator[tuple[int, float, float]]:
        """(k, radius, angle) of every coarse box; its centres are at (i + ½)·step."""
        for k, number in enumerate(self.angles):
            for a, r in itertools.product(range(number), range(self.radii)):
                start = 0.0 if self._turns[k] else -math.pi / 2
                radius = (
                    self.config.radius_min * self.config.side + (r + 0.5) * self._radius_range / self.radii
                )
                yield k, radius, start + (a + 0.5 if self._turns[k] else 0) * self._turns[k] / number

    def halve(self, cells: Tensor) -> tuple[Family, Tensor]:
        """The family one level down, and the boxes (N·2^d, 5) that cells (N, 5) fall into."""
        sign = [(-1.0, 1.0)] * 2 + [(-1.0, 1.0) if on else (0.0,) for on in self._split]
        signs = cells.new_tensor(list(itertools.product(*sign)))
        half = torch.empty_like(cells[:, :4])
        half[:, :2] = self.step * 0.5**self.level
        half[:, 2] = self._radius_range / self.radii * 0.5**self.level
        widths = [turn / number for turn, number in zip(self._turns, self.angles)]
        half[:, 3] = cells.new_tensor(widths)[cells[:, 4].long()] * 0.5**self.level
        moved = cells[:, None, :4] + signs * half[:, None] / 4
        kind = cells[:, None, 4:].expand(-1, len(signs), -1)
        return Family(self.config, self.step, self.level + 1), torch.cat([moved, kind], 2).flatten(0, 1)

    def log_prior(self, cells: Tensor, slack: bool = False) -> Tensor:
        """Log probability (N,) that the shape lies in each box, −∞ where the family has no such shape.

        Where shapes lie inside the border, the centre's range depends on the radius, and the middle's is
        used; with `slack` the widest of the box's, so that −∞ means that no part of the box is possible.
        """
        side, width = self.config.side, self.step * 0.5**self.level
        lo = torch.zeros_like(cells[:, 2])
        if self.config.border == "inside":
            lo = cells[:, 2] - slack * 0.5 * self._radius_range / self.radii * 0.5**self.level
        centre, lo, hi = cells[:, :2], lo[:, None] - EDGE, side - lo[:, None] + EDGE
        part = torch.minimum(hi, centre + width / 2) - torch.maximum(lo, centre - width / 2)
        boxes = cells.new_tensor(self.angles)[cells[:, 4].long()] * self.radii * len(self.config.sides)
        halved = sum(self._split) * self.level * math.log(2)
        return (part.clamp_min(0) / (hi - lo)).log().sum(1) - boxes.log() - halved

    @property
    def _smallest(self) -> float:
        return self.config.radius_min * self.config.side

    @property
    def _radius_range(self) -> float:
        return (self.config.radius_max - self.config.radius_min) * self.config.side

    @property
    def _turns(self) -> tuple[float, ...]:
        """Angle in rad after which each kind looks the same; 0 where it is not turned."""
        return tuple(2 * math.pi / n if n and self.config.rotate else 0.0 for n in self.config.sides)

    @property
    def _split(self) -> tuple[bool, bool]:
        return self._radius_range > 0, any(self._turns)


def log_likelihood(config: ShapesConfig, cells: Tensor, evidence: Tensor) -> Tensor:
    """Sum (N,) over the pixels of each cell's shape of evidence (H, W), nats a pixel."""
    width = config.side + 1
    runs = torch.nn.functional.pad(evidence.cumsum(1), (1, 0)).flatten()
    parts = [
        (runs[row * width + stop] - runs[row * width + start]).sum(1)
        for row, start, stop in _runs(config, cells)
    ]
    return torch.cat(parts)


def coverage(config: ShapesConfig, cells: Tensor, weights: Tensor) -> Tensor:
    """Sum (H, W) of the cells' shapes, each a mask of ones times its weight (N,)."""
    width = config.side + 1
    steps = weights.new_zeros(config.side * width)
    first = 0
    for row, start, stop in _runs(config, cells):
        share = weights[first : first + len(row), None].expand(row.shape).flatten()
        steps.index_add_(0, (row * width + start).flatten(), share)
        steps.index_add_(0, (row * width + stop).flatten(), -share)
        first += len(row)
    return steps.view(config.side, width).cumsum(1)[:, :-1]


@dataclass(frozen=True)
class Filters:
    """Templates of some radii, angles, kinds and sub-pixel offsets, as spectra (F, n, n//2+1).

    n leaves room for a shape beyond the border, so that nothing wraps round into the image.
    """

    spectra: Tensor
    side: int
    stride: int

    def apply(self, evidence: Tensor) -> Tensor:
        """Evidence (H, W) under each template at every centre, in the order of the cells."""
        n = self.spectra.shape[1]
        found = torch.fft.irfft2(torch.fft.rfft2(evidence, (n, n)) * self.spectra.conj(), (n, n))
        return found[:, : self.side : self.stride, : self.side : self.stride].flatten()

    def back(self, weights: Tensor) -> Tensor:
        """The sum (H, W) of all templates at all centres, each times its weight."""
        n = self.spectra.shape[1]
        placed = weights.new_zeros(len(self.spectra), n, n)
        lattice = placed[:, : self.side : self.stride, : self.side : self.stride]
        lattice.copy_(weights.view(lattice.shape))
        whole = (torch.fft.rfft2(placed) * self.spectra).sum(0)
        return torch.fft.irfft2(whole, (n, n))[: self.side, : self.side].clamp_min(0)


def filters(family: Family) -> Iterator[tuple[Tensor, Filters]]:
    """All coarse boxes and their filters, a bounded number at a time; cells (F·h·w, 5)."""
    config, step = family.config, family.step
    reach = math.ceil(config.radius_max * config.side) + 1
    n = next_fast_len(config.side + reach + math.ceil(step), real=True)
    stride, offsets = max(1, int(step)), (np.arange(max(1, round(1 / step))) + 0.5) * step
    lattice = np.arange(0, config.side, stride)
    todo = [(x, y, radius, angle, k) for k, radius, angle in family.coarse for y in offsets for x in offsets]
    at_once = max(1, HELD // n**2)
    for first in range(0, len(todo), at_once):
        table = np.array(todo[first : first + at_once])
        masks = np.zeros((len(table), n, n))
        window = 2 * reach + stride
        for k, sides in enumerate(config.sides):
            x, y, radius, angle, _ = table[table[:, 4] == k].T
            small = cover(window, x + reach, y + reach, radius, angle, sides)
            masks[table[:, 4] == k, :window, :window] = small
        masks = torch.from_numpy(masks).roll((-reach, -reach), (1, 2))
        cells = np.broadcast_to(table[:, None, None], (len(table), len(lattice), len(lattice), 5)).copy()
        cells[..., 0] += lattice
        cells[..., 1] += lattice[:, None]
        yield (
            torch.from_numpy(cells).flatten(0, 2),
            Filters(torch.fft.rfft2(masks), config.side, stride),
        )


def _runs(config: ShapesConfig, cells: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows that each cell may touch, and in each the run start … stop − 1 it covers; (n, rows) int64."""
    rows = min(config.side, 2 * math.ceil(config.radius_max * config.side) + 2)
    for part in cells.split(AT_ONCE):
        cx, cy, radius, angle, kind = (column[:, None] for column in part.unbind(1))
        row = (cy - radius - 0.5).ceil().clamp(0, config.side - rows) + torch.arange(rows)
        dy = row + 0.5 - cy
        left, right = torch.full_like(dy, -math.inf), torch.full_like(dy, math.inf)
        for k, sides in enumerate(config.sides):
            mine = slice(None) if len(config.sides) == 1 else (kind == k)[:, 0]
            left[mine], right[mine] = _chord(dy[mine], radius[mine], angle[mine], sides)
        start = (cx + left - 0.5).ceil().clamp(0, config.side)
        stop = ((cx + right - 0.5).floor() + 1).clamp(0, config.side)
        yield row.long(), start.long(), torch.maximum(start, stop).long()


def _chord(dy: Tensor, radius: Tensor, angle: Tensor, sides: int) -> tuple[Tensor, Tensor]:
    """The shape's left and right end (n, rows) from cx at height dy; left > right where none."""
    if not sides:
        half = (radius * radius - dy * dy).sqrt()  # nan above and below the circle
        return (-half).nan_to_num(math.inf), half.nan_to_num(-math.inf)
    left, right = -radius.expand_as(dy), radius.expand_as(dy)
    for k in range(sides):
        normal = angle + (2 * k + 1) * math.pi / sides
        cos, room = normal.cos(), radius * math.cos(math.pi / sides) - dy * normal.sin()
        level = cos.abs() < 1e-12
        end = room / torch.where(level, 1.0, cos)
        right = torch.minimum(right, torch.where(cos > 0, end, math.inf).where(~level, math.inf))
        left = torch.maximum(left, torch.where(cos < 0, end, -math.inf).where(~level, -math.inf))
        right = right.where(~level | (room >= 0), -math.inf)
    return left, right
