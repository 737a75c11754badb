"""What may be said of a difference: that there is one, that there is none to speak of, or neither.

That an interval holds zero shows no equality: it may only be wide. Equality is claimed within a margin that
is fixed beforehand, by two one-sided tests (Schuirmann 1987). A family of comparisons is corrected by Holm's
step-down rule (1979): it keeps the chance of any false difference in the whole family below the level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from fbseg_core.analysis.paired import Difference

LEVEL = 0.05  # of every test: the usual one in the field, as the intervals' 95 %
Answer = Literal["different", "different, by less than the margin", "equal within margin", "not told apart"]
K = TypeVar("K")


@dataclass(frozen=True)
class Compared:
    """A difference within its family. p: Holm's adjusted p value of no difference; margin: of equality."""

    difference: Difference
    p: float
    margin: float

    @property
    def different(self) -> bool:
        """Whether its 95 % interval excludes zero, and its adjusted p value lies below LEVEL."""
        return self.difference.called and self.p < LEVEL

    @property
    def answer(self) -> Answer:
        """What may be said of it."""
        equal = equivalent(self.difference, self.margin)
        if self.different:
            return "different, by less than the margin" if equal else "different"
        return "equal within margin" if equal else "not told apart"


def equivalent(difference: Difference, margin: float) -> bool:
    """Whether two one-sided tests at 5 % say that it is smaller than the margin, in the unit of the scores:
    its 90 % interval lies within (−margin, margin)."""
    low, high = difference.inner
    return -margin < low and high < margin


def not_worse(difference: Difference, margin: float) -> bool:
    """Whether a one-sided test at 5 % says that a is at most `margin` below b: its 90 % interval lies above
    −margin."""
    return difference.inner[0] > -margin


def not_better(difference: Difference, margin: float) -> bool:
    """Whether a one-sided test at 5 % says that a is at most `margin` above b: its 90 % interval lies below
    margin."""
    return difference.inner[1] < margin


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p values, in the order given: below a level where the rule rejects at that level."""
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min((len(p) - rank) * p[i], 1.0))
        adjusted[i] = largest
    return tuple(adjusted)


def family(differences: Mapping[K, Difference], margin: float) -> dict[K, Compared]:
    """The differences of one family by their names, their p values adjusted for one another. Equivalence
    tests are taken one at a time."""
    adjusted = holm([one.p for one in differences.values()])
    return {
        name: Compared(one, p, margin) for (name, one), p in zip(differences.items(), adjusted, strict=True)
    }
