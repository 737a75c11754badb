"""Image and mask files as arrays, read only once their size is known to be allowed.

Each fault is a ConfigError of one sentence that names the file. What a picture shows is what a viewer shows:
turned as its EXIF says, transparent parts white. What would be changed without a word is refused: several
frames in one file, colours for print, masks as JPEG.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from fbseg_core.settings import ConfigError

FORMATS = ["PNG", "JPEG", "TIFF"]
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
LARGEST = 2**25  # pixels of an image: decoded, three channels then take 100 MB
VOID = 255
DEPTHS = (8, 10, 12, 14, 16)  # bits of grey that cameras and microscopes give
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX")
LONGEST = 60  # characters of a name in a sentence
WHITE = (255, 255, 255, 255)
TURNED = range(5, 9)  # EXIF orientations that swap height and width
ORIENTATION = 0x0112
# what Pillow raises for files that are damaged, here and there
UNREADABLE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError,
    RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # bounded here, and lower


def size_of(path: Path, name: str) -> tuple[int, int]:
    """(H, W) in px as it is shown, from the file's head alone."""
    name = called(name)
    with opened(path, name) as picture:
        if _is_turned(picture, name):
            return picture.width, picture.height
        return picture.height, picture.width


def read_image(path: Path | BinaryIO, name: str, channels: int) -> np.ndarray:
    """Grey levels (H, W, channels) uint8; of an image of 16 bits the upper eight of those that it uses."""
    name = called(name)
    with opened(path, name) as picture:
        values, bits = levels(decoded(picture, name), name, channels)
        return (values >> (bits - 8)).astype(np.uint8)


def read_mask(path: Path, name: str) -> np.ndarray:
    """The number at each pixel, (H, W) uint8: of a palette image its index, never its colour."""
    name = called(name)
    with opened(path, name) as picture:
        if picture.format != "PNG" and picture.format != "TIFF":
            raise ConfigError(f"{name}: this mask is a JPEG, which changes its numbers; save it as PNG.")
        if picture.mode.startswith("I") or picture.mode == "F":
            raise ConfigError(f"{name}: this mask has 16 bits or more; save it with 8 bits a pixel.")
        if picture.mode not in ("P", "L", "1"):
            raise ConfigError(
                f"{name}: this mask is in colour ({picture.mode}); save class numbers, grey or as a palette."
            )
        values = np.asarray(decoded(picture, name))
        return values.astype(np.uint8) * (255 if picture.mode == "1" else 1)


def called(name: str) -> str:
    """A file's name as a sentence has it: its end, where it is long, and nothing that is not printable."""
    name = "".join(c if c.isprintable() else "\ufffd" for c in name[-2 * LONGEST :])
    return name if len(name) <= LONGEST else "…" + name[1 - LONGEST :]


def opened(
    file: Path | BinaryIO, name: str, formats: Sequence[str] = FORMATS, largest: int = LARGEST
) -> Image.Image:
    """A picture that is to be decoded yet, of so many pixels at most. Raises ConfigError."""
    kinds = f"{', '.join(formats[:-1])} or {formats[-1]}"
    try:
        picture = Image.open(file, formats=formats)
    except Image.DecompressionBombError:
        raise ConfigError(f"{name}: it has far too many pixels; up to {largest:,} are taken.") from None
    except UNREADABLE:
        raise ConfigError(f"{name}: this is no {kinds} that can be read.") from None
    try:
        if picture.width * picture.height > largest:
            raise ConfigError(
                f"{name}: {picture.height} × {picture.width} px are too many; up to {largest:,} are taken."
            )
        if picture.format != "MPO" and _has_more(picture, name):  # a phone's JPEG with its preview
            raise ConfigError(f"{name}: this file holds several pictures; save the one that is meant.")
    except ConfigError:
        picture.close()
        raise
    return picture


def decoded(picture: Image.Image, name: str) -> Image.Image:
    """The picture, turned as its EXIF says. Raises ConfigError where it is damaged."""
    try:
        picture.load()
        return ImageOps.exif_transpose(picture)
    except UNREADABLE:
        raise ConfigError(f"{name}: this file is damaged; it cannot be decoded.") from None


def levels(
    picture: Image.Image, name: str, channels: int, behind: tuple[int, ...] = WHITE
) -> tuple[np.ndarray, int]:
    """Grey levels (H, W, channels), whole numbers, and the bits that they use: 8, or one of DEPTHS.

    behind: what shows through where it is transparent. A file of 16 bits says nothing of the depth of what it
    holds, 12 bits often: the least that fits is taken.
    """
    if picture.mode.startswith("I"):  # which convert() would cut off at 255
        values = np.asarray(picture).clip(0, 65535).astype(np.uint16)
        bits = next(bits for bits in DEPTHS if int(values.max(initial=0)) < 2**bits)
        return np.repeat(values[..., None], channels, 2), bits
    if picture.mode == "F":
        raise ConfigError(f"{name}: floating-point images are not taken; save it with 8 bits.")
    if picture.mode not in MODES:
        raise ConfigError(f"{name}: its colours are {picture.mode}; save it as RGB or grey.")
    if picture.has_transparency_data:  # whose colours nobody sees
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, behind), picture)
    values = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    return (values[..., None] if values.ndim == 2 else values), 8


def _is_turned(picture: Image.Image, name: str) -> bool:
    try:
        return picture.getexif().get(ORIENTATION) in TURNED
    except UNREADABLE:
        raise ConfigError(f"{name}: this file is damaged; it cannot be decoded.") from None


def _has_more(picture: Image.Image, name: str) -> bool:
    """Whether there is a second picture in the file; no more of them is looked for."""
    try:
        picture.seek(1)
    except EOFError:
        picture.seek(0)
        return False
    except UNREADABLE:
        raise ConfigError(f"{name}: this file is damaged; it cannot be decoded.") from None
    return True
