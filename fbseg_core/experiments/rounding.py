"""Do two machines round alike? Then the same cell has the same numbers on both, to the last digit.

The same seed gives the same numbers on one machine. CPUs with other vector instructions or caches add up in
another order, and training makes a last bit into a digit that shows.
"""

from __future__ import annotations

import hashlib

import torch

from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.training.fit import fit

TASK = ShapesConfig()  # 64 px, as in most experiments
RUNS = (
    (ModelConfig(), TrainConfig(batch=1, updates=3)),
    (ModelConfig(kind="feedforward", norm="batch"), TrainConfig(batch=8, updates=3)),
)


def fingerprint() -> str:
    """8 hex digits of what a few updates on one thread make of two models, to the last bit."""
    threads, digest = torch.get_num_threads(), hashlib.sha256()
    torch.set_num_threads(1)
    try:
        for config, train in RUNS:
            model = build(config, train.seed)
            for _ in fit(model, TASK, train):
                pass
            for weight in model.parameters():
                digest.update(weight.detach().numpy().tobytes())
    finally:
        torch.set_num_threads(threads)
    return digest.hexdigest()[:8]
