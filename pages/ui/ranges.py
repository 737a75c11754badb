"""What the controls of every screen can be set to: narrower than the core, for sliders set by hand."""

from __future__ import annotations

from typing import Any

from fbseg_core import Card
from fbseg_core.settings import Config, setting

Range = dict[str, Any]
TAU: Range = {"unit": "steps", "lo": 0.05, "hi": 40.0, "step": 0.05}
SIGMA: Range = {"unit": "grey levels", "lo": 0.0, "hi": 2.0, "step": 0.05}
EIGENVALUE: Range = {"lo": -2.0, "hi": 2.0, "step": 0.1}
K: Range = {"lo": 0.05, "hi": 1.0, "step": 0.05}
STEPS: Range = {"unit": "steps", "lo": 1, "hi": 60}


class Checkpoint(Config):
    T: int = setting(1, "", **STEPS)
    tau: float = setting(1.0, "", **TAU)
    eigenvalue: float = setting(0.0, "", **EIGENVALUE)
    sigma: float = setting(0.0, "", **SIGMA)
    k: float = setting(0.5, "", **K)


def check(card: Card) -> None:
    """Raise ConfigError for a checkpoint that the controls could not show as it was made."""
    model = card.model
    Checkpoint(T=model.steps, tau=model.tau, eigenvalue=model.spectrum[0], sigma=card.task.sigma, k=model.k)
