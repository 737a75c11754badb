"""The paper's Figure 4: F1 against noise, for models trained at each σ, and at one σ and tested at others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fbseg_core.config import ShapesConfig
from fbseg_core.experiments.common import score_at, setup_of, trained
from fbseg_core.experiments.harness import Experiment, Profile
from fbseg_core.fewshot import few_shot

ONE = 4.0  # paper sigma of the models that are tested at all others
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"sigmas": (0.0, ONE), "seeds": 2, "side": 16, "images": 8, "updates": 2},
    "quick": {"sigmas": (2.0, ONE, 8.0), "seeds": 2, "side": 64, "images": 100, "updates": 0},
    "full": {
        "sigmas": (0.0, 1.0, 2.0, ONE, 6.0, 8.0, 10.0), "seeds": 8, "side": 64, "images": 200, "updates": 0,
    },
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """protocol × paper sigma in training × model × seed, ten examples; tested at `tests`."""
    grid = GRIDS[profile]
    return [
        {
            "protocol": protocol, "paper_sigma": sigma, "model": model, "seed": seed, "examples": 10,
            "tests": list(grid["sigmas"]) if sigma == ONE else [sigma],
            "side": grid["side"], "images": grid["images"], "updates": grid["updates"],
        }
        for protocol in ("paper", "matched")
        for sigma in grid["sigmas"]
        for model in ("feedback", "feedforward")
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one model at one noise and score it, with its controls, at each of `tests` (paper sigma)."""
    side = settings["side"]
    task = ShapesConfig(side=side, sigma=settings["paper_sigma"] * side / 512)
    task, *runs = few_shot(task, setup_of(settings, settings["protocol"]))
    (run,) = (run for run in runs if run.name == settings["model"])
    model, last = trained(task, run)
    at = {
        f"{sigma:g}": score_at(model, task.replace(sigma=sigma * side / 512), settings["images"])
        for sigma in settings["tests"]
    }
    return {"at": at, "loss": last["loss"], "updates": last["updates"], "stopped": last["stopped"]}


EXPERIMENT = Experiment(
    "noise",
    "Feedback models keep a high F1 at noise of paper sigma 6 and more, where feedforward models fall to "
    "near chance.",
    cells,
    measure,
)
