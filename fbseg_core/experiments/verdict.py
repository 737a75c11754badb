"""The verdict words that several experiments come to by one rule, and the sentences they share."""

from __future__ import annotations

from collections.abc import Sequence

from fbseg_core.analysis.equivalence import Compared, equivalent, not_better
from fbseg_core.analysis.paired import Difference
from fbseg_core.experiments.records import Word
from fbseg_core.experiments.report import answered, words
from fbseg_core.experiments.thresholds import NEAR_CHANCE


def by_protocol(paper: Sequence[Compared], alike: Sequence[Compared]) -> Word:
    """What comparisons of feedback less feedforward say, as the paper trains and with equal training.

    Better is told by a test, and by more than the margin. Not reproduced: as the paper trains feedback is at
    most the margin better anywhere. Explained by: it is better everywhere, and trained alike at most the
    margin better anywhere. Reproduced: it is better everywhere in both. Partly: somewhere only, in either.
    Undecided: the rows tell none of these.
    """
    better = [_better(one) for one in paper]
    if not any(better):
        known = all(not_better(one.difference, one.margin) for one in paper)
        return "not reproduced" if known else "undecided"
    if not all(better):
        return "partly"
    still = [_better(one) for one in alike]
    if all(still):
        return "reproduced"
    if any(still):
        return "partly"
    return "explained by" if all(not_better(one.difference, one.margin) for one in alike) else "undecided"


def _better(one: Compared) -> bool:
    """Whether a is better than b, and not by less than the margin."""
    return one.different and one.difference.mean > 0 and not equivalent(one.difference, one.margin)


def own_statistics(score: Difference, from_feedback: Compared, where: str) -> str:
    """A sentence on the paper's feedforward model with batch norm's statistics taken of the test batch."""
    return (
        f"With the test batch's own statistics the untouched feedforward model scores {words(score)} "
        f"({where}), {answered(from_feedback)} from feedback."
    )


def near_chance(above: Difference) -> str:
    """Whether a score is near chance, from how far it lies above: one-sided tests at 5 %, NEAR_CHANCE."""
    low, high = above.inner
    if high < NEAR_CHANCE:
        return "near chance"
    return "not near chance" if low > NEAR_CHANCE else "perhaps near chance"
