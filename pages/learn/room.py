"""Rooms: a class's answers to one question at a time, in this process's memory alone. Imports no streamlit.

No names: an answer stands under a hash of its room's code and a random token of the browser that sent it. So
a phone has one answer, also after a reload, and who answered in one room cannot be told in another.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # without vowels there are no words, and no I and O to be read as 1 and 0
MOST_ROOMS = 100
MOST_ANSWERS = 200  # of a room
LIFE = 2 * 60 * 60  # seconds from opening until a room is gone


class RoomError(ValueError):
    """A room refuses. The message is one sentence fit for a visitor."""


@dataclass(frozen=True)
class Seen:
    """What someone in a room may know of it.

    question: the key of a lesson. asked: rises with every question, so that an answer to an earlier one is
    told apart. mine: one's own answer. answers: those of all, in no order of coming; None until shown.
    """

    code: str
    question: str
    asked: int
    count: int
    mine: float | None
    answers: tuple[float, ...] | None


@dataclass
class _Room:
    owner: str
    ends: float
    question: str
    asked: int = 1
    shown: bool = False
    answers: dict[str, float] = field(default_factory=dict)  # by a hash of the sender


class Rooms:
    """Up to MOST_ROOMS rooms, each with up to MOST_ANSWERS answers, each gone after LIFE seconds.

    Any thread may call. All methods raise RoomError. owner, sender: a browser's secret token; a room is
    steered (`ask`, `show`, `close`) only by the owner who opened it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds that never go back."""
        self._clock, self._lock = clock, threading.Lock()
        self._rooms: dict[str, _Room] = {}

    def open(self, owner: str, question: str) -> str:
        """A new room that asks a question; returns its code. An earlier room of this owner is closed."""
        with self._lock:
            self._forget()
            self._rooms = {code: room for code, room in self._rooms.items() if room.owner != owner}
            if len(self._rooms) >= MOST_ROOMS:
                raise RoomError(f"All {MOST_ROOMS} rooms of this server are in use: try again later.")
            code = ""
            while not code or code in self._rooms:
                code = "".join(secrets.choice(LETTERS) for _ in range(4))
            self._rooms[code] = _Room(owner, self._clock() + LIFE, question)
            return code

    def of(self, owner: str) -> str | None:
        """The code of the room that this owner has open."""
        with self._lock:
            self._forget()
            return next((code for code, room in self._rooms.items() if room.owner == owner), None)

    def look(self, code: str, sender: str) -> Seen:
        """What the room asks and, where they are shown, what was answered."""
        with self._lock:
            room = self._find(code)
            mine = room.answers.get(_hidden(code, sender))
            answers = tuple(sorted(room.answers.values())) if room.shown else None
            return Seen(code, room.question, room.asked, len(room.answers), mine, answers)

    def answer(self, code: str, sender: str, asked: int, value: float) -> None:
        """Take a sender's answer to the question of that number; a second one replaces the first."""
        with self._lock:
            room, key = self._find(code), _hidden(code, sender)
            if room.asked != asked:
                raise RoomError("The room has gone on to another question.")
            if room.shown:
                raise RoomError("The answers are on show, so none is taken any more.")
            if key not in room.answers and len(room.answers) >= MOST_ANSWERS:
                raise RoomError(f"This room has its {MOST_ANSWERS} answers and takes no more.")
            room.answers[key] = value

    def ask(self, code: str, owner: str, question: str) -> None:
        """Go on to a question, which may be the same again; earlier answers are forgotten."""
        with self._lock:
            room = self._steered(code, owner)
            room.question, room.asked, room.shown = question, room.asked + 1, False
            room.answers.clear()

    def show(self, code: str, owner: str, shown: bool) -> None:
        """Show the answers to all in the room, or take more of them."""
        with self._lock:
            self._steered(code, owner).shown = shown

    def close(self, code: str, owner: str) -> None:
        """Forget the room."""
        with self._lock:
            self._steered(code, owner)
            del self._rooms[code]

    def _find(self, code: str) -> _Room:
        self._forget()
        if code not in self._rooms:
            raise RoomError(
                f"There is no room {code!r:.12}: look at its four letters again, or it has closed."
            )
        return self._rooms[code]

    def _steered(self, code: str, owner: str) -> _Room:
        room = self._find(code)
        if not secrets.compare_digest(room.owner.encode(), owner.encode()):
            raise RoomError("Only the browser that opened a room steers it.")
        return room

    def _forget(self) -> None:
        """Rooms whose time is over. The caller holds the lock."""
        now = self._clock()
        self._rooms = {code: room for code, room in self._rooms.items() if room.ends > now}


def _hidden(code: str, sender: str) -> str:
    return hashlib.sha256(f"{code} {sender}".encode()).hexdigest()


ROOMS = Rooms()  # of this process: a module keeps it when Streamlit's caches are cleared
