"""PCA of a trajectory over time, with axes that stay put (the paper's Figure 5 and 6).

Fitted once on one trajectory, then reused for others, so that all of them can be drawn in one plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

from fbseg_core.rollout import Trajectory

PIXELS = 512  # pixels kept of each image: PCA over time has at most T+1 directions, so a sample will do

What = Literal["h", "u", "v", "logits"]


@dataclass(frozen=True)
class Projection:
    """A plane fitted to one trajectory.

    points (T+1, k): the fitted trajectory in it; explained (k,): shares of variance, falling, sum ≤ 1;
    components (k, D) orthonormal rows and mean (D,): the plane itself, D = channels × pixels kept.
    Distances in the plane are those of the sampled pixels, not of the whole state.
    """

    points: np.ndarray
    explained: np.ndarray
    components: np.ndarray
    mean: np.ndarray
    what: What
    image: int
    pixels: np.ndarray
    size: tuple[int, ...]

    def transform(self, trajectory: Trajectory, image: int | None = None) -> np.ndarray:
        """Another trajectory of the same size in this plane, (T'+1, k). `image` is its row in the batch.

        Raises ValueError where its channels or pixels do not fit the plane.
        """
        size = tuple(trajectory.h.shape[-2:])
        if size != self.size:
            raise ValueError(f"the plane is of images of {self.size} px, the trajectory of {size} px")
        rows = _rows(trajectory, self.what, self.image if image is None else image, self.pixels)
        if rows.shape[1] != len(self.mean):
            raise ValueError(f"the plane has {len(self.mean)} coordinates, the trajectory {rows.shape[1]}")
        return (rows - self.mean) @ self.components.T


def pca(
    trajectory: Trajectory, k: int = 2, *, what: What = "h", image: int = 0, pixels: int = PIXELS
) -> Projection:
    """Fit k principal axes over time to one image's h, u, v or logits.

    At most `pixels` pixels, evenly spaced, stand for the image. Each axis is turned so that the last
    point lies on its positive side. A trajectory shorter than k steps leaves its last axes empty.
    """
    from sklearn.decomposition import PCA  # over a second to import: not on the first page's path

    height, width = trajectory.h.shape[-2:]
    chosen = np.linspace(0, height * width - 1, min(pixels, height * width)).round().astype(int)
    rows = _rows(trajectory, what, image, chosen)
    axes = min(k, *rows.shape)
    with np.errstate(invalid="ignore"):  # a single point has no variance to share out
        fitted = PCA(axes, svd_solver="full").fit(rows)
    components = np.zeros((k, rows.shape[1]), rows.dtype)
    components[:axes] = fitted.components_
    explained = np.zeros(k)
    explained[:axes] = np.nan_to_num(fitted.explained_variance_ratio_)
    points = (rows - fitted.mean_) @ components.T
    signs = np.where(points[-1] < 0, -1.0, 1.0)
    return Projection(
        points * signs,
        explained,
        components * signs[:, None],
        fitted.mean_,
        what,
        image,
        chosen,
        (height, width),
    )


def _rows(trajectory: Trajectory, what: What, image: int, pixels: np.ndarray) -> np.ndarray:
    """One row a time step, (T+1, channels × pixels) float64."""
    values: Tensor = getattr(trajectory, what)[:, image]
    flat = values.flatten(2)[..., pixels].flatten(1)
    return flat.double().cpu().numpy()
