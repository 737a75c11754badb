"""What tasks share whose images are put together from pieces of real ones."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fbseg_core.settings import ConfigError

TRIES = 24  # places that are drawn for each piece, of which the first far enough from the others is taken


def packaged(package: str, name: str, file: str) -> Path:
    """A file that comes with a package, which is not imported: that would take seconds of a process's start.

    name: what pip calls the package. Raises ConfigError where either is missing.
    """
    found = find_spec(package)
    path = Path(found.origin).parent / file if found and found.origin else None
    if path is None or not path.is_file():
        raise ConfigError(f"name: this task's images come with {name}; install it: pip install {name}.")
    return path


def sample(sources: Tensor, size: int, centre: np.ndarray, turn: np.ndarray, scale: np.ndarray,
           at: np.ndarray, beyond: str = "zeros") -> tuple[Tensor, Tensor]:  # fmt: skip
    """Put one source on each of B canvases: what is seen of it, (B, size, size), and where from.

    sources (B, h, w); centre (B, 2): x, y on the canvas, px; turn (B,) rad; scale (B,): px of the canvas to a
    px of the source; at (B, 2): the x, y in the source, px, that comes to lie on the centre. beyond: what is
    seen past the source's border, "zeros" or its "reflection". Where from: (B, size, size, 2), x and y in px
    from `at`. Written in operations on single numbers, so that an image does not depend on its batch.
    """
    height, width = sources.shape[1:]
    centre, turn, scale, at = (
        torch.from_numpy(np.asarray(one, np.float32)) for one in (centre, turn, scale, at)
    )
    pixel = torch.arange(size) + 0.5
    dx = (pixel.view(1, 1, -1) - centre[:, 0].view(-1, 1, 1)) / scale.view(-1, 1, 1)
    dy = (pixel.view(1, -1, 1) - centre[:, 1].view(-1, 1, 1)) / scale.view(-1, 1, 1)
    cos, sin = turn.cos().view(-1, 1, 1), turn.sin().view(-1, 1, 1)
    away = torch.stack([cos * dx + sin * dy, cos * dy - sin * dx], -1)
    if not len(sources):  # which grid_sample refuses
        return sources.new_zeros(0, size, size), away
    place = (away + at.view(-1, 1, 1, 2)) / torch.tensor([width, height]) * 2 - 1
    seen = F.grid_sample(sources[:, None], place, padding_mode=beyond, align_corners=False)
    return seen[:, 0], away


def places(random: np.ndarray, least: float, span: float, apart: float) -> np.ndarray:
    """Centres (n, k, 2) in [least, least + span], from random numbers (n, k, TRIES, 2).

    Each keeps the distance `apart` to the others where there is room: it is the first of its tries that is
    so far from those before it, or else the farthest.
    """
    tries = least + span * random
    n, k = tries.shape[:2]
    chosen = np.zeros((n, k, 2))
    for j in range(k):
        away = np.linalg.norm(tries[:, j, :, None] - chosen[:, None, :j], axis=-1)  # n, TRIES, j
        nearest = away.min(-1, initial=np.inf)
        clear = nearest >= apart
        best = np.where(clear.any(1), clear.argmax(1), nearest.argmax(1))
        chosen[:, j] = tries[np.arange(n), j, best]
    return chosen
