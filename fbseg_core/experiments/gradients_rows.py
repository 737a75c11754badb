"""What the rows of `gradients` say: F1 of three ways to learn a loop, and memory of an update, over T."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbseg_core.analysis.equivalence import Compared, equivalent, family, not_better
from fbseg_core.experiments.records import (
    NONE,
    Finding,
    Kind,
    Listed,
    Others,
    Panel,
    Point,
    Row,
    Series,
    Word,
)
from fbseg_core.experiments.report import answered, gap, geometric_mean, mean, over_seeds, words
from fbseg_core.experiments.thresholds import FLAT, MARGIN

WHOLE, TRUNCATED, AT_REST = "trajectory", "truncated", "fixed_point"
WAYS = {WHOLE: "whole trajectory", TRUNCATED: "truncated", AT_REST: "recurrent back-propagation"}
KINDS: dict[str, Kind] = {WHOLE: "feedback", TRUNCATED: "loop cut", AT_REST: "other"}
MB = 2**20


def times(rows: Sequence[Row]) -> list[int]:
    """The T of the rows."""
    return sorted({row.settings["steps"] for row in rows})


def compared(rows: Sequence[Row], key: str = "f1") -> dict[tuple[str, int], Compared]:
    """F1 through the whole trajectory less that of each other way, at each T, as one family."""
    gaps = {
        (way, steps): gap(rows, key, {"gradient": WHOLE}, {"gradient": way}, steps=steps)
        for way in (TRUNCATED, AT_REST)
        for steps in times(rows)
    }
    return family(gaps, MARGIN)


def word_of(found: Sequence[Compared]) -> Word:
    """Of the whole trajectory against the fixed point, one comparison a T.

    Better is told by a test, and by more than the margin: everywhere, reproduced; somewhere, partly; where
    it is known to be at most the margin better everywhere, not reproduced; else undecided.
    """
    better = [
        one.different and one.difference.mean > 0 and not equivalent(one.difference, one.margin)
        for one in found
    ]
    if all(better):
        return "reproduced"
    if any(better):
        return "partly"
    known = all(not_better(one.difference, one.margin) for one in found)
    return "not reproduced" if known else "undecided"


def learned(rows: Sequence[Row]) -> bool:
    """Whether any way at any T is known, by a one-sided test at 5 %, to do better than the trivial answer.

    Else all being alike would only say that none of them has learned the task.
    """
    above = (
        gap(rows, "f1", {"gradient": way}, {"gradient": way}, other="trivial", steps=steps)
        for way in WAYS
        for steps in times(rows)
    )
    return any(one.inner[0] > 0 for one in above)


def growth(rows: Sequence[Row], way: str) -> float:
    """Peak bytes of an update at the largest T, as a multiple of those at the smallest; mean over seeds."""
    first, *_, last = times(rows)
    at = [sum(over_seeds(rows, "bytes", gradient=way, steps=steps)) for steps in (first, last)]
    return at[1] / at[0]


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Who learns better by how much at each T, and whose memory grows with T."""
    found, steps = compared(rows), times(rows)
    against = [found[AT_REST, t] for t in steps]
    known, last = learned(rows), steps[-1]
    told = f"Trained with T = {last}, F1 of the whole trajectory less that of recurrent back-propagation: "
    told += f"{answered(against[-1])}{'' if known else '; no way is known to beat marking every region'}. "
    flat = [WAYS[way] for way in WAYS if growth(rows, way) <= FLAT]
    grows = [f"{WAYS[way]} {growth(rows, way):.1f} times" for way in WAYS if growth(rows, way) > FLAT]
    memory = f"From T = {steps[0]} to {last} the peak memory of an update grows"
    memory += f" by: {', '.join(grows)}" if grows else " by none of the three"
    memory += f"; it stays within {FLAT - 1:.0%} for: {', '.join(flat)}." if grows and flat else "."
    means = {way: mean(rows, "f1", gradient=way, steps=last) for way in WAYS}
    brief = f"Trained with T = {last}: " + "; ".join(f"{WAYS[way]} F1 {means[way].mean:.2f}" for way in WAYS)
    if not known:
        more = growth(rows, WHOLE)
        brief = "Within this budget no way is known to learn the task; the whole trajectory of "
        brief += f"T = {last} takes {more:.0f} times the memory of T = {steps[0]}"
    word = word_of(against) if known else "undecided"
    return Finding(word, told + memory, f"{brief}.", points=_points(rows))


def _points(rows: Sequence[Row]) -> list[Point]:
    trivial = mean(rows, "trivial", gradient=WHOLE, steps=times(rows)[0])
    return [
        *_less(compared(rows), "Whole trajectory less {way}, at the T of training"),
        *_less(compared(rows, "late"), "Whole trajectory less {way}, after 80 steps, by the T of training"),
        f"“Mark every region” scores {words(trivial)} on the same images.",
        "A truncated gradient goes through ten steps, or through all of them where there are fewer; its "
        "memory does not grow beyond that.",
        "The gradient of recurrent back-propagation is that of a state of rest; one that still moves where "
        "it is taken, as after few steps, gives another than the true one.",
    ]


def _less(found: Mapping[tuple[str, int], Compared], of: str) -> list[Listed]:
    """The differences from each way, a list over T."""
    return [
        Listed(
            of.format(way=WAYS[way]),
            tuple(f"T = {t}, {answered(one)}" for (each, t), one in found.items() if each == way),
        )
        for way in dict.fromkeys(way for way, _ in found)
    ]


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """Peak memory of an update; F1 at the T of training; F1 after 80 steps: each over T."""
    x = tuple(times(rows))

    def lines(value) -> tuple[Series, ...]:
        return tuple(
            Series(WAYS[way], KINDS[way], x, tuple(value(way, steps) for steps in x)) for way in WAYS
        )

    def held(way: str, steps: int):
        return geometric_mean([b / MB for b in over_seeds(rows, "bytes", gradient=way, steps=steps)])

    found = [Panel("peak memory of an update", "T in training", "MB of tensors", lines(held), "xy")]
    for key, title in (("f1", "F1 at the T of training"), ("late", "F1 after 80 steps")):
        trivial = tuple(mean(rows, "trivial", gradient=WHOLE, steps=steps) for steps in x)
        scores = lines(lambda way, steps, key=key: mean(rows, key, gradient=way, steps=steps))
        baseline = Series("mark every region", "trivial", x, trivial)
        found.append(Panel(title, "T in training", "pooled F1", (*scores, baseline), "x"))
    return found


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line a way and T: memory, F1, and the share of its states at rest after 80 steps."""
    return [
        {
            "gradient": WAYS[way],
            "T": str(steps),
            "MB": f"{sum(held := over_seeds(rows, 'bytes', gradient=way, steps=steps)) / len(held) / MB:.1f}",
            "F1": words(mean(rows, "f1", gradient=way, steps=steps)),
            "F1 after 80 steps": words(mean(rows, "late", gradient=way, steps=steps)),
            "at rest then": words(mean(rows, "rest", gradient=way, steps=steps)),
        }
        for way in WAYS
        for steps in times(rows)
    ]
