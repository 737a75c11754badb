"""Image and mask files as arrays, read only once their size is known to be allowed.

Each fault is a ConfigError of one sentence that names the file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fbseg_core.settings import ConfigError

FORMATS = ["PNG", "JPEG", "TIFF"]
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
LARGEST = 2**25  # pixels of an image: decoded, three channels then take 100 MB
VOID = 255


def size_of(path: Path, name: str) -> tuple[int, int]:
    """(H, W) in px, from the file's head alone."""
    with _opened(path, name) as picture:
        return picture.height, picture.width


def read_image(path: Path, name: str, channels: int) -> np.ndarray:
    """Grey levels (H, W, channels) uint8; of an image of 16 bits the upper eight."""
    with _opened(path, name) as picture:
        _decode(picture, name)
        if picture.mode.startswith("I"):  # which convert() would cut off at 255
            values = (np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)
            return np.repeat(values[..., None], channels, 2)
        if picture.mode == "F":
            raise ConfigError(f"{name}: floating-point images are not taken; save it with 8 bits.")
        values = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
        return values[..., None] if values.ndim == 2 else values


def read_mask(path: Path, name: str) -> np.ndarray:
    """The number at each pixel, (H, W) uint8: of a palette image its index, never its colour."""
    with _opened(path, name) as picture:
        if picture.mode.startswith("I") or picture.mode == "F":
            raise ConfigError(f"{name}: this mask has 16 bits or more; save it with 8 bits a pixel.")
        if picture.mode not in ("P", "L", "1"):
            raise ConfigError(
                f"{name}: this mask is in colour ({picture.mode}); save class numbers, grey or as a palette."
            )
        _decode(picture, name)
        values = np.asarray(picture)
        return values.astype(np.uint8) * (255 if picture.mode == "1" else 1)


def _opened(path: Path, name: str) -> Image.Image:
    try:
        picture = Image.open(path, formats=FORMATS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ConfigError(f"{name}: this is no PNG, JPEG or TIFF that can be read.") from None
    if picture.width * picture.height > LARGEST:
        picture.close()
        raise ConfigError(
            f"{name}: {picture.height} × {picture.width} px are too many; up to {LARGEST:,} are taken."
        )
    return picture


def _decode(picture: Image.Image, name: str) -> None:
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ConfigError(f"{name}: this file is damaged; it cannot be decoded.") from None
