"""What the rows of `predictive` say: F1 of each model less that of the U-Net alone, on each task and under
each noise, and which part of what is put around the U-Net does it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.analysis.paired import Difference
from fbseg_core.experiments.records import NONE, Finding, Kind, Others, Panel, Row, Series
from fbseg_core.experiments.report import above_chance, answered, gap, mean, over_seeds, words
from fbseg_core.experiments.thresholds import FEWEST, MARGIN

NET, LOOP, CODING = "feedforward", "feedback", "predictive coding"  # what cells train
AROUND, OWN = "predified", "own"  # scores: of the U-Net with what is put around it, and of a cell's own model
PREDICTIONS, ERRORS, BOTH = "predictions alone", "errors alone", "both"
PARTS = (PREDICTIONS, ERRORS, BOTH)
NOISE = {"as trained": 1.0, "twice the noise": 2.0}  # of the test, as a multiple of that in training
TASKS = ("shapes", "grouping")
MODELS: dict[str, tuple[str, str, Kind]] = {  # as they are told: the cell, its score, and how it is drawn
    "U-Net": (NET, OWN, "feedforward"),
    "U-Net with prediction and error": (NET, AROUND, "other"),
    "predictive coding": (CODING, OWN, "loop cut"),
    "feedback": (LOOP, OWN, "feedback"),
}
ALONE, *OTHERS = MODELS


def f1(rows: Sequence[Row], name: str, task: str, noise: str = "as trained") -> Difference:
    """F1 of one of MODELS."""
    model, score, _ = MODELS[name]
    return mean(rows, ("at", noise, score, "f1"), model=model, task=task)


def less_net(rows: Sequence[Row], score: str, model: str, task: str, noise: str) -> Difference:
    """A score of the cells of a model less that of the U-Net alone, on the same images, paired by seed."""
    value, own = ("at", noise, score, "f1"), ("at", noise, OWN, "f1")
    return gap(rows, value, {"model": model}, {"model": NET}, own, task=task)


def compared(rows: Sequence[Row], noise: str = "as trained") -> dict[tuple[str, str], Compared]:
    """F1 of each other model less the U-Net's, by model and task, as one family."""
    gaps = {
        (name, task): less_net(rows, score, model, task, noise)
        for task in TASKS
        for name, (model, score, _) in MODELS.items()
        if name != ALONE
    }
    return family(gaps, MARGIN)


def parts(rows: Sequence[Row], noise: str = "as trained") -> dict[tuple[str, str], Compared]:
    """F1 with each part of prediction and error less the U-Net's, by part and task, as one family."""
    gaps = {(part, task): less_net(rows, part, NET, task, noise) for part, task in product(PARTS, TASKS)}
    return family(gaps, MARGIN)


def preferred(rows: Sequence[Row], task: str, noise: str = "as trained") -> int:
    """In how many seeds the chosen dials score better than the U-Net alone on validation images."""
    chosen = over_seeds(rows, ("at", noise, AROUND), model=NET, task=task)
    return sum(one["validation"] > one["net"] for one in chosen)


def levels(rows: Sequence[Row], task: str, noise: str = "as trained") -> dict[str, Difference]:
    """What scores without a model give: chance, and marking every region where there are regions."""
    value = ("at", noise, OWN)
    found = {"chance": mean(rows, (*value, "chance"), model=NET, task=task)}
    if over_seeds(rows, (*value, "trivial"), model=NET, task=task)[0] is not None:
        found["mark every region"] = mean(rows, (*value, "trivial"), model=NET, task=task)
    return found


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """What each adds to the U-Net's F1 on each task, or takes from it."""
    found = compared(rows)
    short = ("U-Net", "with prediction", "predictive coding", "feedback")
    told = [
        f"{text} {', '.join(f'{f1(rows, name, task).mean:.2f}' for task in TASKS)}"
        for text, name in zip(short, MODELS)
    ]
    because = " ".join(
        f"{name} less the U-Net: {'; '.join(f'{task} {answered(found[key, task])}' for task in TASKS)}."
        for name, key in zip(("With prediction and error", "Predictive coding", "Feedback"), OTHERS)
    )
    return Finding(
        "measured", because, f"F1 on {', '.join(TASKS)}: {'; '.join(told)}.", details=_details(rows)
    )


def _details(rows: Sequence[Row]) -> str:
    seeds = len({row.settings["seed"] for row in rows})
    told = [] if seeds >= FEWEST else ["Too few seeds for an interval."]
    for noise in NOISE:
        found = parts(rows, noise)
        for task in TASKS:
            own = {"the U-Net": f1(rows, ALONE, task, noise), **levels(rows, task, noise)}
            scores = ", ".join(f"{name} {words(one)}" for name, one in own.items())
            told.append(f"{task.capitalize()}, {noise}: {scores}.")
            each = "; ".join(f"{part} {answered(found[part, task])}" for part in PARTS)
            told.append(
                f"The parts of prediction and error, less the U-Net: {each}; the dials chosen beat the U-Net "
                f"on the validation images of {preferred(rows, task, noise)} of {seeds} seeds."
            )
    noisier = list(NOISE)[-1]
    for (name, task), one in compared(rows, noisier).items():
        told.append(f"With {noisier}, {name} less the U-Net, {task}: {answered(one)}.")
    own = ("at", "as trained", OWN)
    beyond = above_chance(rows, (*own, "f1"), (*own, "trivial"), model=CODING, task="grouping")
    told.append(f"On grouping predictive coding is {words(beyond, sign=True)} from marking every region.")
    told += [_budget(rows, task) for task in TASKS]
    return " ".join(told)


def _budget(rows: Sequence[Row], task: str) -> str:
    """What was trained on how much, so that a score is not taken for more than it is."""
    settings = next(row.settings for row in rows if row.settings["task"] == task)
    missed = mean(rows, lambda row: row.result["missed"][-1], model=NET, task=task)
    return (
        f"{task.capitalize()}: images of {settings['side']} px, {settings['updates']} updates of 8 for the "
        f"networks, {settings['coding']} for predictive coding; the decoders miss {missed.mean:.0%} of "
        f"the levels' power after {settings['decoders']} updates. Longer training may give other numbers."
    )


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 by task under each noise; and what each part of prediction and error adds to the U-Net."""
    found = []
    for noise in NOISE:
        lines = [
            Series(name, kind, TASKS, tuple(f1(rows, name, task, noise) for task in TASKS))
            for name, (_, _, kind) in MODELS.items()
        ]
        without = {task: levels(rows, task, noise) for task in TASKS}
        lines.append(Series("chance", "chance", TASKS, tuple(without[task]["chance"] for task in TASKS)))
        there = tuple(task for task in TASKS if "mark every region" in without[task])
        marked = tuple(without[task]["mark every region"] for task in there)
        lines.append(Series("mark every region", "trivial", there, marked))
        found.append(Panel(f"F1, {noise}", "", "pooled F1", tuple(lines)))
    for noise in NOISE:
        lines = [
            Series(task, kind, PARTS, tuple(less_net(rows, part, NET, task, noise) for part in PARTS))
            for task, kind in zip(TASKS, ("feedforward", "feedback"))
        ]
        found.append(Panel(f"what each part adds, {noise}", "", "F1 less the U-Net's", tuple(lines)))
    return found


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line a task and model: what it takes, what it scores, and that less the U-Net's."""
    found, lines = compared(rows), []
    for task in TASKS:
        for name in MODELS:
            weights, macs = _price(rows, name, task)
            lines.append(
                {
                    "task": task,
                    "model": name,
                    "weights": f"{weights:,}",
                    "multiply-adds an image, millions": macs,
                    "F1": words(f1(rows, name, task)),
                    "less the U-Net": answered(found[name, task]) if name in OTHERS else "–",
                    "F1, twice the noise": words(f1(rows, name, task, "twice the noise")),
                }
            )
        noisier = levels(rows, task, "twice the noise")
        for name, score in levels(rows, task).items():
            blank = dict.fromkeys(lines[0], "–")
            lines.append(
                blank
                | {
                    "task": task,
                    "model": name,
                    "F1": words(score),
                    "F1, twice the noise": words(noisier[name]),
                }
            )
    return lines  # fmt: skip


def _price(rows: Sequence[Row], name: str, task: str) -> tuple[int, str]:
    """Weights, and multiply-adds in millions: a span where the chosen number of updates differs by seed."""
    model, score, _ = MODELS[name]
    cells = over_seeds(rows, lambda row: row.result, model=model, task=task)
    if score != AROUND:
        return cells[0]["weights"], f"{cells[0]['macs']:.2f}"
    macs = [one["at"]["as trained"][AROUND]["macs"] for one in cells]
    span = f"{min(macs):.2f}" if min(macs) == max(macs) else f"{min(macs):.2f} to {max(macs):.2f}"
    return cells[0]["weights"] + cells[0]["decoders"], span
