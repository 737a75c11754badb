"""What the rows of the ladder's factorial say: which changes close the gap, and how much each one does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from fbseg_core.analysis.equivalence import Compared, family, not_worse
from fbseg_core.analysis.paired import Difference, mean_over_seeds
from fbseg_core.experiments.records import Row
from fbseg_core.experiments.report import gap, mean, over_seeds
from fbseg_core.experiments.thresholds import MARGIN

Loop = Literal["none", "cut", "closed"]


class Cell(NamedTuple):
    """A combination of the factors. times: how often the paper's updates; output: whether δ is normalised."""

    times: int
    norm: Literal["batch", "group"]
    output: bool
    loop: Loop

    @property
    def recurrent(self) -> bool:
        """Whether anything is fed back."""
        return self.loop == "closed"

    @property
    def changes(self) -> tuple[str, ...]:
        """What it changes of the paper's baseline at its own updates, in the words of CHANGES.

        A closed loop is two changes: the state with its losses, and what is fed back.
        """
        there = (
            self.norm != BASELINE.norm, self.output != BASELINE.output, self.loop != "none", self.recurrent
        )  # fmt: skip
        return tuple(name for name, changed in zip(CHANGES, there) if changed)

    @property
    def title(self) -> str:
        """Its changes as they stand in a sentence."""
        return " + ".join(self.changes) or "no change"


class Step(NamedTuple):
    """A combination as a table shows it.

    batch: with the test batch's own statistics, None without batch norm; from_feedback: None of the feedback
    model itself.
    """

    name: str
    f1: Difference
    batch: Difference | None
    from_feedback: Compared | None


BASELINE = Cell(1, "batch", False, "none")  # the paper's feedforward model
FEEDBACK = Cell(1, "group", True, "closed")  # its feedback model
CHANGES = ("group norm", "normalised output", "a state with a loss at every step", "the loop")
NORMALISATION = CHANGES[:2]
SINGLE = {  # the baseline with one thing changed
    "five times the updates": BASELINE._replace(times=5),
    "group norm": BASELINE._replace(norm="group"),
    "normalised output": BASELINE._replace(output=True),
    "a state with a loss at every step": BASELINE._replace(loop="cut"),
    "the loop, with its state": BASELINE._replace(loop="closed"),
}
EFFECTS: dict[str, tuple[str, Any, Any]] = {  # what a change means over the whole factorial
    "five times the updates": ("times", 5, 1),
    "group norm": ("norm", "group", "batch"),
    "normalised output": ("output", True, False),
    "a state with a loss at every step": ("loop", "cut", "none"),
    "the loop": ("loop", "closed", "cut"),
}


def there(rows: Sequence[Row], examples: int) -> list[Cell]:
    """The combinations that the rows of that number of examples hold, in their order."""
    names = Cell._fields
    found = (Cell(*(row.settings[name] for name in names)) for row in rows if _of(row, examples))
    return list(dict.fromkeys(found))


def score(rows: Sequence[Row], cell: Cell, examples: int) -> Difference:
    """Mean F1 of a combination, with its interval."""
    return mean(rows, "f1", examples=examples, **cell._asdict())


def updates(rows: Sequence[Row], cell: Cell, examples: int) -> int:
    """How many updates the models of a combination were set to take."""
    found = over_seeds(rows, "updates", examples=examples, **cell._asdict())
    return max(found)  # fewer where a run was stopped for a number that was not finite


def from_feedback(rows: Sequence[Row], examples: int) -> dict[Cell, Compared]:
    """Each other combination less the feedback model of equal updates, as one family."""
    cells = there(rows, examples)
    ends = {cell: FEEDBACK._replace(times=cell.times) for cell in cells}
    return family(
        {cell: _gap(rows, cell, end, examples) for cell, end in ends.items() if cell != end and end in cells},
        MARGIN,
    )


def closing(compared: Mapping[Cell, Compared], times: int = 1) -> list[Cell]:
    """The combinations without a loop that close the gap at equal updates by the fewest changes, best first.

    It is closed where a one-sided test at 5 % says that no more than MARGIN is left of it.
    """
    plain = {cell: one for cell, one in compared.items() if cell.times == times and not cell.recurrent}
    closed = [cell for cell, one in plain.items() if not_worse(one.difference, MARGIN)]
    fewest = min((len(cell.changes) for cell in closed), default=0)
    found = [cell for cell in closed if len(cell.changes) == fewest]
    return sorted(found, key=lambda cell: -compared[cell].difference.mean)


def steps(rows: Sequence[Row], examples: int) -> list[Step]:
    """From the paper's baseline to its feedback model, at the paper's updates: either normalisation alone,
    both, a state with its losses, the loop."""
    compared = from_feedback(rows, examples)
    plain = FEEDBACK._replace(loop="none")
    cells = {
        "feedforward": BASELINE,
        "group norm alone": SINGLE["group norm"],
        "normalised output alone": SINGLE["normalised output"],
        "both": plain,
        "both, loop cut": plain._replace(loop="cut"),
        "feedback": FEEDBACK,
    }

    def batch(cell: Cell) -> Difference | None:
        if cell.norm != "batch":
            return None
        return mean(rows, "f1_batch", examples=examples, **cell._asdict())

    return [
        Step(name, score(rows, cell, examples), batch(cell), compared.get(cell))
        for name, cell in cells.items()
    ]


def single_effects(rows: Sequence[Row], examples: int) -> dict[str, Compared]:
    """What each change alone adds to the paper's baseline, as one family."""
    cells = there(rows, examples)
    return family(
        {name: _gap(rows, cell, BASELINE, examples) for name, cell in SINGLE.items() if cell in cells}, MARGIN
    )


def mean_effects(rows: Sequence[Row], examples: int) -> dict[str, Compared]:
    """What each change adds on average over all combinations of the other factors, as one family.

    The average is taken for each seed, so the intervals are over seeds; what varies over them holds the
    images of each.
    """
    cells, found = there(rows, examples), {}
    for name, (factor, high, low) in EFFECTS.items():
        pairs = [(cell, cell._replace(**{factor: low})) for cell in cells if getattr(cell, factor) == high]
        pairs = [(a, b) for a, b in pairs if b in cells]
        if pairs:
            each = [np.subtract(*(_scores(rows, cell, examples) for cell in pair)) for pair in pairs]
            found[name] = mean_over_seeds(np.mean(each, 0))
    return family(found, MARGIN)


def _gap(rows: Sequence[Row], a: Cell, b: Cell, examples: int) -> Difference:
    return gap(rows, "f1", a._asdict(), b._asdict(), examples=examples)


def _scores(rows: Sequence[Row], cell: Cell, examples: int) -> list[float]:
    return over_seeds(rows, "f1", examples=examples, **cell._asdict())


def _of(row: Row, examples: int) -> bool:
    return row.settings["examples"] == examples
