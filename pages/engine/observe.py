"""How a task makes of clean image and noise what a model sees, as observe.js does it in the browser."""

from __future__ import annotations

from fbseg_core import ConfigError
from fbseg_core.config import TaskConfig
from fbseg_core.tasks import Task

NORMALISATIONS = ("none", "standard", "minmax")  # that observe.js computes


def normalisation(task: Task, config: TaskConfig) -> str:
    """How the task brings a noisy image to its range. Raises ConfigError for a way that only Python knows."""
    usual = all(getattr(type(task), name) is getattr(Task, name) for name in ("observe", "noise", "noises"))
    if usual and type(task).normalise is Task.normalise:
        return "none"
    found = getattr(config, "normalise", None)
    if not usual or found not in NORMALISATIONS:
        raise ConfigError(f"Images of the task {config.name!r:.40} cannot be made in the browser.")
    return found
