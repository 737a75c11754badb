"""The baseline: one pass of the same U-Net, without a loop."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.base import AS_BUILT, Model, StepResult, Traits
from fbseg_core.models.mechanisms import state_norm
from fbseg_core.models.unet import UNet


class FeedforwardUNet(Model):
    """The baseline: the same U-Net and head, one pass, no feedback neurons. Its state is h = u.

    It offers the same methods as FeedbackUNet, so that whatever runs the one runs the other: the first
    step gives the answer and later steps add nothing.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.F = UNet(
            config.in_channels,
            0,
            config.u,
            width=config.width,
            depth=config.depth,
            norm=config.norm,
            steps=1,
        )
        self.norm_delta = state_norm(config.norm, config.u) if config.delta_norm else nn.Identity()
        self.head = nn.Conv2d(config.u, config.classes, 1)

    @classmethod
    def traits_of(cls, config: ModelConfig) -> Traits:
        switches = frozenset({"batch_statistics"}) if config.norm == "batch" else frozenset()
        return Traits("feedforward", False, 1, False, switches)

    def initial(self, x: Tensor) -> Tensor:
        """h(0) = 0, shape (B, U, H, W)."""
        return x.new_zeros(len(x), self.config.u, *x.shape[-2:])

    def prepare(self, x: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """All of δ, (B, U, H, W): nothing but x enters."""
        return self.norm_delta(self.F(self.F.drive(x), None, 0, switches.batch_statistics))

    def advance(self, prepared: Tensor, h: Tensor, t: int, switches: Switches) -> StepResult:
        """h(1) = F(x); from there on nothing is added."""
        applied = prepared if t == 0 else torch.zeros_like(prepared)
        return StepResult(h + applied, prepared, applied, None)

    def forward(self, x: Tensor, steps: int | None = 1, switches: Switches = AS_BUILT) -> Tensor:
        """Class logits (B, K, H, W). `steps` is accepted for the sake of a common call and ignored."""
        return self.readout(self.prepare(x, switches))
