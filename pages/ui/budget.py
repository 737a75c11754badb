"""What a run may hold in memory, reckoned before it is made: a small file may ask for a very large one."""

from __future__ import annotations

import math

from fbseg_core import ConfigError
from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import traits_of

MOST = 256 * 2**20  # bytes of a trajectory; several are held on the way to what a screen shows


def bytes_of_run(model: ModelConfig, size: tuple[int, int], steps: int) -> int:
    """Bytes of the trajectory of one image (H, W) over that many steps, at most."""
    if not traits_of(model).takes_steps:
        steps = 1
    # h, δ, δ̃ and the error of every neuron; v̂; the logits
    return 4 * math.prod(size) * (steps + 1) * (4 * (model.u + model.v) + model.v + model.classes)


def check(model: ModelConfig, size: tuple[int, int], steps: int) -> None:
    """Raise ConfigError for a run that would hold too much."""
    needed = bytes_of_run(model, size, steps)
    if needed > MOST:
        fit = MOST * (steps + 1) // needed - 1
        remedy = f"up to {fit} steps fit" if fit >= 1 else "this model is too large for this app"
        raise ConfigError(
            f"T: a run of {steps} steps of this model would hold {needed >> 20:,} MB, more than "
            f"{MOST >> 20}; {remedy}."
        )
