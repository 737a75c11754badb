"""Examples that visitors brought along, each visitor's own: nobody sees another's, or pushes it out."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping

from fbseg_core.tasks import Content
from pages.jobs.shares import Held, Share, surplus
from pages.ui import counters
from pages.ui.memo import size_of
from pages.ui.once import once

EACH, TOGETHER = Share(64, 16 * 2**20), Share(1024, 64 * 2**20)  # examples and bytes


class Uploads:
    """Examples by owner and digest, for as long as the server runs and there is room. Bounded in bytes."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[Content, Held]] = {}
        self._count, self._lock = itertools.count(), threading.Lock()

    def of(self, owner: str) -> Mapping[str, Content]:
        """What a visitor brought, by its digest, the oldest first."""
        with self._lock:
            return {digest: content for (whose, digest), (content, _) in self._held.items() if whose == owner}

    def keep(self, owner: str, digest: str, content: Content) -> None:
        """Keep an example; older ones of whoever holds most make room."""
        with self._lock:
            self._held.pop((owner, digest), None)
            noted = Held(digest, (owner,), size_of(content), next(self._count))
            self._held[owner, digest] = content, noted
            for gone, whose in surplus([noted for _, noted in self._held.values()], EACH, TOGETHER):
                self._held.pop((whose, gone), None)

    def counts(self) -> dict[str, int]:
        """How many examples all owners have here, their bytes, and the bound of these."""
        with self._lock:
            sizes = [noted.size for _, noted in self._held.values()]
        return {"uploads": len(sizes), "uploads_bytes": sum(sizes), "uploads_bound_bytes": TOGETHER.size}

    def clear(self) -> None:
        """Forget all of everybody."""
        with self._lock:
            self._held.clear()


@once
def kept() -> Uploads:
    """Those of this server."""
    made = Uploads()
    counters.count("uploads", made.counts)
    return made
