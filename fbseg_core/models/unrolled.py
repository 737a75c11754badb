"""The feedback model unrolled in space: T copies of its step, each with weights of its own.

Beside the feedback model it tells sharing from depth: it computes what T steps of the loop compute, but
nothing forces step t to be the same function as step t − 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.base import AS_BUILT, StepResult, Traits
from fbseg_core.models.feedback import FeedbackUNet, step_parts


class Copy(nn.Module):
    """F, the norm of δ and the norm of v of one step."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.F, self.norm_delta, self.norm_v = step_parts(config, 1)


class UnrolledUNet(FeedbackUNet):
    """E1-E6 with F, the norm of δ and the norm of v of step t apart from those of all other steps.

    It ends at T: there is no copy for a later step, so from there on nothing is added and the gain is 0. δ
    is still told, of the last copy: what that one would change. Head and Q are shared, as they are no part
    of a step. With the loop cut at inference every copy sees the image alone.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config.replace(steps=1))  # its own parts are those of the first step
        self.config = config
        self.later = nn.ModuleList(Copy(config) for _ in range(config.steps - 1))

    @classmethod
    def traits_of(cls, config: ModelConfig) -> Traits:
        looped = super().traits_of(config)
        return Traits("unrolled", True, config.steps, True, looped.switches)

    def copy_of(self, t: int) -> Copy | UnrolledUNet:
        """What holds the weights of step t, of the last one past T."""
        at = min(t, self.config.steps - 1)
        return self.later[at - 1] if at else self

    def prepare(self, x: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """The image itself: what a copy makes of it is needed once."""
        return x

    def advance(self, prepared: Tensor, h: Tensor, t: int, switches: Switches) -> StepResult:
        """One step from h(t) (B, U+V, H, W) by the weights of step t. (E2-E5)"""
        copy, v_hat = self.copy_of(t), None
        if self.has_loop(switches):
            v_hat = self.projected(copy.norm_v(h[:, self.feedback_channels]), switches)
        delta = copy.norm_delta(copy.F(copy.F.drive(prepared), v_hat, 0, switches.batch_statistics))
        return self.add(h, delta, v_hat, t, switches)

    def gain(self, t: int, switches: Switches = AS_BUILT) -> Tensor:
        """As of the feedback model up to T, and 0 from there on, whatever the clock. (E4)"""
        gain = super().gain(t, switches)
        return gain if t < self.config.steps else torch.zeros_like(gain)

    def delta_norms(self) -> list[nn.Module]:
        """The norm of δ of each step."""
        return [self.norm_delta, *(copy.norm_delta for copy in self.later)]
