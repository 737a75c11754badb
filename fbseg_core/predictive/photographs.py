"""Patches of photographs: the two that come with scikit-learn, grey, at half their size and whitened.

As in Olshausen and Field (1996), each photograph is filtered by f·exp(−(f/f₀)⁴), f₀ = 0.4 cycles a pixel,
which evens out its frequencies, and brought to variance 1. The right three fifths of each are for training,
the left two fifths are for tests. Patches of little contrast, such as of an empty sky, are passed over.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from fbseg_core.config import PhotographsConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks.base import Split

NAMES = ("china.jpg", "flower.jpg")
CUTOFF = 0.4  # cycles a pixel
TESTED = 0.4  # share of a photograph's width, from the left
LEAST = 0.5  # standard deviation of a patch; that of its photograph is 1


def patches(config: PhotographsConfig, n: int, seed: int, split: Split = "train") -> Tensor:
    """n patches (n, 1, side, side) float32. Same arguments, same patches; the two splits share no pixel.

    Raises ConfigError where Pillow, which scikit-learn reads its photographs by, is not installed.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    found = []
    while len(found) < n:
        whole = photographs()[rng.integers(len(NAMES))]
        edge = int(whole.shape[1] * TESTED)
        part = whole[:, edge:] if split == "train" else whole[:, :edge]
        row, column = (rng.integers(size - config.side + 1) for size in part.shape)
        patch = part[row : row + config.side, column : column + config.side]
        if patch.std() >= LEAST:
            found.append(patch)
    return torch.from_numpy(np.stack(found))[:, None]


@functools.cache
def photographs() -> tuple[np.ndarray, ...]:
    """Both photographs, whitened, (H, W) float32."""
    try:
        from sklearn.datasets import load_sample_image  # some 0.4 s, and only for training

        raw = [load_sample_image(name).astype(np.float64).mean(2) for name in NAMES]
    except ImportError:
        raise ConfigError("photographs: they are read by Pillow; install it (pip install pillow).") from None
    return tuple(whitened(halved(one)) for one in raw)


def halved(grey: np.ndarray) -> np.ndarray:
    """Means over 2 × 2 px: (H, W) -> (H/2, W/2), but for a last odd row or column."""
    height, width = (side // 2 for side in grey.shape)
    return grey[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def whitened(grey: np.ndarray) -> np.ndarray:
    """An image (H, W), its frequencies brought to about equal power, of mean 0 and variance 1, float32."""
    fy, fx = (np.fft.fftfreq(side) for side in grey.shape)
    f = np.hypot(fy[:, None], fx[None, :])
    flat = np.fft.ifft2(np.fft.fft2(grey) * f * np.exp(-((f / CUTOFF) ** 4))).real
    return (flat / flat.std()).astype(np.float32)
