"""Where a student stands in the course, as one frozen value that the link carries."""

from __future__ import annotations

import json
from typing import Annotated, Self

from pydantic import Field

from fbseg_core.settings import setting
from pages.learn.course import COURSE
from pages.ui.link import LONGEST, Presentable


class LearnState(Presentable):
    """at: the lesson shown, from 1. guesses: by lesson, the bar's value or the option's number, or null.

    room: the code of a room whose question is shown in place of the course. What steers a room is in no link.
    """

    at: int = setting(1, "The lesson shown.", lo=1, hi=len(COURSE))
    guesses: tuple[Annotated[float, Field(ge=0, le=10_000)] | None, ...] = Field((), max_length=len(COURSE))
    room: str = Field("", max_length=12)

    @classmethod
    def kept(cls, text: object) -> Self | None:
        """What a browser kept of an earlier visit; None where it is no such thing."""
        try:
            return cls.parse(json.loads(text)) if isinstance(text, str) and len(text) <= LONGEST else None
        except (ValueError, RecursionError):  # ConfigError is a ValueError
            return None

    def to_keep(self) -> str:
        """What a browser keeps of it."""
        return json.dumps(self.model_dump(mode="json", include={"at", "guesses"}))

    def begun(self) -> bool:
        """Whether there is anything to keep."""
        return bool(self.at > 1 or self.guesses)

    def guess(self) -> float | None:
        """What was guessed in the lesson shown."""
        return self.guess_of(self.at)

    def guess_of(self, at: int) -> float | None:
        """What was guessed in the lesson of that number, from 1; None where its question takes no such guess,
        as one of a link from before the question was another."""
        value = self.guesses[at - 1] if len(self.guesses) >= at else None
        return value if COURSE[at - 1].takes(value) else None

    def guessed(self, value: float | None) -> tuple[float | None, ...]:
        """The guesses with one more."""
        padded = [*self.guesses, *[None] * (self.at - len(self.guesses))]
        padded[self.at - 1] = value
        return tuple(padded)
