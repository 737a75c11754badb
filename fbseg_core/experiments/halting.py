"""When to stop: a fixed number of steps, a small relative update, or a mask that stays put."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fbseg_core.analysis.paired import Difference
from fbseg_core.checkpoint import load
from fbseg_core.experiments.common import EVAL_SEED
from fbseg_core.experiments.harness import Experiment, Profile, Row
from fbseg_core.experiments.report import Finding, Panel, Series, mean, words
from fbseg_core.metrics import confusion, f1, foreground
from fbseg_core.rollout import rollout
from fbseg_core.tasks import make_batch

LONGEST = 30
FIXED = (1, 2, 3, 5, 7, 10, 15, 20, 30)
EPSILONS = (0.3, 0.2, 0.1, 0.05, 0.02, 0.01)
PATIENCE = (1, 2, 3)
PART = 25  # images in one cell; its place in the grid is its seed
GRIDS: dict[Profile, dict[str, int]] = {
    "tiny": {"parts": 8, "images": 2},
    "quick": {"parts": 2, "images": PART},
    "full": {"parts": 8, "images": PART},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """checkpoint × part of the images; every rule is tried on all of them."""
    grid = GRIDS[profile]
    return [
        {"checkpoint": name, "seed": part, "images": grid["images"]}
        for name in ("grouping-feedback", "shapes-feedback")
        for part in range(grid["parts"])
    ]


def stops(trajectory, limit: int = LONGEST) -> dict[str, torch.Tensor]:
    """The step at which each rule stops each image of a rollout, (B,) int64, `limit` if it never does.

    "T = k": after k steps. "‖Δh‖/‖h‖ < ε": after the first step whose relative update is below ε. "mask
    steady k": after the first k steps in a row that change no label.
    """
    masks = trajectory.logits.argmax(2)
    steady = (masks[1:] == masks[:-1]).flatten(2).all(2)  # (T, B)
    rules = {f"T = {k}": torch.full((masks.shape[1],), k) for k in FIXED}
    for epsilon in EPSILONS:
        rules[f"‖Δh‖/‖h‖ < {epsilon:g}"] = _first(trajectory.relative_update < epsilon, limit)
    for k in PATIENCE:
        runs = torch.stack([steady[i : len(steady) - k + 1 + i] for i in range(k)]).all(0)
        rules[f"mask steady {k}"] = (_first(runs, limit) + k - 1).clamp_max(limit)
    return rules


def _first(true: torch.Tensor, limit: int) -> torch.Tensor:
    """One more than the first row (T, B) that is true, or the limit: steps taken when it is noticed."""
    return torch.where(true.any(0), true.long().argmax(0) + 1, limit)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Mean F1 over the part's images and mean steps taken, for each rule."""
    model, card = load(settings["checkpoint"])
    batch = make_batch(card.task, settings["images"], EVAL_SEED + settings["seed"])
    trajectory = rollout(model, batch.x, LONGEST)
    masks = trajectory.logits.argmax(2)
    rules = {}
    for name, steps in stops(trajectory).items():
        chosen = masks[steps, torch.arange(len(steps))]
        score = foreground(f1(confusion(chosen, batch.labels, card.model.classes)))
        rules[name] = {"f1": round(float(score.mean()), 4), "steps": round(float(steps.float().mean()), 3)}
    return {"rules": rules}


def panels(rows: Sequence[Row]) -> list[Panel]:
    """Accuracy against steps taken, one line for each family of rules, for each checkpoint."""
    families = {
        "fixed number of steps": ("other", [f"T = {k}" for k in FIXED]),
        "‖Δh‖/‖h‖ < ε": ("feedback", [f"‖Δh‖/‖h‖ < {epsilon:g}" for epsilon in EPSILONS]),
        "mask unchanged": ("feedforward", [f"mask steady {k}" for k in PATIENCE]),
    }
    found = []
    for name in _checkpoints(rows):
        lines = []
        for family, (kind, rules) in families.items():
            x = tuple(round(_mean(rows, name, rule, "steps").mean, 3) for rule in rules)
            y = tuple(_mean(rows, name, rule, "f1") for rule in rules)
            lines.append(Series(family, kind, x, y))
        found.append(Panel(name, "steps taken, mean", "F1 an image, mean", tuple(lines)))
    return found


def conclude(rows: Sequence[Row]) -> Finding:
    """What the rules save, against the model's own T."""
    return Finding(
        "measured",
        " ".join(
            f"{name}, {rule}: {_mean(rows, name, rule, 'steps').mean:.1f} steps and F1 "
            f"{words(_mean(rows, name, rule, 'f1'))}."
            for name in _checkpoints(rows)
            for rule in ("T = 10", "‖Δh‖/‖h‖ < 0.05", "mask steady 2")
        ),
        "",
    )


def _checkpoints(rows: Sequence[Row]) -> list[str]:
    return sorted({row.settings["checkpoint"] for row in rows})


def _mean(rows: Sequence[Row], checkpoint: str, rule: str, key: str) -> Difference:
    """Over the parts of the images."""
    return mean(rows, lambda row: row.result["rules"][rule][key], checkpoint=checkpoint)


EXPERIMENT = Experiment(
    name="halting",
    title="When to stop",
    claim="Can the inference latency caused by iterative refinement be reduced without "
    "sacrificing the gains?",
    source="open question 2",
    cells=cells,
    measure=measure,
    panels=panels,
    conclude=conclude,
    over="parts of the images",
)
