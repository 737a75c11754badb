"""The paper's Figure 3: F1 against the number of examples, feedback and feedforward, under both protocols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fbseg_core.config import ShapesConfig
from fbseg_core.experiments.common import setup_of, train_and_score
from fbseg_core.experiments.harness import Experiment, Profile
from fbseg_core.fewshot import few_shot

GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"examples": (1, 2), "seeds": 2, "side": 16, "images": 8, "updates": 3},
    "quick": {"examples": (2, 10), "seeds": 3, "side": 64, "images": 100, "updates": 0},
    "full": {"examples": (1, 2, 4, 10, 32), "seeds": 8, "side": 64, "images": 200, "updates": 0},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """protocol × number of examples × model × seed, at paper sigma 4 (σ = 0.5 a pixel at 64 px)."""
    grid = GRIDS[profile]
    return [
        {
            "protocol": protocol, "examples": n, "model": model, "seed": seed, "sigma": 0.5,
            "side": grid["side"], "images": grid["images"], "updates": grid["updates"],
        }
        for protocol in ("paper", "matched")
        for n in grid["examples"]
        for model in ("feedback", "feedforward")
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one model on n examples and score it with its controls."""
    task = ShapesConfig(side=settings["side"], sigma=settings["sigma"])
    task, *runs = few_shot(task, setup_of(settings, settings["protocol"]))
    (run,) = (run for run in runs if run.name == settings["model"])
    return train_and_score(task, run, settings["images"])


EXPERIMENT = Experiment(
    "fewshot",
    "With 2, 4 or 10 examples the feedback model segments noisy shapes and the feedforward model does not.",
    cells,
    measure,
)
