"""PCA of a trajectory over time, with axes that stay put (the paper's Figure 5 and 6).

Fitted once on one trajectory, then reused for others, so that all of them can be drawn in one plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from fbseg_core.rollout.trajectory import Trajectory

PIXELS = 512  # pixels kept of each image: PCA over time has at most T+1 directions, so a sample will do

What = Literal["h", "u", "v", "logits"]


@dataclass(frozen=True)
class Projection:
    """A plane fitted to one trajectory.

    points (T+1, k): the fitted trajectory in it, or (G, T+1, k) with G regions; explained (k,): shares of
    variance, falling, sum ≤ 1; components (k, D) orthonormal rows and mean (D,): the plane itself. A point
    is the state of D = channels × pixels kept; with regions (G, H·W) bool it is a region's mean, and
    D = channels. Distances in the plane are those of what was kept, not of the whole state.
    """

    points: np.ndarray
    explained: np.ndarray
    components: np.ndarray
    mean: np.ndarray
    what: What
    image: int
    pixels: np.ndarray
    size: tuple[int, ...]
    regions: np.ndarray | None = None

    def transform(self, trajectory: Trajectory, image: int | None = None) -> np.ndarray:
        """Another trajectory of the same size in this plane, shaped like `points`. `image` is its row.

        Raises ValueError where its channels or pixels do not fit the plane.
        """
        return self.place(getattr(trajectory, self.what)[:, self.image if image is None else image])

    def place(self, values: Tensor) -> np.ndarray:
        """States (N, channels, H, W) of `what` in this plane, (N, k), or (G, N, k) with regions.

        Raises ValueError as `transform` does.
        """
        size = tuple(values.shape[-2:])
        if size != self.size:
            raise ValueError(f"the plane is of images of {self.size} px, the trajectory of {size} px")
        rows = _rows(values, self.pixels, self.regions)
        if rows.shape[-1] != len(self.mean):
            raise ValueError(f"the plane has {len(self.mean)} coordinates, the trajectory {rows.shape[-1]}")
        return (rows - self.mean) @ self.components.T


def pca(
    trajectory: Trajectory,
    k: int = 2,
    *,
    what: What = "h",
    image: int = 0,
    pixels: int = PIXELS,
    regions: Tensor | None = None,
) -> Projection:
    """Fit k principal axes over time to one image's h, u, v or logits; the rest is as in `fit_plane`."""
    values = getattr(trajectory, what)[:, image]
    return fit_plane(values, k, what=what, image=image, pixels=pixels, regions=regions)


def fit_plane(
    values: Tensor,
    k: int = 2,
    *,
    what: What = "h",
    image: int = 0,
    pixels: int = PIXELS,
    regions: Tensor | None = None,
) -> Projection:
    """Fit k principal axes to states (N, channels, H, W) of `what`, of one run or of several in a row.

    At most `pixels` pixels, evenly spaced, stand for the image; or, given regions (G, H, W) bool, the means
    over each of them, in one plane for all (the paper's Figure 5: shape and background). Each axis is turned
    so that the (first region's) last point lies on its positive side. Fewer than k + 1 states
    leave the last axes empty. Raises ValueError for a region without pixels.
    """
    from sklearn.decomposition import PCA  # over a second to import: not on the first page's path

    height, width = values.shape[-2:]
    chosen = np.linspace(0, height * width - 1, min(pixels, height * width)).round().astype(int)
    kept = None if regions is None else regions.flatten(1).cpu().numpy().astype(bool)
    if kept is not None and not kept.any(1).all():
        raise ValueError("a region without pixels has no mean")
    rows = _rows(values, chosen, kept)
    flat = rows.reshape(-1, rows.shape[-1])
    axes = min(k, *flat.shape)
    with np.errstate(invalid="ignore"):  # a single point has no variance to share out
        fitted = PCA(axes, svd_solver="full").fit(flat)
    components = np.zeros((k, flat.shape[1]), flat.dtype)
    components[:axes] = fitted.components_
    explained = np.zeros(k)
    explained[:axes] = np.nan_to_num(fitted.explained_variance_ratio_)
    points = (rows - fitted.mean_) @ components.T
    last = points[-1] if kept is None else points[0, -1]
    signs = np.where(last < 0, -1.0, 1.0)
    return Projection(
        points * signs,
        explained,
        components * signs[:, None],
        fitted.mean_,
        what,
        image,
        chosen,
        (height, width),
        kept,
    )


def _rows(values: Tensor, pixels: np.ndarray, regions: np.ndarray | None) -> np.ndarray:
    """One row a time step, float64: (N, channels × pixels), or (G, N, channels) with regions."""
    flat = values.flatten(2)
    if regions is None:
        return flat[..., pixels].flatten(1).double().cpu().numpy()
    flat = flat.double().cpu().numpy()
    return np.stack([flat[..., region].mean(-1) for region in regions])
