"""Who needs fewer examples: feedback, or augmentation, weight decay, and a loss on every step?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fbseg_core.config import ShapesConfig
from fbseg_core.experiments.common import setup_of, train_and_score
from fbseg_core.experiments.harness import Experiment, Profile
from fbseg_core.fewshot import Run, few_shot

# name -> what it changes of the matched protocol with every help taken off.
HELPS: dict[str, dict[str, Any]] = {
    "none": {},
    "flips and turns": {"flips": True},
    "weight decay": {"optimiser": "adamw", "weight_decay": 0.01},
    "loss on the last step only": {"loss": "final"},
}
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"examples": (2,), "seeds": 2, "side": 16, "images": 8, "updates": 2},
    "quick": {"examples": (2,), "seeds": 2, "side": 64, "images": 100, "updates": 0},
    "full": {"examples": (2, 10), "seeds": 8, "side": 64, "images": 200, "updates": 0},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """number of examples × model × help × seed, at paper sigma 4. A plain model has one step and one loss."""
    grid = GRIDS[profile]
    return [
        {
            "examples": n, "model": model, "help": help, "seed": seed, "sigma": 0.5,
            "side": grid["side"], "images": grid["images"], "updates": grid["updates"],
        }
        for n in grid["examples"]
        for model in ("feedback", "loop cut", "feedforward")
        for help in HELPS
        if not (model == "feedforward" and HELPS[help].get("loss"))
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one model with one help, or none, and score it with its controls."""
    setup = setup_of(settings, "matched")
    task, feedback, plain = few_shot(ShapesConfig(side=settings["side"], sigma=settings["sigma"]), setup)
    cut = Run("loop cut", feedback.model.replace(kind="loop_cut"), feedback.train)
    run = {"feedback": feedback, "loop cut": cut, "feedforward": plain}[settings["model"]]
    bare = run.train.replace(flips=False, weight_decay=0.0)
    return train_and_score(
        task, Run(run.name, run.model, bare.replace(**HELPS[settings["help"]])), settings["images"]
    )


EXPERIMENT = Experiment(
    "help",
    "Learning the whole trajectory makes feedback models need fewer examples.",
    cells,
    measure,
)
