"""What a server holds for all its visitors, and none of them can empty.

Streamlit's own caches, st.cache_data and st.cache_resource, are emptied for everybody by a message that any
browser may send ("clear_cache", a developer's key), and there is no setting against it (1.67).
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
_recent: dict[str, tuple[OrderedDict[Hashable, Any], int]] = {}  # by function: what is held, and the most


def recent(most: int) -> Callable[[F], F]:
    """Decorator: keep the `most` results that were asked for last, by all arguments but those of a name that
    begins with "_". All who ask get the same object, to be read only. `clear()` forgets all, `clear(…)` what
    was asked with these arguments.
    """

    def decorate(make: F) -> F:
        signature, held, lock = inspect.signature(make), OrderedDict(), threading.Lock()
        _recent[f"{make.__module__}.{make.__qualname__}"] = held, most

        def key(*given: Any, **named: Any) -> Hashable:
            bound = signature.bind_partial(*given, **named)
            bound.apply_defaults()
            return tuple((name, value) for name, value in bound.arguments.items() if name[0] != "_")

        @functools.wraps(make)
        def get(*given: Any, **named: Any) -> Any:
            at = key(*given, **named)
            with lock:
                if at in held:
                    held.move_to_end(at)
                    return held[at]
            made = make(*given, **named)  # two who ask at once may both make it
            with lock:
                held[at] = made
                while len(held) > most:
                    held.popitem(last=False)
            return made

        def clear(*given: Any, **named: Any) -> None:
            with lock:
                if given or named:
                    held.pop(key(*given, **named), None)
                else:
                    held.clear()

        get.clear = clear
        return get

    return decorate


def counts() -> dict[str, int]:
    """How many results each `recent` function holds, and at most, for the operator's numbers."""
    return {
        f'recent_{what}{{of="{name}"}}': number
        for name, (held, most) in list(_recent.items())
        for what, number in (("values", len(held)), ("bound_values", most))
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
