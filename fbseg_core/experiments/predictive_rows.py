"""What the rows of `predictive` say: F1 of each model less that of the U-Net alone, on each task and under
each noise, and which part of what is put around the U-Net does it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.analysis.paired import Difference
from fbseg_core.experiments.records import NONE, Finding, Kind, Listed, Others, Panel, Point, Row, Series
from fbseg_core.experiments.report import above_chance, answered, gap, mean, over_seeds, words
from fbseg_core.experiments.thresholds import FEWEST, MARGIN

NET, LOOP, CODING = "feedforward", "feedback", "predictive coding"  # what cells train
AROUND, OWN = "predified", "own"  # scores: of the U-Net with what is put around it, and of a cell's own model
PREDICTIONS, ERRORS, BOTH = "predictions alone", "errors alone", "both"
PARTS = (PREDICTIONS, ERRORS, BOTH)
NOISE = {"as trained": 1.0, "twice the noise": 2.0}  # of the test, as a multiple of that in training
TRAINED, NOISIER = NOISE
TASKS = ("shapes", "grouping")
MOVED = "U-Net with prediction and error"
MODELS: dict[str, tuple[str, str, Kind]] = {  # as they are told: the cell, its score, and how it is drawn
    "U-Net": (NET, OWN, "feedforward"),
    MOVED: (NET, AROUND, "other"),
    CODING: (CODING, OWN, "loop cut"),
    LOOP: (LOOP, OWN, "feedback"),
}
BARE = "U-Net"


def f1(rows: Sequence[Row], name: str, task: str, noise: str = TRAINED) -> Difference:
    """F1 of one of MODELS."""
    model, score, _ = MODELS[name]
    return mean(rows, ("at", noise, score, "f1"), model=model, task=task)


def less_net(rows: Sequence[Row], score: str, model: str, task: str, noise: str) -> Difference:
    """A score of the cells of a model less that of the U-Net alone, on the same images, paired by seed."""
    value, own = ("at", noise, score, "f1"), ("at", noise, OWN, "f1")
    return gap(rows, value, {"model": model}, {"model": NET}, own, task=task)


def compared(rows: Sequence[Row], noise: str = TRAINED) -> dict[tuple[str, str], Compared]:
    """F1 of each other model less the U-Net's, by model and task, as one family."""
    gaps = {
        (name, task): less_net(rows, score, model, task, noise)
        for task in TASKS
        for name, (model, score, _) in MODELS.items()
        if name != BARE
    }
    return family(gaps, MARGIN)


def parts(rows: Sequence[Row], noise: str = TRAINED) -> dict[tuple[str, str], Compared]:
    """F1 with each part of prediction and error less the U-Net's, by part and task, as one family."""
    gaps = {(part, task): less_net(rows, part, NET, task, noise) for part, task in product(PARTS, TASKS)}
    return family(gaps, MARGIN)


def preferred(rows: Sequence[Row], task: str, noise: str = TRAINED) -> int:
    """In how many seeds the chosen dials score better than the U-Net alone on validation images."""
    chosen = over_seeds(rows, ("at", noise, AROUND), model=NET, task=task)
    return sum(one["validation"] > one["net"] for one in chosen)


def levels(rows: Sequence[Row], task: str, noise: str = TRAINED) -> dict[str, Difference]:
    """What scores without a model give: chance, and marking every region where there are regions."""
    value = ("at", noise, OWN)
    found = {"chance": mean(rows, (*value, "chance"), model=NET, task=task)}
    if over_seeds(rows, (*value, "trivial"), model=NET, task=task)[0] is not None:
        found["mark every region"] = mean(rows, (*value, "trivial"), model=NET, task=task)
    return found


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """What prediction and error add to the U-Net's F1 under each noise, and what the whole of it has less."""
    found = {noise: compared(rows, noise) for noise in NOISE}
    first, second = ([_told(found[noise][MOVED, task]) for task in TASKS] for noise in NOISE)
    brief = (
        f"Prediction and error add {first[0]} F1 to a U-Net on {TASKS[0]}, {first[1]} on {TASKS[1]}; with "
        f"twice the noise {second[0]}, {second[1]}."
    )
    because = " ".join(
        f"{title}: {'; '.join(f'{task} {answered(found[noise][name, task])}' for task in TASKS)}."
        for title, noise, name in (
            ("With prediction and error less the U-Net", TRAINED, MOVED),
            ("The same with twice the noise", NOISIER, MOVED),
            ("Predictive coding proper less the U-Net", TRAINED, CODING),
        )
    )
    return Finding("measured", because, brief, points=_points(rows))


def _told(one: Compared) -> str:
    """A difference in a few words, without its interval."""
    mean = one.difference.mean
    text = f"{mean:+.2f}".replace("-", "−") if round(mean, 2) else "0.00"
    return f"{text} (not told apart)" if one.answer == "not told apart" else text


def _points(rows: Sequence[Row]) -> list[Point]:
    seeds = len({row.settings["seed"] for row in rows})
    told: list[Point] = [] if seeds >= FEWEST else ["Too few seeds for an interval."]
    found = compared(rows)
    loop = tuple(f"{task} {answered(found[LOOP, task])}" for task in TASKS)
    told.append(Listed("The paper's loop less the U-Net", loop))
    own = ("at", TRAINED, OWN)
    beyond = above_chance(rows, (*own, "f1"), (*own, "trivial"), model=CODING, task="grouping")
    alone = over_seeds(rows, (*own, "f1"), model=CODING, task="grouping")
    told.append(
        f"On grouping predictive coding is {words(beyond, sign=True)} from marking every region; its seeds "
        f"score {min(alone):.2f} to {max(alone):.2f}."
    )
    better = tuple(
        f"{task}, {noise}, in {preferred(rows, task, noise)}" for noise, task in product(NOISE, TASKS)
    )
    told.append(Listed(f"Of {seeds} seeds, the dials chosen beat the U-Net on validation images", better))
    told += [_budget(rows, task) for task in TASKS]
    told.append(
        "No model learned with twice the noise. Longer training may give other numbers, as other cards show "
        "of the loop."
    )
    return told


def _budget(rows: Sequence[Row], task: str) -> str:
    """What was trained on how much, so that a score is not taken for more than it is."""
    settings = next(row.settings for row in rows if row.settings["task"] == task)
    missed = mean(rows, lambda row: row.result["missed"][-1], model=NET, task=task)
    return (
        f"{task.capitalize()}: images of {settings['side']} px, {settings['updates']} updates of 8 for the "
        f"networks, {settings['coding']} for predictive coding; the decoders miss {missed.mean:.0%} of "
        f"the levels' power after {settings['decoders']} updates."
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
    """One line a task and model, and one for each part of prediction and error: what it takes and scores."""
    lines: list[dict[str, str]] = []
    gaps = {noise: {**compared(rows, noise), **parts(rows, noise)} for noise in NOISE}
    shown = {BARE: OWN, MOVED: AROUND} | {f"of these, {part}": part for part in PARTS}
    for task in TASKS:
        for name in (*shown, CODING, LOOP):
            model, score = (NET, shown[name]) if name in shown else (name, OWN)
            line = {"task": task, "model": name, **_price(rows, model, score, task)}
            for noise in NOISE:
                value = mean(rows, ("at", noise, score, "f1"), model=model, task=task)
                one = gaps[noise].get((score if score in PARTS else name, task))
                line |= {
                    f"F1, {noise}": words(value),
                    f"less the U-Net, {noise}": answered(one) if one else "–",
                }
            lines.append(line)
        blank = dict.fromkeys(lines[0], "–")
        for name in levels(rows, task):
            scores = {f"F1, {noise}": words(levels(rows, task, noise)[name]) for noise in NOISE}
            lines.append(blank | {"task": task, "model": name} | scores)
    return lines


def _price(rows: Sequence[Row], model: str, score: str, task: str) -> dict[str, str]:
    """Weights, and multiply-adds: a span where the chosen number of updates differs by seed."""
    cells = over_seeds(rows, lambda row: row.result, model=model, task=task)
    weights, macs = cells[0]["weights"], [one["macs"] for one in cells]
    if score != OWN:
        weights += cells[0]["decoders"]
        macs = [one["at"][TRAINED][score]["macs"] for one in cells]
    ends = [f"{end(macs):.2f}" for end in (min, max)]
    return {
        "weights": f"{weights:,}",
        "multiply-adds an image, millions": " to ".join(dict.fromkeys(ends)),
    }
