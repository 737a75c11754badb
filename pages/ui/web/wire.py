"""Arrays for a component, as one block of bytes with a JSON header that says where each lies.

Layout: the header's length (uint32, little-endian), the header (UTF-8 JSON), then the blocks. The header's
`blocks` maps a name to [offset, dtype, shape, lo, hi]: a number q stands for lo + (hi − lo)·q/top, with the
top of its dtype; a float32 stands for itself. The version and the dtypes are declared here and nowhere else:
`component` puts them before `decode.js` as the constant WIRE, and a payload of another version is refused
there.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

VERSION = 4
DTYPES = {
    "uint8": 255,
    "uint16": 65535,
    "float32": 1,
}  # name in NumPy and of the typed array -> its top, the largest q
SPANS: dict[str, tuple[float, float]] = {"unit": (0.0, 1.0)}


@dataclass(frozen=True)
class Layout:
    """How the arrays of one name are sent.

    axes: what each axis is. scale: a name in SPANS, whose ends q = 0 and q = top stand for; "own", the
    values' own extremes; "bits", 0 to the entropy of K even classes; "given", what the sender says; "whole",
    numbers from 0 to 255 as they are; "exact", the values themselves.
    """

    axes: tuple[str, ...]
    scale: Literal["unit", "own", "bits", "given", "whole", "exact"]
    dtype: Literal["uint8", "uint16", "float32"] = "uint8"


class Blocks:
    """Arrays laid end to end, each 4-byte aligned."""

    def __init__(self) -> None:
        self.index: dict[str, list] = {}
        self.parts: list[bytes] = []
        self.size = 0

    def lay(
        self,
        name: str,
        values: Tensor | np.ndarray,
        layout: Layout,
        classes: int = 2,
        ends: tuple[float, float] | None = None,
    ) -> None:
        """Add an array as its layout says: classes is K, for "bits"; ends is for "given".

        Raises ValueError for an array of other axes.
        """
        if values.ndim != len(layout.axes):
            raise ValueError(f"{name} has the axes {', '.join(layout.axes)}, not {values.ndim} axes")
        wide = layout.dtype == "uint16"
        if layout.scale == "whole":
            self.add_whole(name, values)
        elif layout.scale == "exact":
            self._put(name, np.asarray(values, "<f4"), 0, 1)
        elif layout.scale == "own":
            self.add_spanned(name, values, wide)
        else:
            spans = SPANS | {"bits": (0.0, float(np.log2(classes))), "given": ends}
            self.add(name, values, *spans[layout.scale], wide)

    def add(self, name: str, values: Tensor | np.ndarray, lo: float, hi: float, wide: bool = False) -> None:
        """Quantise finite values to 256 levels between lo and hi, or to 65536.

        In double precision: near its overflow a float32 has room for a value, but not for a difference.
        """
        kind = "uint16" if wide else "uint8"
        scaled = (np.asarray(values, np.float64) - lo) * (DTYPES[kind] / ((hi - lo) or 1))
        self._put(name, np.clip(np.rint(scaled), 0, DTYPES[kind]).astype(kind), lo, hi)

    def add_spanned(self, name: str, values: Tensor | np.ndarray, wide: bool = False) -> None:
        """Quantise between the values' own extremes."""
        values = np.asarray(values, np.float64)
        self.add(name, values, float(values.min(initial=0)), float(values.max(initial=0)), wide)

    def add_whole(self, name: str, values: Tensor) -> None:
        """Whole numbers from 0 to 255 as they are. Raises ValueError for others."""
        whole = np.asarray(values)
        if whole.size and not (whole.min() >= 0 and whole.max() <= DTYPES["uint8"]):
            raise ValueError(f"{name} holds {whole.min()} to {whole.max()}, and only 0 to 255 can be sent")
        self._put(name, whole.astype(np.uint8), 0, DTYPES["uint8"])

    def _put(self, name: str, values: np.ndarray, lo: float, hi: float) -> None:
        raw = values.tobytes()
        raw += bytes(-len(raw) % 4)
        self.index[name] = [self.size, values.dtype.name, list(values.shape), lo, hi]
        self.parts.append(raw)
        self.size += len(raw)

    def packed(self, header: dict[str, Any]) -> bytes:
        """The header, with the version and where each block lies, and the blocks."""
        return framed({**header, "version": VERSION, "blocks": self.index}, self.parts)


def framed(header: dict[str, Any], parts: Iterable[bytes]) -> bytes:
    """A header that `decodeHeader` reads, its length before it; what follows begins on a 4-byte boundary."""
    text = json.dumps(header, allow_nan=False).encode()  # browsers read no NaN
    text += b" " * (-(4 + len(text)) % 4)
    return b"".join([struct.pack("<I", len(text)), text, *parts])


def constants() -> dict[str, Any]:
    """What JavaScript must know of the format, as its constant WIRE."""
    return {"version": VERSION, "dtypes": DTYPES, "spans": SPANS}
