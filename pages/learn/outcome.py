"""What answers a lesson, as it is told and drawn."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from pages.learn.spread import Spread


@dataclass(frozen=True)
class Outcome:
    """truth: the answer, in the question's unit, as one of its options, or as a pixel's number. told: a
    sentence with its numbers.

    given: what is told before the guess. lines: values by step, by name; x and y are what the axes say.
    pictures: maps (H, W) by name, each with whether it is signed. asked: those that belong to the question.
    spread: of a question that is answered by pointing, what happens at each place. dot: the number of the
    pixel that is to be marked in all pictures, where they do not show it themselves.
    scores: of models by name, a value for each training seed.
    """

    truth: float | str
    told: str
    given: str = ""
    lines: dict[str, list[float]] = field(default_factory=dict)
    x: str = "update"
    y: str = ""
    at: list[float] | None = None
    pictures: dict[str, tuple[Tensor, bool]] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    spread: Spread | None = None
    dot: int | None = None
    scores: dict[str, list[float]] = field(default_factory=dict)
