"""What every model offers. Whatever runs, trains, scores or shows a model asks for no more than this."""

from __future__ import annotations

import math
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
    error: Tensor | None = None  # δ(t) − h(t), where the state leaks; None where δ itself is added    E5'


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


@dataclass(frozen=True)
class StepBound:
    """‖h(t+1) − h(t)‖ ≤ √(H·W)·scale·qᵗ at every step t, whatever the image and the state; or no such bound.

    reason: why it holds, in one sentence; or why nothing is known, scale and q then being NaN. last: the last
    step it speaks of, None for every step.
    """

    reason: str
    scale: float = math.nan
    q: float = math.nan
    last: int | None = None


@dataclass(frozen=True)
class Contraction:
    """‖g(h) − g(h′)‖ ≤ factor·‖h − h′‖ for a step g, whatever the image, its size and the two states; or no
    such bound. ‖h‖ = max(max|v|, weight·max|u|), over channels and pixels.

    reason: why it holds, in one sentence; or why nothing is proved, factor and weight then being NaN.
    """

    reason: str
    factor: float = math.nan
    weight: float = math.nan

    @property
    def holds(self) -> bool:
        return self.factor < 1


class Model(nn.Module, ABC):
    """A network and its dynamics. Modules hold weights only; time and switches travel as arguments.

    The state h is (B, N, H, W) for images x (B, C, H, W). What its N channels are is the model's own affair,
    but the answer is read from the first `config.u` of them, through a 1×1 convolution `head`.
    """

    head: nn.Module

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
        """Whether F is fed any of the state. No switch closes a loop that was never trained."""
        return self.traits.has_loop and switches.loop is not False

    @property
    def feedback_channels(self) -> slice:
        """The channels of h that are fed back to F: v, where h = [u, v]."""
        return slice(self.config.u, self.state_channels)

    def sensitive_channels(self, switches: Switches = AS_BUILT) -> slice:
        """The channels of h that a step's change depends on, by whatever way; no others.

        To the rest a step only adds, so a change made in them is kept as it is.
        """
        return self.feedback_channels if self.has_loop(switches) else slice(0, 0)

    @property
    def device(self) -> torch.device:
        """Where its weights are, and so must be the images."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights, and so of its state."""
        return next(self.parameters()).dtype

    @abstractmethod
    def initial(self, x: Tensor) -> Tensor:
        """h(0) (B, N, H, W) for images x (B, C, H, W). (E1)"""

    @abstractmethod
    def prepare(self, x: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """What is made of x alone, to be computed once a rollout and handed to every `step`."""

    def step(
        self,
        x: Tensor,
        h: Tensor,
        t: int,
        *,
        switches: Switches = AS_BUILT,
        prepared: Tensor | None = None,
    ) -> StepResult:
        """One step from h(t) (B, N, H, W), a pure function of its arguments in evaluation mode. (E2-E5)

        prepared is `prepare(x, switches)`, computed here if not given.
        """
        return self.advance(self.prepare(x, switches) if prepared is None else prepared, h, t, switches)

    @abstractmethod
    def advance(self, prepared: Tensor, h: Tensor, t: int, switches: Switches) -> StepResult:
        """`step`, from what `prepare` made of the images."""

    def readout(self, h: Tensor) -> Tensor:
        """Class logits (…, K, H, W) of a state (…, N, H, W), read from its u. (E6)"""
        flat = self.head(h[..., : self.config.u, :, :].flatten(0, -4))
        return flat.unflatten(0, h.shape[:-3])

    def forward(self, x: Tensor, steps: int | None = None, switches: Switches = AS_BUILT) -> Tensor:
        """Class logits (B, K, H, W) after `steps` steps from rest (the model's own number if None)."""
        h, prepared = self.initial(x), self.prepare(x, switches)
        for t in range(self.steps if steps is None else steps):
            h = self.step(x, h, t, switches=switches, prepared=prepared).h_next
        return self.readout(h)

    def gain(self, t: int, switches: Switches = AS_BUILT) -> Tensor:
        """The factor on δ(t) along each eigenvector of A, (N,), on the host: 1 where nothing damps. (E4)"""
        return torch.ones(self.state_channels, dtype=self.dtype, device="cpu")

    def step_bound(self, switches: Switches = AS_BUILT) -> StepBound:
        """How large a step can be; unknown unless a model can prove it."""
        return StepBound(f"Of a {self.traits.title} model no bound on the size of a step is known.")

    def contraction(self, switches: Switches = AS_BUILT) -> Contraction:
        """By how much a step brings any two states together; unknown unless a model can prove it."""
        return Contraction(f"Of a {self.traits.title} model no bound on the stretch of a step is known.")

    @property
    def state_channels(self) -> int:
        """N, the channels of the state."""
        return self.config.u
