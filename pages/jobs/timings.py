"""How long an update of a run takes, as the workers measured it, or why it could not be measured."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

REMEMBERED = 512
PAUSE = 60.0  # seconds before a measurement that its worker died of is tried again


@dataclass(frozen=True)
class Refusal:
    """Why something cannot be timed, in one sentence, and until when (monotonic seconds) that holds."""

    reason: str
    until: float = math.inf


class UpdateTimes:
    """Seconds of an update by key, or why there are none. Guarded by its owner's lock."""

    def __init__(self) -> None:
        self._known: dict[str, float | Refusal] = {}

    def get(self, key: str) -> float | Refusal | None:
        """None for what was never measured, or may be tried again."""
        found = self._known.get(key)
        return None if isinstance(found, Refusal) and found.until < time.monotonic() else found

    def take(self, keys: Iterable[str], found: Iterable[float | str]) -> None:
        """A worker's answer: seconds or a reason, for the first of the keys as far as it came."""
        self._room()
        for key, each in zip(keys, found):
            self._known[key] = Refusal(each) if isinstance(each, str) else each

    def refuse(self, keys: Iterable[str], reason: str) -> None:
        """No answer will come, this time."""
        self._room()
        for key in keys:
            self._known[key] = Refusal(reason, time.monotonic() + PAUSE)

    def _room(self) -> None:
        if len(self._known) > REMEMBERED:
            self._known.clear()
