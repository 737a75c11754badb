"""What every model offers. Whatever runs, trains, scores or shows a model asks for no more than this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fbseg_core.config import ModelConfig, Switches

AS_BUILT = Switches()


class StepResult(NamedTuple):
    """One step. All (B, N, H, W), but v_hat (B, V, H, W), or None where nothing is fed back."""

    h_next: Tensor  # h(t+1)                                            E5
    delta: Tensor  # δ(t), undamped: what F would still change           E3
    applied: Tensor  # δ̃(t), what is really added                        E4
    v_hat: Tensor | None  # v̂(t), what F was fed                         E2


@dataclass(frozen=True)
class Traits:
    """What a model is, as its config alone tells.

    title: what it is called on a screen. takes_steps: whether later steps may change its answer; else the
    first gives it. steps: T that it was made for, 1 without steps. has_loop: whether anything is fed back to
    F. switches: the fields of Switches that mean something for it.
    """

    title: str
    takes_steps: bool
    steps: int
    has_loop: bool
    switches: frozenset[str]


class Model(nn.Module, ABC):
    """A network and its dynamics. Modules hold weights only; time and switches travel as arguments.

    The state h is (B, N, H, W) for images x (B, C, H, W). What its N channels are is the model's own affair,
    but the answer is read from the first `config.u` of them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    @classmethod
    @abstractmethod
    def traits_of(cls, config: ModelConfig) -> Traits:
        """What a model of that config is."""

    @property
    def traits(self) -> Traits:
        return self.traits_of(self.config)

    @property
    def in_channels(self) -> int:
        """C of the images that it takes."""
        return self.config.in_channels

    @property
    def classes(self) -> int:
        """K, the background included."""
        return self.config.classes

    @property
    def steps(self) -> int:
        """T that it was made for: 1 for a model that takes no steps."""
        return self.traits.steps

    def has_loop(self, switches: Switches = AS_BUILT) -> bool:
        """Whether anything is fed back to F under these switches. No switch closes a loop never trained."""
        return self.traits.has_loop and switches.loop is not False

    @property
    def device(self) -> torch.device:
        """Where its weights are, and so must be the images."""
        return next(self.parameters()).device

    @abstractmethod
    def initial(self, x: Tensor) -> Tensor:
        """h(0) (B, N, H, W) for images x (B, C, H, W). (E1)"""

    @abstractmethod
    def prepare(self, x: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """What is made of x alone, to be computed once a rollout and handed to every `step`."""

    @abstractmethod
    def step(
        self,
        x: Tensor,
        h: Tensor,
        t: int,
        *,
        switches: Switches = AS_BUILT,
        prepared: Tensor | None = None,
    ) -> StepResult:
        """One step from h(t), a pure function of its arguments in evaluation mode. (E2-E5)

        prepared is `prepare(x, switches)`, computed here if not given.
        """

    def readout(self, h: Tensor) -> Tensor:
        """Class logits (…, K, H, W) of a state (…, N, H, W), read from its u. (E6)"""
        flat = self.head(h[..., : self.config.u, :, :].flatten(0, -4))
        return flat.unflatten(0, h.shape[:-3])

    def gain(self, t: int, switches: Switches = AS_BUILT) -> Tensor:
        """The factor on δ(t) along each eigenvector of A, (N,), on the host: 1 where nothing damps. (E4)"""
        return torch.ones(self.state_channels, dtype=self.head.weight.dtype, device="cpu")

    @property
    def state_channels(self) -> int:
        """N, the channels of the state."""
        return self.config.u
