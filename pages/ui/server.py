"""What the server keeps for the next who asks, within a budget of bytes; and how its process is set up."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from fbseg_core.memory import give_back_freed_memory, trim
from pages.ui import counters, visitor
from pages.ui.memo import Memo
from pages.ui.once import once

LOG = logging.getLogger(__name__)
# Bytes that the process keeps for the next who asks. A run of 60 steps takes up to 42 MB and is made again
# in a moment; laid out for Explore's player it takes a fifteenth. All else is small, and some of it took a
# minute: runs must not drive it out.
BUDGET = {"runs": 48 * 2**20, "shown": 24 * 2**20, "rest": 48 * 2**20}
AT_ONCE = 2  # runs computed at the same time: each takes several times its size on the way
TOLD = 1.0  # seconds of waiting, after which the page says so
FREEZES = 4  # passes
PAUSE = 5  # seconds between two passes, and between two looks for freed memory


@once
def memo() -> Memo:
    """What is kept."""
    kept = Memo(BUDGET, AT_ONCE)
    counters.count(
        "caches",
        lambda: {
            f'cache_{what}{{shelf="{shelf}"}}': number
            for shelf, (values, held) in kept.held().items()
            for what, number in (("values", values), ("bytes", held), ("bound_bytes", BUDGET[shelf]))
        },
    )
    return kept


def kept(shelf: str, key: tuple, make: Callable[[], Any], turn: bool = False) -> Any:
    """The value of a key, made by `make` if it is not there; as in `Memo.get`.

    Whoever waits is told so after a second. A newer wish of theirs ends the wait.
    """
    since, told = time.monotonic(), False

    def meanwhile() -> None:
        nonlocal told
        visitor.heed()
        if not told and time.monotonic() - since > TOLD:
            visitor.tell("The server is busy with others; your turn comes in the order of asking.")
            told = True

    return memo().get(shelf, key, make, turn=turn, meanwhile=meanwhile)


def known_or(key: tuple, make: Callable[[], Any] | None) -> Any:
    """What took long to make, for the next who asks; with None only what is there already, or None."""
    return memo().peek("rest", key) if make is None else kept("rest", key, make)


@once
def warm_up() -> threading.Event:
    """Once a process, in a thread: import what the first page does not need, then freeze what is there.

    Frozen, because Streamlit collects garbage after every run of a page: all visitors wait while every object
    is visited, and frozen ones are skipped. The event is set once scikit-learn is imported, over a second
    after the first page could be shown.
    """

    def work() -> None:
        try:
            import sklearn.decomposition  # noqa: F401
        except Exception:  # the page that needs it raises the same, where it can be seen
            LOG.exception("scikit-learn could not be imported.")
        finally:
            imported.set()
        for _ in range(FREEZES):  # the first visitors' runs import and cache more: freeze that, too
            gc.collect()
            gc.freeze()
            time.sleep(PAUSE)
        while True:
            for chore in (trim, counters.write):
                try:
                    chore()
                except Exception:
                    LOG.exception("%s failed; the next try follows.", chore.__name__)
            time.sleep(PAUSE)

    # A second thread gains little at 64 px and takes it from another visitor; and OpenBLAS, which does not
    # know that its cores are shared, took 94 ms for a PCA that needs 2 ms on one thread.
    torch.set_num_threads(1)
    threadpool_limits(1)
    give_back_freed_memory()
    logging.getLogger("uvicorn.error").addFilter(is_worth_a_line)
    counters.count("sessions", lambda: {"sessions": visitor.sessions()})
    imported = threading.Event()
    threading.Thread(target=work, daemon=True).start()
    return imported


def is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a record belongs into the log: a page closed in mid-upload is no fault, but Streamlit's server
    (1.67) writes a traceback of 60 lines."""
    return not record.exc_info or record.exc_info[0].__name__ != "ClientDisconnect"
