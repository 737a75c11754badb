"""What separates the paper's feedforward baseline from its feedback model: a factorial of what differs.

Four things differ between the two, or are suspected to: updates, normalisation inside F, whether F's output
is normalised (E3), and the loop. At the paper's updates every combination of the other three is trained, as
the paper trains, so each can be changed alone. A "cut" or "closed" loop has V more neurons than none, and a
loss at each of the T steps of training where one pass has a single loss; "closed" differs from "cut" in the
loop alone.

Fixed before any of these rows were made: factors, seeds, the margin and the families that Holm's correction
takes. An audit had named normalisation from other seeds (0 to 7), so the grid starts at seed 8. Not fixed
beforehand: the grid was cut for time when the means of two cells were known, and after the results of n = 2
the fewest changes were looked for among models without a loop alone, and normalisation alone was told of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from fbseg_core.analysis.equivalence import Compared, family, not_worse
from fbseg_core.config import ShapesConfig, TaskConfig, pixel_sigma
from fbseg_core.experiments.common import score_fresh, setup_of, trained
from fbseg_core.experiments.factorial import (
    BASELINE,
    FEEDBACK,
    NORMALISATION,
    Cell,
    Loop,
    closing,
    from_feedback,
    mean_effects,
    score,
    single_effects,
    there,
    updates,
)
from fbseg_core.experiments.records import NONE, Experiment, Finding, Others, Panel, Profile, Row, Series
from fbseg_core.experiments.report import answered, gap, mean, words
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.experiments.thresholds import FEWEST, MARGIN
from fbseg_core.experiments.verdict import own_statistics
from fbseg_core.training.fewshot import TrainingRun, few_shot

FIRST_SEED = 8
AFTERWARDS = (
    "Decided after looking: the grid was cut for time when the means of two cells were known, and the fewest "
    "changes were looked for among models without a loop alone once the results of n = 2 were."
)
KINDS = {"none": "feedforward", "cut": "loop_cut", "closed": "feedback"}
ONCE = tuple(
    Cell(1, norm, output, loop) for norm, output, loop in product(("batch", "group"), (False, True), KINDS)
)
# More updates, and more examples, make each cell five times as dear: the two ends are trained there, and the
# feedback model's network in one pass. Five is the number of losses that feedback has for each of one pass's.
ENDS = (BASELINE, FEEDBACK._replace(loop="none"), FEEDBACK)
MORE = tuple(cell._replace(times=5) for cell in ENDS)
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"cells": {2: ONCE}, "seeds": 2, "side": 16, "images": 8, "updates": 2},
    "quick": {"cells": {2: ONCE}, "seeds": 2, "side": 32, "images": 50, "updates": 0},
    "full": {
        "cells": {2: (*ONCE, *MORE), 10: (*ENDS, *MORE)},
        "seeds": 8,
        "side": 64,
        "images": 100,
        "updates": 0,
    },
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """number of examples × combination × seed, single shapes under the paper's protocol at paper sigma 4."""
    grid = GRIDS[profile]
    return [
        {
            "examples": n, **cell._asdict(), "seed": FIRST_SEED + i,
            "sigma": pixel_sigma(4.0, grid["side"]), "side": grid["side"], "images": grid["images"],
            "updates": grid["updates"],
        }
        for n, combinations in grid["cells"].items()
        for cell in combinations
        for i in range(grid["seeds"])
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The task and the run of a cell."""
    task = ShapesConfig(side=settings["side"], sigma=settings["sigma"])
    task, feedback, _ = few_shot(task, setup_of(settings, "paper"))
    model = feedback.model.replace(
        kind=KINDS[settings["loop"]], norm=settings["norm"], delta_norm=settings["output"]
    )
    train = feedback.train.replace(epochs=0, updates=settings["times"] * feedback.train.total)
    return task, TrainingRun(settings["loop"], model, train)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train the model of a cell and score it on images of its seed; without a loop also with the batch's
    own statistics, where it has batch norm."""
    task, run = run_of(settings)
    model, last = trained(task, run)
    scores = ("f1", "f1_batch") if settings["loop"] == "none" else ("f1",)
    return score_fresh(model, task, settings["images"], settings["seed"], scores) | last


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, as it is trained and tested."""
    return (of_run(*run_of(settings)),)


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 of every combination, a chart for each number of examples and of updates."""
    numbers = sorted({row.settings["examples"] for row in rows})
    return [
        _panel(rows, n, times) for n in numbers for times in sorted({cell.times for cell in there(rows, n)})
    ]


def _panel(rows: Sequence[Row], examples: int, times: int) -> Panel:
    cells = [cell for cell in there(rows, examples) if cell.times == times]
    names = {
        (norm, output): f"{norm} norm, output {'normalised' if output else 'plain'}"
        for norm, output in product(("batch", "group"), (False, True))
    }
    kinds: dict[Loop, tuple[str, Any]] = {
        "none": ("one pass", "feedforward"),
        "cut": ("loop cut", "loop cut"),
        "closed": ("loop closed", "feedback"),
    }
    lines = []
    for loop, (name, kind) in kinds.items():
        some = [cell for cell in cells if cell.loop == loop]
        if some:
            at = tuple(names[cell.norm, cell.output] for cell in some)
            lines.append(Series(name, kind, at, tuple(score(rows, cell, examples) for cell in some)))
    batch = [cell for cell in cells if cell.loop == "none" and cell.norm == "batch"]
    own = tuple(mean(rows, "f1_batch", examples=examples, **cell._asdict()) for cell in batch)
    at = tuple(names[cell.norm, cell.output] for cell in batch)
    lines.append(Series("one pass, the test batch's statistics", "other", at, own))
    used = tuple(name for key, name in names.items() if any((c.norm, c.output) == key for c in cells))
    chance = mean(rows, "chance", examples=examples, **cells[0]._asdict())
    lines.append(Series("chance", "chance", used, (chance,) * len(used)))
    count = updates(rows, cells[0], examples)
    return Panel(f"{examples} examples, {count} updates", "", "pooled F1", tuple(lines))


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """With the fewest examples, at the paper's updates: is there a gap, and what is the least that closes it?

    Not reproduced: the baseline is not worse than feedback by MARGIN. Undecided: it is neither that nor told
    apart from feedback. Reproduced: it is, and nothing without a loop closes the gap. Explained by: the
    smallest set of changes without a loop that does, the best of equally small ones.
    """
    n = min(row.settings["examples"] for row in rows)
    compared = from_feedback(rows, n)
    base = compared[BASELINE]
    because = " ".join(_gap_told(rows, n, compared))
    points = [
        *_models_told(rows, n, compared),
        *_effects_told(rows, n),
        *_more_told(rows, n, compared),
        AFTERWARDS,
    ]
    if not_worse(base.difference, MARGIN):
        brief = "As the paper trains, feedback is not ahead."
        return Finding("not reproduced", because, brief, points=points)
    if not (base.different and base.difference.mean < 0):
        brief = "The runs do not tell whether feedback is ahead as the paper trains."
        return Finding("undecided", because, brief, points=points)
    smallest = closing(compared)
    if not smallest:
        brief = "Feedback is ahead, and no change without a loop closes the gap."
        return Finding("reproduced", because, brief, points=points)
    why = cause(smallest[0])
    brief = f"The gap closes without a loop, by {why}."
    return Finding("explained by", because, brief, why, points)


def cause(cell: Cell) -> str:
    """The changes of a combination in a few words: both normalisations are "normalisation"."""
    names = list(cell.changes)
    if set(NORMALISATION) <= set(names):
        names = ["normalisation", *(name for name in names if name not in NORMALISATION)]
    return " and ".join(names)


def _gap_told(rows: Sequence[Row], n: int, compared: Mapping[Cell, Compared]) -> list[str]:
    """The gap, the least that closes it, and what is left with the test batch's statistics."""
    told = [
        f"Feedforward less feedback, n = {n}, {updates(rows, BASELINE, n)} updates each: "
        f"{answered(compared[BASELINE])}."
    ]
    if smallest := closing(compared):
        best = smallest[0]
        told.append(f"Without a loop but with {best.title} it is {answered(compared[best])}.")
    else:
        told.append("Nothing without a loop closes the gap at equal updates.")
    pair = BASELINE._asdict() | {"examples": n}, FEEDBACK._asdict() | {"examples": n}
    (own,) = family({"": gap(rows, "f1_batch", *pair, other="f1")}, MARGIN).values()
    told.append(own_statistics(mean(rows, "f1_batch", **pair[0]), own, f"n = {n}"))
    return told


def _models_told(rows: Sequence[Row], n: int, compared: Mapping[Cell, Compared]) -> list[str]:
    """Both ends, what closes the gap, and both normalisations in one pass."""
    told = [
        f"n = {n}, {updates(rows, BASELINE, n)} updates each: feedforward {words(score(rows, BASELINE, n))}, "
        f"feedback {words(score(rows, FEEDBACK, n))}."
    ]
    smallest, normalised = closing(compared), FEEDBACK._replace(loop="none")
    if smallest:
        best, *rest = smallest
        also = "".join(f"; so do as few: {cell.title}, {words(score(rows, cell, n))}" for cell in rest)
        told.append(
            f"The fewest changes without a loop that close the gap at equal updates: {best.title}, "
            f"{words(score(rows, best, n))}, {answered(compared[best])} from feedback{also}."
        )
    if normalised not in smallest:
        told.append(
            f"Both normalisations in one pass: {words(score(rows, normalised, n))}, "
            f"{answered(compared[normalised])} from feedback."
        )
    return told


def _effects_told(rows: Sequence[Row], n: int) -> list[str]:
    """The largest effects, alone and on average."""
    told = []
    for effects, where in (
        (single_effects(rows, n), "Largest single change of the baseline"),
        (mean_effects(rows, n), "Largest on average over all else that was trained"),
    ):
        if effects:
            name = max(effects, key=lambda name: effects[name].difference.mean)
            told.append(f"{where}: {name}, {answered(effects[name])}.")
            if "the loop" in effects and name != "the loop":
                told[-1] = f"{told[-1][:-1]}; the loop {answered(effects['the loop'])}."
    return told


def _more_told(rows: Sequence[Row], n: int, compared: Mapping[Cell, Compared]) -> list[str]:
    """Whether a model without a loop beats feedback, at each number of updates; and other n."""
    told = []
    for times in sorted({cell.times for cell in compared}):
        plain = {cell: one for cell, one in compared.items() if not cell.recurrent and cell.times == times}
        better = [cell for cell, one in plain.items() if one.different and one.difference.mean > 0]
        best = max(plain, key=lambda cell: plain[cell].difference.mean)
        end = FEEDBACK._replace(times=times)
        word = "beats" if best in better else "does not beat"
        told.append(
            f"At {updates(rows, end, n)} updates feedback has {words(score(rows, end, n))}, and the best "
            f"model without a loop ({best.title}) {word} it: {answered(plain[best])}."
        )
        first = BASELINE._replace(times=times)
        if times > 1 and first != best:
            told.append(f"The paper's baseline is {answered(plain[first])} from feedback there.")
    for more in sorted({row.settings["examples"] for row in rows} - {n}):
        each = from_feedback(rows, more)
        for times in sorted({cell.times for cell in each}):
            base, normalised = (end._replace(times=times, loop="none") for end in (BASELINE, FEEDBACK))
            told.append(
                f"n = {more}, {updates(rows, base, more)} updates each: feedback "
                f"{words(score(rows, FEEDBACK._replace(times=times), more))}; feedforward less it "
                f"{answered(each[base])}, with {FEEDBACK._replace(loop='none').title} "
                f"{answered(each[normalised])}."
            )
    if len({row.settings["seed"] for row in rows}) < FEWEST:
        told.append(f"Too few seeds, fewer than {FEWEST}: nothing is told apart.")
    return told


EXPERIMENT = Experiment(
    name="ladder",
    title="One change at a time",
    claim="What separates the two models is feedback.",
    source="abstract, mechanism 1",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
)
