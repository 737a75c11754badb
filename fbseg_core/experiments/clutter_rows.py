"""What the rows of `clutter` say: F1 of four models along what is in the way, and whether feedback's lead
over each of the others grows along it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.analysis.paired import paired_difference
from fbseg_core.experiments.handwriting_rows import CUT, FEEDBACK, MODELS, RIVALS, WIDE, word_of
from fbseg_core.experiments.real_rows import ALONG, AT_T, CALLED, FIRST, LATER, TRAINED, name_of
from fbseg_core.experiments.records import NONE, Finding, Listed, Others, Panel, Point, Row, Series, Word
from fbseg_core.experiments.report import Value, above_chance, answered, gap, mean, over_seeds, words
from fbseg_core.experiments.thresholds import MARGIN

# What is changed of the images of each task, from the easiest on.
AXES: dict[str, dict[str, tuple[float, ...]]] = {
    "digits": {"debris": (0, 2, 8), "count": (1, 2, 4), "patches": (0, 2), "sigma": (0.0, 0.1, 0.3)},
    "textures": {"regions": (2, 3, 6), "sigma": (0.0, 0.1, 0.3)},
}
Key = tuple[str, str]  # a task and a rival or an axis, or a rival and what grows


def score(condition: str, step: int = AT_T, what: str = "f1") -> Value:
    """Reads a score of a condition off a row, at one of FIRST, AT_T and LATER; of one pass its only one."""

    def read(row: Row) -> float:
        values = row.result["at"][condition][what]
        return values[min(step, len(values) - 1)]

    return read


def _chance(condition: str) -> Value:
    return ("at", condition, "chance")


def there(rows: Sequence[Row], task: str, axis: str) -> list[tuple[float, str]]:
    """The values of an axis and the conditions that have them; what is not changed is as trained."""
    known = next(row.result["at"] for row in rows if row.settings["task"] == task)
    names = ((value, name_of(axis, value)) for value in AXES[task][axis])
    return [(value, name if name in known else TRAINED) for value, name in names]


def leads(rows: Sequence[Row]) -> dict[Key, Compared]:
    """F1 of feedback less that of each rival, on images as trained, by task and rival: one family."""
    gaps = {
        (task, rival): gap(rows, score(TRAINED), {"model": FEEDBACK}, {"model": rival}, task=task)
        for task in AXES
        for rival in RIVALS
    }
    return family(gaps, MARGIN)


def grows(rows: Sequence[Row]) -> dict[tuple[str, str, str], Compared]:
    """How much more feedback leads at the hard end of an axis than at the easy one, by task, axis and rival,
    seed by seed: one family."""
    gaps = {}
    for task, axes in AXES.items():
        for axis in axes:
            (_, easy), *_, (_, hard) = there(rows, task, axis)
            for rival in RIVALS:
                ends = (_lead(rows, task, rival, name) for name in (hard, easy))
                gaps[task, axis, rival] = paired_difference(*ends)
    return family(gaps, MARGIN)


def _lead(rows: Sequence[Row], task: str, rival: str, condition: str) -> list[float]:
    own, other = (over_seeds(rows, score(condition), task=task, model=name) for name in (FEEDBACK, rival))
    return [a - b for a, b in zip(own, other)]


def adds(rows: Sequence[Row]) -> dict[Key, Compared]:
    """How much more the steps after the first add at the hard end than at the easy one, by task and axis."""
    gaps = {}
    for task, axes in AXES.items():
        for axis in axes:
            (_, easy), *_, (_, hard) = there(rows, task, axis)
            gaps[task, axis] = paired_difference(*(_added(rows, task, name) for name in (hard, easy)))
    return family(gaps, MARGIN)


def _added(rows: Sequence[Row], task: str, condition: str) -> list[float]:
    where = {"task": task, "model": FEEDBACK}
    last, first = (over_seeds(rows, score(condition, step), **where) for step in (AT_T, FIRST))
    return [a - b for a, b in zip(last, first)]


def learned(rows: Sequence[Row]) -> list[str]:
    """The tasks in which every model is known, by a one-sided test at 5 %, to score above chance."""

    def known(task: str, name: str) -> bool:
        above = above_chance(rows, score(TRAINED), _chance(TRAINED), task=task, model=name)
        return above.inner[0] > 0

    return [task for task in AXES if all(known(task, name) for name in MODELS)]


def judged(rows: Sequence[Row]) -> dict[Key, Compared]:
    """The growths of the tasks that were learned, by rival and by what grows, as `word_of` takes them."""
    known = learned(rows)
    return {
        (rival, _called(task, axis)): one for (task, axis, rival), one in grows(rows).items() if task in known
    }


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Whether feedback's lead over models without a loop grows with what is in the way.

    By the rule of `handwriting`, where a comparison is a growth: reproduced if the lead grows over each rival
    along every axis; explained by a deeper network if it grows over the two of its own network along every
    axis, and over that one by the margin at most; partly if it grows over any along any; not reproduced if
    nowhere, and along every axis by the margin at most over some rival; undecided otherwise.
    """
    found, ends, lead = judged(rows), grows(rows), leads(rows)
    word = word_of(found)
    cut, wide = (answered(lead["digits", name]) for name in (CUT, WIDE))
    fragments, number = (
        " and ".join(answered(ends["digits", axis, name]) for name in (CUT, WIDE))
        for axis in ("debris", "count")
    )
    because = (
        f"Digits as trained, F1 of feedback less its loop cut: {cut}; less a deeper network: {wide}. "
        f"From the fewest to the most fragments its lead over these two changes by {fragments}. "
        f"From one digit to four it changes by {number}."
    )
    cause = "a deeper network" * (word == "explained by")
    return Finding(word, because, _brief(found, word), cause, _points(rows, lead, ends))


def _brief(found: Mapping[Key, Compared], word: Word) -> str:
    """The verdict in a line of words."""
    if not found:
        return "Not every model is known to have learned either task, so none is judged."
    if word == "reproduced":
        return "Feedback's lead over models without a loop grows with all that is in the way."
    if word == "explained by":
        return "Feedback's lead grows over its own network without a loop, not over one that sees as far."
    if word == "not reproduced":
        return (
            f"Along every axis feedback's lead over some model without a loop grows by {MARGIN:g} F1 at most."
        )
    more, less = (
        sum(one.different and one.difference.mean * sign > 0 for one in found.values()) for sign in (1, -1)
    )
    if word == "undecided":
        return (
            f"Feedback's lead is not known to grow with anything in the way; it shrinks in {less or 'none'} "
            f"of {len(found)} comparisons."
        )
    return (
        f"Of {len(found)} comparisons, feedback's lead grows with what is in the way in {more or 'none'}, "
        f"and shrinks in {less or 'none'}."
    )


def _called(task: str, axis: str) -> str:
    return f"{task}, {CALLED[axis]}"


def _points(
    rows: Sequence[Row], lead: Mapping[Key, Compared], ends: Mapping[tuple[str, str, str], Compared]
) -> list[Point]:
    told: list[Point] = []
    for task in AXES:
        where = {"task": task}
        scores = [
            f"{name} {words(mean(rows, score(TRAINED), model=key, **where))}"
            for key, (name, _) in MODELS.items()
        ]
        scores.append(f"chance {words(mean(rows, _chance(TRAINED), model=FEEDBACK, **where))}")
        less = tuple(f"{title} {answered(lead[task, name])}" for name, title in RIVALS.items())
        updates = over_seeds(rows, "updates", model=FEEDBACK, **where)[0]
        told.append(Listed(f"{task.capitalize()} as trained, {updates} updates, F1 at T", tuple(scores)))
        told.append(Listed(f"{task.capitalize()} as trained, feedback less each", less))
    for name, title in RIVALS.items():
        growths = tuple(
            f"{_called(task, axis)} {answered(one)}" for (task, axis, of), one in ends.items() if of == name
        )
        told.append(Listed(f"Lead over {title} on the hardest images, less that on the easiest", growths))
    more = tuple(f"{_called(*key)} {answered(one)}" for key, one in adds(rows).items())
    told.append(Listed("What feedback's steps after the first add on the hardest, less on the easiest", more))
    for task in AXES:
        late = gap(rows, score(TRAINED, LATER), {}, {}, other=score(TRAINED), task=task, model=FEEDBACK)
        told.append(f"{task.capitalize()}, feedback, F1 at 3T less at T: {words(late, sign=True)}.")
    return [
        *told,
        f"Of all runs of 3T steps, loop closed or cut, {lost(rows) or 'none'} left the range of numbers.",
        "Where F1 itself falls there is less for steps to add. All are small, briefly trained models on "
        "images of 32 px; larger ones, trained for longer, may give other numbers.",
    ]


def lost(rows: Sequence[Row]) -> int:
    """Of how many images, in all conditions, the state left the range of numbers."""
    return sum(at["lost"] for row in rows for at in row.result["at"].values())


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 along each axis of each task, of all models, with the loop at t = 1 and chance beside them."""
    found = []
    for task, axes in AXES.items():
        for axis in axes:
            at = there(rows, task, axis)
            x = tuple(value for value, _ in at)

            def line(title: str, kind, model: str, value, x=x, at=at, task=task) -> Series:
                y = tuple(mean(rows, value(name), task=task, model=model) for _, name in at)
                return Series(title, kind, x, y)

            lines = [line(title, kind, key, score) for key, (title, kind) in MODELS.items()]
            lines.append(line("feedback at t = 1", "other", FEEDBACK, lambda name: score(name, FIRST)))
            lines.append(line("chance", "chance", FEEDBACK, _chance))
            found.append(Panel(f"{task}: {CALLED[axis]}", ALONG[axis], "pooled F1", tuple(lines)))
    return found


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line a task and model: its weights, multiply-adds of an image over T steps, receptive field, and F1
    on images as trained."""
    lines = []
    for task in AXES:
        for key, (name, _) in MODELS.items():
            result = over_seeds(rows, lambda row: row.result, task=task, model=key)[0]
            lines.append(
                {  # a phone has room for five
                    "model": f"{task}, {name}",
                    "weights": f"{result['weights']:,}",
                    "multiply-adds, millions": f"{result['macs']:.1f}",
                    "field, px": str(result["field"]),
                    "F1 at T": words(mean(rows, score(TRAINED), task=task, model=key)),
                }
            )
    return lines
