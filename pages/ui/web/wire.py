"""Arrays for a component, as one block of bytes with a JSON header that says where each lies.

Layout: the header's length (uint32, little-endian), the header (UTF-8 JSON), then the blocks. The header's
`blocks` maps a name to [offset, dtype, shape, lo, hi]: an integer q stands for lo + (hi − lo)·q/qmax, with
qmax 255 for uint8 and 65535 for uint16. `decode.js` reads it.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from torch import Tensor


class Blocks:
    """Arrays laid end to end, each 4-byte aligned."""

    def __init__(self) -> None:
        self.index: dict[str, list] = {}
        self.parts: list[bytes] = []
        self.size = 0

    def add(self, name: str, values: Tensor | np.ndarray, lo: float, hi: float, wide: bool = False) -> None:
        """Quantise finite values to 256 levels between lo and hi, or to 65536.

        In double precision: near its overflow a float32 has room for a value, but not for a difference.
        """
        top, kind = (65535, np.uint16) if wide else (255, np.uint8)
        scaled = (np.asarray(values, np.float64) - lo) * (top / ((hi - lo) or 1))
        self._put(name, np.clip(np.rint(scaled), 0, top).astype(kind), lo, hi)

    def add_spanned(self, name: str, values: Tensor | np.ndarray, wide: bool = False) -> None:
        """Quantise between the values' own extremes."""
        values = np.asarray(values, np.float64)
        self.add(name, values, float(values.min(initial=0)), float(values.max(initial=0)), wide)

    def add_whole(self, name: str, values: Tensor) -> None:
        """Whole numbers from 0 to 255 as they are."""
        self._put(name, values.numpy().astype(np.uint8), 0, 255)

    def _put(self, name: str, values: np.ndarray, lo: float, hi: float) -> None:
        raw = values.tobytes()
        raw += bytes(-len(raw) % 4)
        self.index[name] = [self.size, values.dtype.name, list(values.shape), lo, hi]
        self.parts.append(raw)
        self.size += len(raw)

    def packed(self, header: dict[str, Any]) -> bytes:
        """The header, with where each block lies, and the blocks."""
        text = json.dumps({**header, "blocks": self.index}, allow_nan=False).encode()  # browsers read no NaN
        text += b" " * (-(4 + len(text)) % 4)
        return b"".join([struct.pack("<I", len(text)), text, *self.parts])
