"""What the rows of `real` say: what steps add as images get harder, whether the answer holds past T, and what
becomes of state and mask with softmax and decay switched off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.analysis.paired import Difference, paired_difference
from fbseg_core.experiments.records import NONE, Finding, Listed, Others, Panel, Point, Row, Series
from fbseg_core.experiments.report import Value, answered, gap, mean, over_seeds, words
from fbseg_core.experiments.thresholds import MARGIN

FEEDBACK, CUT, LEAKY = "feedback", "loop cut", "feedback, leaky"
PLAIN, WIDE = "feedforward", "feedforward, wide"
WHOLE = "whole digits"  # with what hides behind patches and other digits
AS_BUILT = {FEEDBACK: "softmax, decay", LEAKY: "softmax only"}  # which mechanisms a loop was built with
TRAINED = "as trained"
# What is changed of the images of each task, from the easiest on; clutter first, then what hides, then noise.
AXES: dict[str, dict[str, tuple[float, ...]]] = {
    "digits": {
        "debris": (0, 6, 24),
        "count": (2, 3, 6),
        "patches": (0, 3),
        "sigma": (0.0, 0.3, 0.9),
    },
    "textures": {"regions": (2, 4, 6), "sigma": (0.0, 0.1, 0.3)},
    WHOLE: {"patches": (0, 2, 4), "count": (2, 3, 6)},
}
CALLED = {
    "debris": "fragments",
    "count": "their number",
    "patches": "patches",
    "regions": "pieces",
    "sigma": "noise σ",
}
ALONG = {  # what stands below a chart
    "debris": "fragments in an image",
    "count": "digits in an image",
    "patches": "patches that hide, in an image",
    "regions": "pieces in an image",
    "sigma": "noise σ, grey levels",
}
FIRST, AT_T, LATER = range(3)  # places in the scores of a loop: t = 1, T, 3T


def name_of(axis: str, value: float) -> str:
    """What a condition is called: that of one setting changed to a value."""
    return f"{axis} {value:g}"


def _score(name: str, step: int = AT_T, score: str = "f1") -> Value:
    """Reads a score of a condition off a row; of a model without steps its one."""

    def read(row: Row) -> float:
        values = row.result["at"][name][score]
        return values[min(step, len(values) - 1)]

    return read


def _there(rows: Sequence[Row], task: str, axis: str) -> list[tuple[float, str]]:
    """The values of an axis that the rows have, and their conditions; what is not changed is as trained."""
    known = next(row.result["at"] for row in rows if row.settings["task"] == task)
    names = ((value, name_of(axis, value)) for value in AXES[task][axis])
    return [(value, name if name in known else TRAINED) for value, name in names]


def added(rows: Sequence[Row], task: str, name: str) -> Difference:
    """F1 at T less that at t = 1, on the same images."""
    return gap(rows, _score(name), {}, {}, other=_score(name, FIRST), task=task, model=FEEDBACK)


def grows(rows: Sequence[Row]) -> dict[str, Compared]:
    """How much more the steps add at the hard end of each axis than at its easy end: one family."""
    gaps = {}
    for task, axes in AXES.items():
        for axis in axes:
            there = _there(rows, task, axis)
            easy, hard = (_added_by_part(rows, task, name) for name in (there[0][1], there[-1][1]))
            gaps[f"{task}, {CALLED[axis]}"] = paired_difference(hard, easy)
    return family(gaps, MARGIN)


def _added_by_part(rows: Sequence[Row], task: str, name: str) -> list[float]:
    later, first = (over_seeds(rows, _score(name, step), task=task, model=FEEDBACK) for step in (AT_T, FIRST))
    return [a - b for a, b in zip(later, first)]


def held(rows: Sequence[Row], task: str, model: str = FEEDBACK) -> dict[str, Compared]:
    """F1 of a loop at 3T less that at T, condition by condition: one family."""
    gaps = {
        name: gap(rows, _score(name, LATER), {}, {}, other=_score(name), task=task, model=model)
        for name in _names(rows, task)
    }
    return family(gaps, MARGIN)


def lead(rows: Sequence[Row], task: str, other: str) -> dict[str, Compared]:
    """F1 of feedback at T less that of another model, condition by condition: one family."""
    models = {"model": FEEDBACK}, {"model": other}
    gaps = {name: gap(rows, _score(name), *models, task=task) for name in _names(rows, task)}
    return family(gaps, MARGIN)


def _models(rows: Sequence[Row], task: str) -> list[str]:
    return list(dict.fromkeys(row.settings["model"] for row in rows if row.settings["task"] == task))


def _names(rows: Sequence[Row], task: str) -> list[str]:
    return list(next(row.result["at"] for row in rows if row.settings["task"] == task))


def counted(rows: Sequence[Row], task: str, way: str, what: str, model: str = FEEDBACK) -> Counter:
    """Images by verdict on the states or the masks, of all parts, with the mechanisms of that name on."""
    found: Counter = Counter()
    for row in rows:
        if (row.settings["task"], row.settings["model"]) == (task, model):
            found.update(row.result["ways"][way][what])
    return found


def lost(rows: Sequence[Row]) -> tuple[int, int]:
    """How many runs of the loops, as built, left the range of numbers or were found diverging, and of how
    many conditions, parts and watched images."""
    loops = [row for row in rows if row.result["ways"]]
    left = sum(at["lost"] for row in loops for at in row.result["at"].values())
    watched = Counter()
    for row in loops:
        watched.update(row.result["ways"][AS_BUILT[row.settings["model"]]]["states"])
    return left + watched["diverging"], sum(watched.values())


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """What steps add, where that grows, and whether softmax and decay hold the state with many classes."""
    moved = max(
        abs(one.difference.mean)
        for task in AXES
        for model in AS_BUILT
        if model in _models(rows, task)
        for one in held(rows, task, model).values()
    )
    gains = ", ".join(f"{_plain(added(rows, task, TRAINED).mean)} on {task}" for task in AXES)
    brief = f"Steps after the first add F1 {gains}."
    scores = "; ".join(
        f"{task} "
        + ", ".join(
            f"{kind} {mean(rows, _score(TRAINED), task=task, model=kind).mean:.2f}"
            for kind in _models(rows, task)
            if kind in (FEEDBACK, CUT, PLAIN)
        )
        for task in AXES
    )
    because = (
        f"F1 at T: {scores}; at 3T it is {moved:.3f} off at most. {_growing(grows(rows))} {_stable(rows)}"
    )
    return Finding("measured", because, brief, points=_points(rows))


def _plain(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _growing(found: Mapping[str, Compared]) -> str:
    """Where the steps add more, or less, at the hard end than at the easy one, in one sentence."""
    ways = {
        "more": [name for name, one in found.items() if one.different and one.difference.mean > 0],
        "less": [name for name, one in found.items() if one.different and one.difference.mean < 0],
    }
    told = [f"{way} for {'; '.join(names)}" for way, names in ways.items() if names]
    if not told:
        return "On the hardest images steps are not seen to add more than on the easiest, whatever changes."
    return f"From the easiest to the hardest images the steps add {', and '.join(told)}."


def _stable(rows: Sequence[Row]) -> str:
    """What becomes of the states as built, and of the masks once nothing damps them, in one sentence."""
    gone, _ = lost(rows)

    def of_all(way: str, what: str, model: str = FEEDBACK) -> Counter:
        return sum((counted(rows, task, way, what, model) for task in AXES), Counter())

    clocked = of_all(AS_BUILT[FEEDBACK], "states")
    kept, free = (of_all(way, "masks")["settled"] for way in ("softmax only", "neither"))
    masks, states = (of_all(AS_BUILT[LEAKY], what, LEAKY) for what in ("masks", "states"))
    diverged = f"{gone or 'no'} run{'s diverge' if gone > 1 else ' diverges'}"
    return (
        f"As built {diverged}; the clock switches {clocked['switched off']} of {clocked.total()} states off, "
        f"and with the decay off {kept} masks settle, {free} without softmax; of {masks.total()} runs of "
        f"leaky loops {masks['settled']} masks do, and {states['settled']} states."
    )


def _points(rows: Sequence[Row]) -> list[Point]:
    told: list[Point] = []
    for task in AXES:
        f1, iou = (
            words(mean(rows, _score(TRAINED, score=score), task=task, model=FEEDBACK))
            for score in ("f1", "iou")
        )
        told.append(f"{task.capitalize()}, as trained, feedback at T: F1 {f1}, mean IoU {iou}.")
        sizes = tuple(f"{kind}, {_size(rows, task, kind)}" for kind in _models(rows, task))
        told.append(Listed(f"{task.capitalize()}, what was trained", sizes))
        for other in (one for one in (CUT, LEAKY, PLAIN) if one in _models(rows, task)):
            less = _listed(lead(rows, task, other))
            told.append(Listed(f"{task.capitalize()}, F1 of feedback − {other}", less))
        for loop in (one for one in AS_BUILT if one in _models(rows, task)):
            later = _listed(held(rows, task, loop))
            told.append(Listed(f"{task.capitalize()}, F1 at 3T − at T, {loop}", later))
    changes = tuple(f"{name} {answered(one)}" for name, one in grows(rows).items())
    return [
        *told,
        Listed("What steps add on the hardest images, less what they add on the easiest", changes),
        "One training seed of each model: intervals are over parts of the test images alone. Of larger "
        "images, more classes and other seeds this says nothing.",
        "F1 of a part is a mean over the classes in its truth or answer, so that a few pixels of a class "
        "that is not there pull it down: it lies below that of many images. Where F1 itself falls, as under "
        "noise, there is less for steps to add.",
    ]


def _size(rows: Sequence[Row], task: str, kind: str) -> str:
    row = next(r for r in rows if (r.settings["task"], r.settings["model"]) == (task, kind))
    return f"{row.result['weights']:,} weights, {row.result['updates']} updates"


def _listed(found: Mapping[str, Compared]) -> tuple[str, ...]:
    """The conditions that differ, with their differences; of the others their number, by what may be said."""
    parts = [f"{name} {words(one.difference, sign=True)}" for name, one in found.items() if one.different]
    rest = Counter(one.answer for one in found.values() if not one.different)
    return (*parts, *(f"{answer} in {n}" for answer, n in rest.items()))


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 along each axis of each task: the loops at T, one after one step, and the feedforward models."""
    found = []
    for task, axes in AXES.items():
        for axis in axes:
            there = _there(rows, task, axis)
            lines = [
                Series(
                    title,
                    line,
                    tuple(value for value, _ in there),
                    tuple(mean(rows, _score(name, step), task=task, model=kind) for _, name in there),
                )
                for title, line, kind, step in (
                    ("feedback at T", "feedback", FEEDBACK, AT_T),
                    ("feedback at t = 1", "other", FEEDBACK, FIRST),
                    (CUT, "loop cut", CUT, AT_T),
                    (LEAKY, "feedback", LEAKY, AT_T),
                    (PLAIN, "feedforward", PLAIN, AT_T),
                    (WIDE, "feedforward", WIDE, AT_T),
                )
                if kind in _models(rows, task)
            ]
            found.append(Panel(f"{task}: {CALLED[axis]}", ALONG[axis], "pooled F1", tuple(lines)))
    return found


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line for each loop and what is on: the last F1, and what state and mask come to."""
    loops = {(row.settings["task"], row.settings["model"]): row.result["ways"] for row in rows}
    found = []
    for (task, model), ways in loops.items():
        for way in ways:
            line = {"loop": f"{task}, {model}", "on": way}  # one column: a phone has room for five
            line["F1 at 3T"] = words(mean(rows, ("ways", way, "f1"), task=task, model=model))
            for what in ("states", "masks"):
                names = counted(rows, task, way, what, model).most_common()
                line[what] = ", ".join(f"{name} {n}" for name, n in names)
            found.append(line)
    return found
