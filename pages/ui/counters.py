"""How much the server holds and does, for whoever runs it: a text file of numbers that tells of no visitor.

$FBSEG_COUNTERS names the file; without it none is written. It is replaced every few seconds once a page was
opened, and only the server's own user may read it: no page, and no address, leads to it. Each line is a name,
perhaps a label, and a number, as Prometheus' textfile collector reads them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pages.ui.once import counts, once

FILE = "FBSEG_COUNTERS"
Numbers = Mapping[str, float]
STARTED = time.time()


@once
def _sources() -> dict[str, Callable[[], Numbers]]:
    return {}


def count(name: str, read: Callable[[], Numbers]) -> None:
    """Write what `read` gives, numbers by what they count; a later source of the same name replaces it."""
    _sources()[name] = read


def text() -> str:
    """All numbers now, a line each."""
    numbers = {"up_seconds": time.time() - STARTED} | _resident() | counts()
    for read in list(_sources().values()):
        numbers |= read()
    return "".join(f"fbseg_{name} {value:.0f}\n" for name, value in sorted(numbers.items()))


def write() -> None:
    """Replace the file, where the environment names one. Raises OSError where it cannot be written."""
    if named := os.environ.get(FILE):
        path = Path(named)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text())
        os.replace(draft, path)


def _resident() -> Numbers:
    """Bytes of this process in memory; nothing where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return {}
    return {"resident_bytes": pages * os.sysconf("SC_PAGE_SIZE")}
