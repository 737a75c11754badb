"""What was read lately, as far as it fits into so many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

import numpy as np

Arrays = tuple[np.ndarray, ...]


class Kept:
    """Arrays by key, those asked for last; threads may share it. They are read-only."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0  # bytes
        self._held: OrderedDict[Hashable, Arrays] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Arrays]) -> Arrays:
        """What is kept under the key, or is made now."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        made = make()
        for one in made:
            one.setflags(write=False)
        with self._lock:
            if key not in self._held:
                self._held[key] = made
                self.size += _bytes(made)
            while self.size > self.most and len(self._held) > 1:
                self.size -= _bytes(self._held.popitem(last=False)[1])
        return made


def _bytes(arrays: Arrays) -> int:
    return sum(one.nbytes for one in arrays)
