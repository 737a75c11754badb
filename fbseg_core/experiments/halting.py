"""When to stop: a fixed number of steps, a small relative update, or a mask that stays; and what it costs.

Feedforward models stand beside the rules: one of equal weights, and one made wider until its pass costs the
multiply-adds of the feedback model's ten steps (width 53 for 16 in grouping, 26 for 8 in shapes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fbseg_core.analysis.cost import Cost, cost
from fbseg_core.analysis.paired import Difference, paired_difference
from fbseg_core.checkpoint import load, read_card
from fbseg_core.config import EVAL_SEED
from fbseg_core.experiments.records import NONE, Experiment, Finding, Others, Panel, Profile, Row, Series
from fbseg_core.experiments.report import mean, over_seeds
from fbseg_core.experiments.subject import Subject, of_card
from fbseg_core.experiments.thresholds import FEWEST, KEPT
from fbseg_core.models.registry import traits_of
from fbseg_core.rollout.halting import LONGEST, RULES, stops
from fbseg_core.rollout.trajectory import Trajectory, rollout
from fbseg_core.scores.metrics import confusion, mean_f1
from fbseg_core.tasks import make_batch

TASKS = ("grouping", "shapes")
FEEDBACK = "feedback"
PLAIN = {"feedforward": "feedforward, equal weights", "feedforward-wide": "feedforward, equal compute"}
ONE_PASS = "one pass"  # the only rule of a feedforward model
WHOLE = "T = 10"  # what every rule is held against: the steps of the models' own T
PART = 25  # images in one cell; its place in the grid is its seed
GRIDS: dict[Profile, dict[str, int]] = {
    "tiny": {"parts": 5, "images": 1},
    "quick": {"parts": 2, "images": PART},
    "full": {"parts": 8, "images": PART},
}
FAMILIES = {"fixed": "fixed T", "update": "‖Δh‖/‖h‖ < ε", "mask": "mask unchanged"}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """task × model × part of the images; every rule is tried on all of them."""
    grid = GRIDS[profile]
    return [
        {
            "task": task,
            "model": model,
            "checkpoint": f"{task}-{model}",
            "seed": part,
            "images": grid["images"],
        }
        for task in TASKS
        for model in (FEEDBACK, *PLAIN)
        for part in range(grid["parts"])
    ]


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """For each rule, over the part's images: mean F1; steps taken, mean, least and most; what they cost.

    macs: multiply-adds an image in millions, mean. A rule that looks at the mask pays for a readout at t = 0
    and after each step, another for the last alone; ‖Δh‖ itself is not counted. weights: of the model.
    """
    model, card = load(settings["checkpoint"])
    batch = make_batch(card.task, settings["images"], EVAL_SEED + settings["seed"], "test")
    plain = not traits_of(card.model).takes_steps
    trajectory = rollout(model, batch.x, 1 if plain else LONGEST)
    price = cost(model, batch.x[:1])
    every = {ONE_PASS: torch.ones(len(batch), dtype=torch.int64)} if plain else stops(trajectory)
    rules = {}
    for name, steps in every.items():
        looks = name in RULES and RULES[name].kind == "mask"
        rules[name] = _score(trajectory, batch.labels, steps) | {"macs": _macs(price, steps, looks)}
    return {"rules": rules, "weights": price.parameters}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The checkpoint of a cell, for as long as a rule may take."""
    card = read_card(settings["checkpoint"])
    return (of_card(card, steps=LONGEST if traits_of(card.model).takes_steps else 1),)


def _score(trajectory: Trajectory, labels: torch.Tensor, steps: torch.Tensor) -> dict[str, float]:
    """Mean F1 of the masks at `steps` (B,), and the steps taken."""
    chosen = trajectory.logits[steps, torch.arange(len(steps), device=steps.device)].argmax(1)
    score = mean_f1(confusion(chosen, labels, trajectory.logits.shape[2]))
    return {
        "f1": round(float(score.mean()), 4),
        "steps": round(float(steps.float().mean()), 3),
        "least": int(steps.min()),
        "most": int(steps.max()),
    }


def _macs(price: Cost, steps: torch.Tensor, looks: bool) -> float:
    """Mean multiply-adds an image, in millions."""
    taken = float(steps.float().mean())
    readouts = taken + 1 if looks else 1
    return round(price.run_macs(taken, readouts) / 1e6, 2)


def best_rule(rows: Sequence[Row]) -> str:
    """The cheapest rule that keeps the F1 of T = 10 in every task.

    It keeps it where the 95 % interval of its F1 less that of T = 10, paired by part of the images, stays
    above −0.005. Cheapest: fewest multiply-adds as a share of those of T = 10, averaged over the tasks.
    T = 10 itself where no other rule keeps it, as with too few parts for an interval.
    """
    tasks = _tasks(rows)
    able = [name for name in RULES if all(_lost(rows, task, name).low > -KEPT for task in tasks)]

    def share(name: str) -> float:
        return sum(_of(rows, task, name, "macs") / _of(rows, task, WHOLE, "macs") for task in tasks)

    return min(able, key=share, default=WHOLE)


def _lost(rows: Sequence[Row], task: str, rule: str, model: str = FEEDBACK) -> Difference:
    """F1 of a model stopped by a rule less that of the feedback model's T = 10, paired by part."""
    scores = over_seeds(rows, _reader(rule, "f1"), task=task, model=model)
    return paired_difference(scores, over_seeds(rows, _reader(WHOLE, "f1"), task=task, model=FEEDBACK))


def _reader(rule: str, key: str):
    return lambda row: row.result["rules"][rule][key]


def _of(rows: Sequence[Row], task: str, rule: str, key: str, model: str = FEEDBACK) -> float:
    """Mean of a measured value over the parts."""
    values = over_seeds(rows, _reader(rule, key), task=task, model=model)
    return sum(values) / len(values)


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """For each task F1 against multiply-adds: a line a family of rules, a point a feedforward model."""
    found = []
    for task in _tasks(rows):
        lines = []
        for kind, name in FAMILIES.items():
            points = [rule.name for rule in RULES.values() if rule.kind == kind]
            points.sort(key=lambda rule: _of(rows, task, rule, "macs"))
            lines.append(_series(rows, task, name, "feedback", FEEDBACK, points))
        for model, name in PLAIN.items():
            lines.append(_series(rows, task, name, "feedforward", model, [ONE_PASS]))
        x = "multiply-adds an image, millions, mean"
        found.append(Panel(task, x, "F1 an image, mean; interval over parts", tuple(lines), logs="x"))
    return found


def _series(rows: Sequence[Row], task: str, name: str, kind: Any, model: str, rules: Sequence[str]) -> Series:
    return Series(
        name,
        kind,
        tuple(round(_of(rows, task, rule, "macs", model), 1) for rule in rules),
        tuple(mean(rows, _reader(rule, "f1"), task=task, model=model) for rule in rules),
    )


def saved(rows: Sequence[Row], rule: str) -> str:
    """What a rule takes and gives in each task, beside T = 10: means over the images, no intervals."""
    told = [
        f"{task} {_of(rows, task, rule, 'steps'):.1f} steps, F1 {_of(rows, task, rule, 'f1'):.3f} "
        f"(at T = 10 {_of(rows, task, WHOLE, 'f1'):.3f})"
        for task in _tasks(rows)
    ]
    images = sum(row.settings["images"] for row in rows if _is(row, _tasks(rows)[0], FEEDBACK))
    return f"mean of {images} images: {'; '.join(told)}"


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """The best rule, what it saves, and how the feedforward models compare."""
    best = best_rule(rows)
    told = [
        f"The cheapest rule that keeps F1 within {KEPT} of T = 10 in every task is {best}.",
        *(_told(rows, task, best) for task in _tasks(rows)),
        "One training seed a model: the intervals are over parts of the images, not over other seeds.",
    ]
    shares = (
        f"{_of(rows, task, best, 'macs') / _of(rows, task, WHOLE, 'macs'):.0%} in {task}"
        for task in _tasks(rows)
    )
    return Finding(
        "measured", " ".join(told), f"{best} keeps the F1 of T = 10 at {', '.join(shares)} of its cost"
    )


def _told(rows: Sequence[Row], task: str, best: str) -> str:
    """Of one task: steps, cost and F1 of the best rule; F1 of the plain models; the best for it alone."""
    taken = [row.result["rules"][best] for row in rows if _is(row, task, FEEDBACK)]
    least, most = min(rule["least"] for rule in taken), max(rule["most"] for rule in taken)
    spread = f"{least} on every image" if least == most else f"{least} to {most} over the images"
    alone = best_rule([row for row in rows if row.settings["task"] == task])
    whole, full = _of(rows, task, WHOLE, "macs"), _of(rows, task, WHOLE, "f1")
    plain = []
    for model, name in PLAIN.items():
        macs = _of(rows, task, ONE_PASS, "macs", model)
        plain.append(f"{name} ({macs:.0f} M) {_three(_lost(rows, task, ONE_PASS, model))}")
    return (
        f"{task.capitalize()}: {_of(rows, task, best, 'steps'):.1f} steps ({spread}), "
        f"{_of(rows, task, best, 'macs') / whole:.0%} of the {whole:.0f} M multiply-adds of T = 10. Against "
        f"its F1 of {full:.3f}: the rule {_three(_lost(rows, task, best))}, {', '.join(plain)}. "
        f"The cheapest for {task} alone is {alone}, at {_of(rows, task, alone, 'macs') / whole:.0%}."
    )


def _three(d: Difference) -> str:
    """A difference with its interval, to three decimals."""
    interval = f"{d.low:+.3f}, {d.high:+.3f}" if d.k >= FEWEST else "too few parts for an interval"
    return f"{d.mean:+.3f} [{interval}]"


def _is(row: Row, task: str, model: str) -> bool:
    return row.settings["task"] == task and row.settings["model"] == model


def _tasks(rows: Sequence[Row]) -> list[str]:
    return sorted({row.settings["task"] for row in rows})


EXPERIMENT = Experiment(
    name="halting",
    title="When to stop",
    claim="Can the inference latency caused by iterative refinement be reduced without sacrificing the "
    "gains? (One training seed a model; intervals are over parts of the images.)",
    source="open question 2",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    over="parts of the images",
    checkpoints=tuple(f"{task}-{model}" for task in TASKS for model in (FEEDBACK, *PLAIN)),
)
