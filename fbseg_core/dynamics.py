"""The equations E1-E6: how the state h = [u, v] is read, fed back, damped and moved on.

Letters as in the paper: h the state, u its segmentation neurons, v its feedback neurons, τ the decay's
time constant, t the step. Modules hold weights only; time and switches travel as arguments.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.knobs import ConfigError
from fbseg_core.unet import UNet
from fbseg_core.unet import count_weights as unet_weights

AS_BUILT = Switches()

# name -> function of norm(v) (B, V, H, W); the result v̂ has the same shape (E2).
PROJECTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda v: v.softmax(1),
    "none": lambda v: v,
}

# name -> function (t, τ, eigenvalues of A (U+V,)) giving the gain along each eigenvector, (U+V,) (E4).
DECAYS: dict[str, Callable[[int, float, Tensor], Tensor]] = {
    "exponential": lambda t, tau, eigenvalues: torch.exp(t / tau * eigenvalues),
    "none": lambda t, tau, eigenvalues: torch.ones_like(eigenvalues),
}


def fractional_kernel(t: int, steps: int, alpha: float) -> float:
    """The authors' weight (1 − t/T)^(α−1)/Γ(α). It depends on the horizon T and is NaN past it."""
    left = 1 - t / steps
    if left < 0 or (left == 0 and alpha < 1):
        return math.nan
    return left ** (alpha - 1) / math.gamma(alpha)


class StepResult(NamedTuple):
    """One step. All (B, U+V, H, W) but v_hat, which is (B, V, H, W), or None with the loop cut."""

    h_next: Tensor  # h(t+1)                                            E5
    delta: Tensor  # δ(t), undamped: what F would still change           E3
    applied: Tensor  # δ̃(t), what is really added                        E4
    v_hat: Tensor | None  # v̂(t), what F was fed                         E2


class FeedbackUNet(nn.Module):
    """The feedback U-Net, E1-E6; with config.kind = "loop_cut" the same network with v̂ := 0 throughout."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        state = config.u + config.v
        self.F = UNet(
            config.in_channels,
            config.v,
            state,
            width=config.width,
            depth=config.depth,
            norm=config.norm,
            steps=config.steps,
        )
        # GroupNorm with one channel a group is instance norm, at a fifth of its cost on CPUs.
        self.norm_delta = nn.GroupNorm(state, state) if config.delta_norm else nn.Identity()
        self.norm_v = nn.GroupNorm(config.v, config.v)
        self.head = nn.Conv2d(config.u, config.classes, 1)
        if len(set(config.spectrum)) > 1:  # with equal eigenvalues Q cancels, so A = QΣQ⁻¹ needs none
            basis = nn.Linear(state, state, bias=False)
            nn.init.orthogonal_(basis.weight)
            self.Q = orthogonal(basis)

    def initial(self, x: Tensor) -> Tensor:
        """h(0) = 0, shape (B, U+V, H, W), for images x (B, C, H, W). (E1)"""
        return x.new_zeros(len(x), self.config.u + self.config.v, *x.shape[-2:])

    def prepare(self, x: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """What F makes of x alone, to be computed once a rollout and handed to every `step`.

        With the loop closed that is the first convolution's share, (B, width, H, W). With the loop cut
        F sees nothing but x, so it is all of δ, (B, U+V, H, W).
        """
        drive = self.F.drive(x)
        if self.loop(switches):
            return drive
        return self.norm_delta(self.F(drive, None, 0, switches.batch_statistics))

    def step(
        self,
        x: Tensor,
        h: Tensor,
        t: int,
        *,
        switches: Switches = AS_BUILT,
        prepared: Tensor | None = None,
    ) -> StepResult:
        """One step from h(t) (B, U+V, H, W), a pure function of its arguments in evaluation mode. (E2-E5)

        prepared is `prepare(x, switches)`, computed here if not given.
        """
        if prepared is None:
            prepared = self.prepare(x, switches)
        if self.loop(switches):
            v_hat = self.project(h[:, self.config.u :], switches)
            now = t if switches.clock is None else switches.clock
            delta = self.norm_delta(self.F(prepared, v_hat, now, switches.batch_statistics))
        else:
            v_hat, delta = None, prepared
        applied = self.damp(delta, t, switches)
        return StepResult(h + applied, delta, applied, v_hat)

    def readout(self, h: Tensor) -> Tensor:
        """Class logits (…, K, H, W) of a state (…, U+V, H, W). (E6)"""
        flat = self.head(h[..., : self.config.u, :, :].flatten(0, -4))
        return flat.unflatten(0, h.shape[:-3])

    def forward(self, x: Tensor, steps: int | None = None, switches: Switches = AS_BUILT) -> Tensor:
        """Class logits (B, K, H, W) after `steps` steps from rest (the config's own number if None)."""
        h, prepared = self.initial(x), self.prepare(x, switches)
        for t in range(self.config.steps if steps is None else steps):
            h = self.step(x, h, t, switches=switches, prepared=prepared).h_next
        return self.readout(h)

    def loop(self, switches: Switches) -> bool:
        """Whether v is fed back. A model built with the loop cut has no trained loop to close."""
        return self.config.kind == "feedback" and switches.loop is not False

    def project(self, v: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """v̂ from v, both (B, V, H, W). (E2)"""
        name = self.config.projection
        if switches.softmax is not None:
            name = "softmax" if switches.softmax else "none"
        return PROJECTIONS[name](self.norm_v(v))

    def gain(self, t: int, switches: Switches = AS_BUILT) -> Tensor:
        """The factor on δ(t) along each eigenvector of A, (U+V,): decay times kernel. (E4)"""
        config = self.config
        now = t if switches.clock is None else switches.clock
        decay = config.decay
        if switches.decay is not None:
            decay = ("exponential" if decay == "none" else decay) if switches.decay else "none"
        gain = DECAYS[decay](now, switches.tau or config.tau, self.eigenvalues(switches))
        if (switches.kernel or config.kernel) == "fractional":
            gain = gain * fractional_kernel(now, config.steps, config.alpha)
        return gain

    def eigenvalues(self, switches: Switches = AS_BUILT) -> Tensor:
        """The eigenvalues of A, (U+V,). Raises ConfigError where their number does not fit the model."""
        values = self.config.spectrum if switches.spectrum is None else switches.spectrum
        size = self.config.u + self.config.v
        if len(values) not in (1, size):
            raise ConfigError(f"spectrum: this model takes 1 eigenvalue or U+V = {size}, not {len(values)}.")
        weight = self.head.weight
        return torch.tensor(values, dtype=weight.dtype, device=weight.device).expand(size)

    def damp(self, delta: Tensor, t: int, switches: Switches = AS_BUILT) -> Tensor:
        """δ̃(t) = e^{(t/τ)A} δ(t), both (B, U+V, H, W). (E4)"""
        gain = self.gain(t, switches)
        if bool((gain == gain[0]).all()) or not gain.isfinite().all():
            return delta * gain.view(-1, 1, 1)
        basis = self.basis()
        return torch.einsum("ij,j,kj,bkhw->bihw", basis, gain, basis, delta)

    def basis(self) -> Tensor:
        """Q (U+V, U+V), orthogonal: the eigenvectors of A in its columns.

        A model built with equal eigenvalues has none of its own; its neurons are then the eigenvectors.
        """
        if hasattr(self, "Q"):
            return self.Q.weight
        weight = self.head.weight
        return torch.eye(self.config.u + self.config.v, dtype=weight.dtype, device=weight.device)


class FeedforwardUNet(nn.Module):
    """The baseline: the same U-Net and head, one pass, no feedback neurons. Its state is h = u.

    It offers the same methods as FeedbackUNet, so that whatever runs the one runs the other: the first
    step gives the answer and later steps add nothing.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.F = UNet(
            config.in_channels,
            0,
            config.u,
            width=config.width,
            depth=config.depth,
            norm=config.norm,
            steps=1,
        )
        self.norm_delta = nn.GroupNorm(config.u, config.u) if config.delta_norm else nn.Identity()
        self.head = nn.Conv2d(config.u, config.classes, 1)

    def initial(self, x: Tensor) -> Tensor:
        """h(0) = 0, shape (B, U, H, W)."""
        return x.new_zeros(len(x), self.config.u, *x.shape[-2:])

    def prepare(self, x: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """All of δ, (B, U, H, W): nothing but x enters."""
        return self.norm_delta(self.F(self.F.drive(x), None, 0, switches.batch_statistics))

    def step(
        self,
        x: Tensor,
        h: Tensor,
        t: int,
        *,
        switches: Switches = AS_BUILT,
        prepared: Tensor | None = None,
    ) -> StepResult:
        """h(1) = F(x); from there on nothing is added."""
        delta = self.prepare(x, switches) if prepared is None else prepared
        applied = delta if t == 0 else torch.zeros_like(delta)
        return StepResult(h + applied, delta, applied, None)

    readout = FeedbackUNet.readout

    def forward(self, x: Tensor, steps: int | None = 1, switches: Switches = AS_BUILT) -> Tensor:
        """Class logits (B, K, H, W). `steps` is accepted for the sake of a common call and ignored."""
        return self.readout(self.prepare(x, switches))


Model = FeedbackUNet | FeedforwardUNet
_BUILDING = threading.Lock()


def count_weights(config: ModelConfig) -> int:
    """The weights that `build` would make, counted at once, however many there are."""
    plain = config.kind == "feedforward"
    state = config.u if plain else config.u + config.v
    unet = unet_weights(
        config.in_channels + (0 if plain else config.v),
        state,
        width=config.width,
        depth=config.depth,
        norm=config.norm,
    )
    norms = 2 * state * config.delta_norm + (0 if plain else 2 * config.v)
    basis = 0 if plain or len(set(config.spectrum)) == 1 else state**2
    return unet + norms + basis + (config.u + 1) * config.classes


def build(config: ModelConfig, seed: int = 0) -> Model:
    """A fresh model with weights drawn from `seed`; the global random state is left as it was.

    Threads may build at the same time: they take turns, since that state is one for all of them.
    """
    with _BUILDING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FeedforwardUNet(config) if config.kind == "feedforward" else FeedbackUNet(config)
