"""Pictures of regions for incremental grouping: blobs, curves, and mazes with and without rings.

Each generator draws `n` pictures (n, H, W) bool, one after the other from one random stream. What is said of
`scale` and `coverage` stands in `GroupingConfig`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter1d
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from fbseg_core.config import GroupingConfig

PARTS = 4  # regions that a maze falls into
RINGS = 0.5  # share of the ways left out of a maze's trees that come back to close rings


def blobs(config: GroupingConfig, rng: np.random.Generator, n: int) -> np.ndarray:
    """White noise, blurred; its highest `coverage` share is kept."""
    field = _smooth(config.side, config.scale, rng, n)
    cut = np.quantile(field.reshape(n, -1), 1 - config.coverage, axis=1)
    return field > cut[:, None, None]


def curves(config: GroupingConfig, rng: np.random.Generator, n: int) -> np.ndarray:
    """Bands of one width along the lines on which smooth noise is zero.

    Such lines are closed or run from border to border and never cross; where two pass closer than a pixel
    their bands touch, and the two are one region. The blur is chosen for the coverage: lines of zeros of
    noise that is blurred by s are 1 / (√8 s) long a pixel (Rice's formula in the plane).
    """
    width = 2 * config.scale
    positive = _smooth(config.side, width / (math.sqrt(8) * config.coverage), rng, n) > 0
    # each pixel's distance to the nearest one of the other sign; the line runs half a pixel before that
    away = [distance_transform_edt(each) + distance_transform_edt(~each) for each in positive]
    return np.stack(away) - 0.5 < width / 2


def maze(config: GroupingConfig, rng: np.random.Generator, n: int) -> np.ndarray:
    """Ways of one width along a grid that branch and never close: random spanning trees, cut into PARTS."""
    return np.stack([_maze(config.side, 2 * config.scale, config.coverage, rng) for _ in range(n)])


def rings(config: GroupingConfig, rng: np.random.Generator, n: int) -> np.ndarray:
    """Mazes in which ways close to rings, so that the mask meets itself (Bansal et al.'s nets, trained on
    trees, fail there: arXiv 2410.03020)."""
    return np.stack([_maze(config.side, 2 * config.scale, config.coverage, rng, RINGS) for _ in range(n)])


GENERATORS: dict[str, Callable[[GroupingConfig, np.random.Generator, int], np.ndarray]] = {
    "blobs": blobs, "curves": curves, "maze": maze, "rings": rings,
}  # fmt: skip


def _smooth(side: int, blur: float, rng: np.random.Generator, n: int) -> np.ndarray:
    """White noise blurred by a Gaussian of that deviation in px, (n, side, side) float32."""
    field = rng.standard_normal((n, side, side), dtype=np.float32)
    for axis in (1, 2):
        field = gaussian_filter1d(field, blur, axis=axis, mode="nearest", truncate=3.0)
    return field


def _maze(
    side: int, width: float, coverage: float, rng: np.random.Generator, closed: float = 0.0
) -> np.ndarray:
    """closed: share of the ways that would close a ring within a region which are there."""
    way = max(round(width), 1)
    wall = max(round(way * (1 - coverage) / coverage), 1)  # a tree's ways then cover way / (way + wall)
    cells = max((side + wall) // (way + wall), 1)
    number = np.arange(cells**2).reshape(cells, cells)
    pairs = np.concatenate([
        np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], 1),
        np.stack([number[:-1].ravel(), number[1:].ravel()], 1),
    ])  # fmt: skip
    weights = 1 + rng.random(len(pairs))  # never 0, which a sparse graph takes for no edge
    tree = minimum_spanning_tree(coo_array((weights, pairs.T), shape=(cells**2, cells**2))).tocoo()
    kept = rng.permutation(tree.nnz)[PARTS - 1 :]
    grid = np.zeros((2 * cells - 1, 2 * cells - 1), bool)
    grid[::2, ::2] = True
    ends = np.stack([end[kept] for end in tree.coords])
    if closed:
        ways = coo_array((np.ones(ends.shape[1]), ends), shape=(cells**2, cells**2))
        region = connected_components(ways, directed=False)[1]
        within = pairs[region[pairs[:, 0]] == region[pairs[:, 1]]]
        ends = np.concatenate([ends, within[rng.random(len(within)) < closed].T], 1)
    rows, columns = np.divmod(ends, cells)
    grid[rows.sum(0), columns.sum(0)] = True  # halfway between two cells
    sizes = np.resize([way, wall], 2 * cells - 1)
    drawn = grid.repeat(sizes, 0).repeat(sizes, 1)[:side, :side]
    picture = np.zeros((side, side), bool)
    top, left = rng.integers(0, side - len(drawn) + 1, 2)
    picture[top : top + len(drawn), left : left + len(drawn)] = drawn
    return picture
