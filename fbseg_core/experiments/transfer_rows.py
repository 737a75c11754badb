"""What the rows of `transfer` say: where feedback and a feedforward model differ, and charts of both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.analysis.paired import Difference, paired_difference
from fbseg_core.experiments.grouping_rows import CUT, FEEDBACK
from fbseg_core.experiments.records import NONE, Kind, Others, Panel, Row, Series
from fbseg_core.experiments.report import answered, gap, mean, over_seeds
from fbseg_core.experiments.thresholds import MARGIN

SHIPPED, RETRAINED, ALIKE = "shipped", "retrained", "retrained as shipped"
OVER = {  # in words, and in the order in which they are told
    RETRAINED: "trained anew, over seeds",
    ALIKE: "trained like checkpoints, over seeds",
    SHIPPED: "checkpoints, over images",
}
PLAIN, DEEP = "feedforward", "depth 3, no loop"
TRAINED = "as trained"
CHECKPOINTS = {
    "grouping": {FEEDBACK: "grouping-feedback", CUT: "grouping-loop-cut", DEEP: "grouping-feedforward-deep"},
    "shapes": {FEEDBACK: "shapes-feedback", PLAIN: "shapes-feedforward"},
}
# of shapes, over a range of σ
RANGED = {FEEDBACK: "shapes-feedback-range", PLAIN: "shapes-feedforward-range"}
BESIDE = {"grouping": DEEP, "shapes": PLAIN}  # what feedback is compared with: the one that sees as far
RANGE = 8.0  # factor within which σ is drawn where a model is trained over a range of it
STEPS = (10, 20, 40, 60)
SOON = 20  # of these, what the clocks are compared at beside the last
LONG = {  # run on to the last of STEPS, where there are images of that condition
    "grouping": (TRAINED, "curves", "64 px", "96 px", "128 px"),
    "shapes": (TRAINED,),
}
CLOCKS = ("as trained", "slowed")
SIGMA = "σ × "  # how conditions of noise begin, before the factor
SLOW = 5.0  # times the τ of training, with the clock slowed


def file_of(task: str, name: str, spread: float) -> str:
    """The checkpoint of a model, trained at one σ or over a range of it."""
    return (RANGED if spread > 1 else CHECKPOINTS[task])[name]


def model(name: str, spread: float = 1.0) -> dict[str, Any]:
    """The settings of a model that was trained at one σ, or over a range of it."""
    return {"model": name, "range": spread}


def compare(
    rows: Sequence[Row], source: str, task: str, of: Mapping[str, Any], other: Mapping[str, Any]
) -> dict[str, Compared]:
    """Under each condition F1 of one model less another's, as one family."""
    of, other = dict(of), dict(other)
    gaps = {
        name: gap(rows, ("at", name), of, other, source=source, task=task)
        for name in names(rows, source, task)
    }
    return family(gaps, MARGIN)


def leads(rows: Sequence[Row], source: str, task: str) -> dict[str, Compared]:
    """Under each condition F1 of feedback less that of the feedforward model, as one family."""
    return compare(rows, source, task, model(FEEDBACK), model(BESIDE[task]))


def grown(rows: Sequence[Row], source: str, task: str) -> dict[str, Compared]:
    """By how much that lead is larger on changed images than on those as trained, as one family."""

    def lead(name: str) -> list[float]:
        both = (over_seeds(rows, ("at", name), source=source, task=task, **model(one))
                for one in (FEEDBACK, BESIDE[task]))  # fmt: skip
        return [a - b for a, b in zip(*both)]

    changed = [name for name in names(rows, source, task) if name != TRAINED]
    return family({name: paired_difference(lead(name), lead(TRAINED)) for name in changed}, MARGIN)


def marked(rows: Sequence[Row], source: str) -> dict[str, Compared]:
    """Under each condition of grouping F1 of feedback less that of marking every region, as one family."""
    of, task = model(FEEDBACK), "grouping"
    gaps = {
        name: gap(rows, ("at", name), of, of, other=("trivial", name), source=source, task=task)
        for name in names(rows, source, task)
    }
    return family(gaps, MARGIN)


def run_on(rows: Sequence[Row], source: str) -> dict[str, dict[tuple[str, str], Compared]]:
    """F1 of feedback run on past T less something else, by what that is, a family each; in it, by task and
    condition."""
    last = STEPS[-1]
    found: dict[str, dict[tuple[str, str], Difference]] = {}
    for task in CHECKPOINTS:
        of, beside = ({"source": source, "task": task, **model(one)} for one in (FEEDBACK, BESIDE[task]))
        for name in long_names(rows, source, task):
            after = _after(name, CLOCKS[0], last)
            differences = [
                (f"after {last} steps less after T", after, ("at", name), of),
                (f"after {last} steps less the feedforward model", after, ("at", name), beside),
            ]
            for t in (SOON, last):
                trained, slowed = (_after(name, clock, t) for clock in CLOCKS)
                what = f"with a clock {SLOW:g} times slower less as trained, after {t} steps"
                differences.append((what, slowed, trained, of))
            for what, value, other, less in differences:
                found.setdefault(what, {})[task, name] = gap(rows, value, of, less, other=other)
    return {what: family(gaps, MARGIN) for what, gaps in found.items()}


def _after(name: str, clock: str, steps: int):
    """What to read off a row: F1 after so many steps, one of STEPS."""
    return lambda row: row.result["long"][name][clock][STEPS.index(steps)]


def names(rows: Sequence[Row], source: str, task: str) -> list[str]:
    """The conditions of a source and a task, in their order."""
    return next((list(row.result["at"]) for row in rows if _is(row, source, task)), [])


def long_names(rows: Sequence[Row], source: str, task: str) -> list[str]:
    """Of these, those that feedback is run on for."""
    found = (row for row in rows if _is(row, source, task) and row.settings["model"] == FEEDBACK)
    return next((list(row.result["long"]) for row in found), [])


def _is(row: Row, source: str, task: str) -> bool:
    return (row.settings["source"], row.settings["task"]) == (source, task)


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line a condition: F1 of feedback less that of the feedforward model, for each source and task."""
    columns = {
        f"{task}, {OVER[source]}": leads(rows, source, task)
        for source in OVER
        for task in BESIDE
        if names(rows, source, task)
    }
    order = sorted({name: 0 for found in columns.values() for name in found}, key=_place)
    return [
        {"feedback − feedforward": name}
        | {column: answered(found[name]) if name in found else "–" for column, found in columns.items()}
        for name in order
    ]


def _place(name: str) -> tuple[bool, float]:
    """Sides stand first but for the images as trained, and in their order; all else as it comes."""
    side = float(name.removesuffix(" px")) if name.endswith(" px") else math.inf
    return name != TRAINED, side


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 on changed images and under changed noise, of each source and task; and over steps, of feedback."""
    found = []
    for source in OVER:
        for task in CHECKPOINTS:
            there = names(rows, source, task)
            noise = {1.0: TRAINED} | {float(n.removeprefix(SIGMA)): n for n in there if n.startswith(SIGMA)}
            images = {name: name for name in there if not name.startswith(SIGMA)}
            title = f"{task}, {OVER[source]}"
            if len(images) > 1:
                lines = _lines(rows, source, task, images)
                found.append(Panel(f"images: {title}", "", "pooled F1", lines))
            if len(noise) > 1:
                lines = _lines(rows, source, task, dict(sorted(noise.items())))
                found.append(Panel(f"noise: {title}", "σ, times that of the training", "pooled F1", lines))
    return [*found, *_over_steps(rows)]


def _lines(rows: Sequence[Row], source: str, task: str, at: Mapping[Any, str]) -> tuple[Series, ...]:
    """F1 of every model, and the baseline where there is one; at: the conditions by where they are drawn."""
    x, there = tuple(at), at.values()
    ranges = sorted({row.settings["range"] for row in rows if _is(row, source, task)})
    kinds: dict[str, Kind] = {FEEDBACK: "feedback", CUT: "loop cut", BESIDE[task]: "feedforward"}
    lines = []
    for one in CHECKPOINTS[task]:
        for spread in ranges:
            of = {"source": source, "task": task, **model(one, spread)}
            title = one + (", trained over a range of σ" if spread > 1 else "")
            lines.append(Series(title, kinds[one], x, tuple(mean(rows, ("at", n), **of) for n in there)))
    if task == "grouping":
        of = {"source": source, "task": task, **model(FEEDBACK)}
        levels = tuple(mean(rows, ("trivial", name), **of) for name in there)
        lines.append(Series("mark every region", "trivial", x, levels))
    return tuple(lines)


def _over_steps(rows: Sequence[Row]) -> Iterator[Panel]:
    for source in (RETRAINED, SHIPPED):
        for clock in CLOCKS:
            lines = tuple(
                Series(
                    f"{task}, {name}",
                    "other",
                    STEPS,
                    tuple(
                        mean(rows, _after(name, clock, steps), source=source, task=task, **model(FEEDBACK))
                        for steps in STEPS
                    ),
                )
                for task in CHECKPOINTS
                for name in long_names(rows, source, task)
            )
            if lines:
                yield Panel(f"past T, clock {clock}: feedback, {OVER[source]}", "steps", "pooled F1", lines)
