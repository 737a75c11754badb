"""Values that took long to make, for the next who asks: bounded in bytes, and made once at a time."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from cachetools import LRUCache

T = TypeVar("T")
PATIENCE = 0.1  # seconds between two calls of `meanwhile`
CODE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
)  # of the program, not of a value


def size_of(value: object) -> int:
    """Bytes that a value holds: of tensors and arrays the whole storage behind them, each storage once."""
    seen: set[int] = set()
    storages: dict[int, int] = {}  # address → bytes
    total, ahead = 0, [value]
    while ahead:
        one = ahead.pop()
        if id(one) in seen or isinstance(one, CODE):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one, 0)
        if isinstance(one, torch.Tensor):
            storage = one.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
            ahead += [one.grad] if one.is_leaf and one.grad is not None else []
        elif isinstance(one, np.ndarray):
            total -= one.nbytes if one.base is None else 0  # getsizeof counts what an array owns
            owner = one
            while isinstance(owner.base, np.ndarray):
                owner = owner.base
            storages[owner.__array_interface__["data"][0]] = owner.nbytes
            ahead += list(one.flat) if one.dtype.hasobject else []
        elif isinstance(one, Mapping):
            ahead += [*one.keys(), *one.values()]
        elif isinstance(one, (list, tuple, set, frozenset)):
            ahead += one
        if isinstance(one, torch.Tensor):
            continue
        ahead.append(getattr(one, "__dict__", None))
        slots = [name for kind in type(one).__mro__ for name in _names(getattr(kind, "__slots__", ()))]
        ahead += [getattr(one, name, None) for name in slots]
    return total + sum(storages.values())


def _names(slots: object) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _bytes(kept: tuple[Any, int]) -> int:
    """Of a value as a shelf keeps it, with its size."""
    return kept[1]


@dataclass
class _Flight:
    """A value that some thread makes."""

    ended: bool = False
    value: Any = None
    error: Exception | None = None
    taken_over: bool = False  # stopped before it was made: a waiter makes it


class Memo:
    """Values by shelf and key; on each shelf the least recently used make room. Any thread may ask.

    budgets: shelf → bytes. at_once: how many values that take turns are made at the same time.
    """

    def __init__(self, budgets: Mapping[str, int], at_once: int) -> None:
        self._shelves = {name: LRUCache(budget, _bytes) for name, budget in budgets.items()}
        self._flights: dict[tuple[str, Hashable], _Flight] = {}
        self._changed = threading.Condition()
        self._turns, self._mine = at_once, threading.local()
        self._line: list[object] = []  # one ticket for each who waits for a turn, whoever came first before

    def get(
        self,
        shelf: str,
        key: Hashable,
        make: Callable[[], T],
        *,
        turn: bool = False,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> T:
        """The value; made by `make` unless it is there, or another thread is at it, which is waited for.

        turn: what is made takes much memory on the way, so only so many are made at once. meanwhile: called
        every tenth of a second of waiting; it may raise to give up. An exception of `make` reaches all who
        wait and is not kept. A stop (any other BaseException) ends its own thread alone, and one who waits
        makes the value instead. Turns come in the order in which they were asked for.
        """
        nested = getattr(self._mine, "turn", False)
        takes, ticket = turn and not nested, object()
        try:
            while True:
                with self._changed:
                    found, flight = self._shelves[shelf].get(key), self._flights.get((shelf, key))
                    if found:
                        return found[0]
                    if flight is None and (not takes or self._is_next(ticket)):
                        flight = self._flights[shelf, key] = _Flight()
                        self._turns -= takes
                        break
                    if flight is not None:  # no turn is needed for what another thread makes
                        self._leave(ticket)
                    self._changed.wait(PATIENCE)
                    if flight is not None and flight.ended and not flight.taken_over:
                        if flight.error is not None:
                            raise flight.error
                        return flight.value
                meanwhile()
        finally:
            with self._changed:
                self._leave(ticket)
        self._mine.turn = nested or takes
        size = None
        try:
            flight.value = make()
            size = size_of(flight.value)
            return flight.value
        except Exception as error:
            flight.error = error
            raise
        except BaseException:
            flight.taken_over = True
            raise
        finally:
            self._mine.turn = nested
            with self._changed:
                flight.ended = True
                self._turns += takes
                if self._flights.get((shelf, key)) is flight:  # else it was cleared meanwhile
                    del self._flights[shelf, key]
                    if size is not None and size <= self._shelves[shelf].maxsize:
                        self._shelves[shelf][key] = flight.value, size
                self._changed.notify_all()

    def peek(self, shelf: str, key: Hashable, otherwise: Any = None) -> Any:
        """What is there already, which counts as a use."""
        with self._changed:
            return self._shelves[shelf].get(key, (otherwise, 0))[0]

    def clear(self) -> None:
        """Forget all; what is being made reaches those who wait, and is not kept."""
        with self._changed:
            self._flights.clear()
            for shelf in self._shelves.values():
                shelf.clear()

    def held(self) -> dict[str, tuple[int, int]]:
        """Values and bytes on each shelf."""
        with self._changed:
            return {name: (len(shelf), shelf.currsize) for name, shelf in self._shelves.items()}

    def _is_next(self, ticket: object) -> bool:
        """Whether there is a turn for whoever has this ticket, which else waits in line."""
        if ticket not in self._line:
            self._line.append(ticket)
        return self._turns > 0 and self._line[0] is ticket

    def _leave(self, ticket: object) -> None:
        if ticket in self._line:
            self._line.remove(ticket)
            self._changed.notify_all()  # the next may have had to wait for this one alone
