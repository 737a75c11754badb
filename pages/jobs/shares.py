"""How much of what is kept each visitor may hold, and who gives way where all hold too much together.

No visitor's things make room for those of one who holds more: a visitor who stores without end pushes out
their own. Somebody who poses as many visitors is not stopped by this (.github/THREATS.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SLACK = 60.0  # seconds by which clocks may differ
SINCE = 1_735_689_600.0  # 2025 in seconds since 1970: an older time comes from a clock that was wrong


def last_used(at: float, now: float) -> float:
    """When something was last used, by the time of its file (seconds since 1970).

    A time in the future comes from a clock that was set back since. It counts as the oldest of all, so that
    nothing stored from now on seems older.
    """
    return at if at <= now + SLACK else 0.0


def expired(at: float, now: float, age: float) -> bool:
    """Whether something last used at `at` has been kept for `age` seconds."""
    return SINCE <= at < now - age


@dataclass(frozen=True)
class Share:
    """What may be held at most: how many things, and how many bytes."""

    count: int
    size: int

    def used(self, things: Iterable[Held]) -> float:
        """The part of it that these take, above 1 where they are too much."""
        sizes = [one.size for one in things]
        return max(len(sizes) / self.count, sum(sizes) / self.size)


@dataclass(frozen=True)
class Held:
    """A thing that is kept, for everybody in `owners`. size in bytes; at: when it was last used."""

    name: str
    owners: tuple[str, ...]
    size: int
    at: float


def surplus(things: Iterable[Held], each: Share, together: Share) -> list[tuple[str, str]]:
    """What is to go, as (name, owner): each owner's oldest beyond `each`; then, beyond `together`, the oldest
    of whoever holds the largest part. A thing of several owners is deleted once it goes for the last of them.

    Everybody keeps the latest of their own, unless all together hold too much even so.
    """
    claims: dict[str, list[Held]] = {}
    for one in sorted(things, key=lambda one: (one.at, one.name)):
        for owner in one.owners:
            claims.setdefault(owner, []).append(one)
    gone = []
    for owner, mine in claims.items():
        while len(mine) > 1 and each.used(mine) > 1:
            gone.append((mine.pop(0).name, owner))
    while together.used({one.name: one for mine in claims.values() for one in mine}.values()) > 1:
        owner, mine = max(claims.items(), key=lambda item: (together.used(item[1]), -item[1][0].at))
        gone.append((mine.pop(0).name, owner))
        claims = {owner: mine for owner, mine in claims.items() if mine}
    return gone
