"""How long what is under way may still take, from its own pace on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE, SECONDS = 0.05, 1.0  # done, before the pace is told: the first shares of all say little


class Pace:
    """The time left of one thing after another, each told by shares that grow from 0 to 1."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds from any origin."""
        self._clock = clock
        self._begun, self._first, self._last = clock(), 0.0, 0.0

    def left(self, share: float) -> str:
        """What to say after `share` was done: "; at this pace up to 12 s more", or "" while too little is.

        A share below the last one begins the next thing.
        """
        now = self._clock()
        if share < self._last:
            self._begun, self._first = now, share
        self._last = share
        done, taken = share - self._first, now - self._begun
        if done < SHARE or taken < SECONDS:
            return ""
        return f"; at this pace up to {(1 - share) * taken / done:.0f} s more"
