"""What a server holds for all its visitors, and none of them can empty.

Streamlit's own caches, st.cache_data and st.cache_resource, are emptied for everybody by a message that any
browser may send ("clear_cache", a developer's key), and there is no setting against it (1.67).
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from cachetools import LRUCache, cached

F = TypeVar("F", bound=Callable[..., Any])
_recent: dict[str, LRUCache] = {}  # by function


def recent(most: int) -> Callable[[F], F]:
    """Decorator: keep the `most` results that were asked for last, by all arguments but those of a name that
    begins with "_". All who ask get the same object, to be read only: the first makes it while others wait.
    `clear()` forgets all, `clear(…)` what was asked with these arguments.
    """

    def decorate(make: F) -> F:
        signature = inspect.signature(make)

        def key(*given: Any, **named: Any) -> Hashable:
            bound = signature.bind_partial(*given, **named)
            bound.apply_defaults()
            return tuple((name, value) for name, value in bound.arguments.items() if name[0] != "_")

        get = cached(LRUCache(most), key, condition=threading.Condition())(make)
        _recent[f"{make.__module__}.{make.__qualname__}"] = get.cache

        def clear(*given: Any, **named: Any) -> None:
            with get.cache_lock:
                if given or named:
                    get.cache.pop(key(*given, **named), None)
                else:
                    get.cache.clear()

        get.clear = clear
        return get

    return decorate


def counts() -> dict[str, int]:
    """How many results each `recent` function holds, and at most, for the operator's numbers."""
    return {
        f'recent_{what}{{of="{name}"}}': number
        for name, cache in list(_recent.items())
        for what, number in (("values", cache.currsize), ("bound_values", cache.maxsize))
    }


def once(make: F) -> F:
    """Decorator of a function without arguments: made by the first who asks, while others wait.

    It outlives the function, as Streamlit imports a file anew that was edited: workers would be left behind.
    """
    lock, held = sys.__dict__.setdefault("_fbseg", {}).setdefault(
        f"{make.__module__}.{make.__qualname__}", (threading.RLock(), [])
    )

    @functools.wraps(make)
    def get() -> Any:
        with lock:
            if not held:
                held.append(make())
            return held[0]

    get.clear = held.clear
    return get
