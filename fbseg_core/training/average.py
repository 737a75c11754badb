"""A running average of the weights that learn (Polyak and Juditsky 1992): what is scored and kept."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from fbseg_core.models.base import Model


class Average:
    """A running average of the weights, which is what the caller sees, scores and keeps (Polyak averaging).

    decay: share that the average keeps at each update, less at the beginning; with 0 there is none. While an
    update is made the model holds the weights that learn.
    """

    def __init__(self, model: Model, decay: float, raw: dict[str, Tensor]) -> None:
        self.decay = decay
        self.weights = dict(model.named_parameters())
        self.raw = {name: (raw or self.weights)[name].detach().clone() for name in self.weights if decay}

    @torch.no_grad()
    def learn(self) -> None:
        """Before an update: keep the average, and give the model the weights that learn."""
        self.kept = [self.weights[name].clone() for name in self.raw]
        for name, value in self.raw.items():
            self.weights[name].copy_(value)

    @torch.no_grad()
    def show(self, update: int) -> None:
        """After it: keep those weights, and give the model their average."""
        if not self.raw:
            return
        for name, value in self.raw.items():
            value.copy_(self.weights[name])
        decay = min(self.decay, (update + 1) / (update + 10))
        get_ema_multi_avg_fn(decay)(self.kept, list(self.raw.values()), None)
        for name, value in zip(self.raw, self.kept):
            self.weights[name].copy_(value)

    def snapshot(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.raw.items()}
