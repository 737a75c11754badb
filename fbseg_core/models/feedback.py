"""The equations E1-E6: how the state h = [u, v] is read, fed back, damped and moved on.

Letters as in the paper: h the state, u its segmentation neurons, v its feedback neurons, τ the decay's
time constant, t the step. Modules hold weights only; time and switches travel as arguments.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import orthogonal

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.base import AS_BUILT, Model, StepBound, StepResult, Traits
from fbseg_core.models.mechanisms import (
    DECAYS,
    INTEGRATORS,
    PROJECTIONS,
    fractional_kernel,
    largest_norm,
    state_norm,
)
from fbseg_core.models.unet import UNet
from fbseg_core.settings import ConfigError


class FeedbackUNet(Model):
    """The feedback U-Net, E1-E6; with config.kind = "loop_cut" the same network with v̂ := 0 throughout."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.F, self.norm_delta, self.norm_v = step_parts(config, config.steps)
        self.head = nn.Conv2d(config.u, config.classes, 1)
        if len(set(config.spectrum)) > 1:  # with equal eigenvalues Q cancels, so A = QΣQ⁻¹ needs none
            state = self.state_channels
            basis = nn.Linear(state, state, bias=False)
            self.Q = basis
            if not basis.weight.is_meta:  # else it has no values and is only counted
                nn.init.orthogonal_(basis.weight)
                self.Q = orthogonal(basis)

    @classmethod
    def traits_of(cls, config: ModelConfig) -> Traits:
        looped = config.kind != "loop_cut"
        switches = {"decay", "tau", "clock", "spectrum", "kernel"} | (
            {"loop", "softmax"} if looped else set()
        )
        switches |= {"integrator", "k"}
        switches |= {"batch_statistics"} if config.norm == "batch" else set()
        title = "feedback" if looped else "loop cut"
        title = title if config.integrator == "sum" else f"{config.integrator} {title}"
        return Traits(title, True, config.steps, looped, frozenset(switches))

    @property
    def state_channels(self) -> int:
        """U + V."""
        return self.config.u + self.config.v

    def sensitive_channels(self, switches: Switches = AS_BUILT) -> slice:
        """v where the loop is closed; all of h where the state leaks, as every neuron then does."""
        if self.integrator(switches) != "sum":
            return slice(0, self.state_channels)
        return super().sensitive_channels(switches)

    def initial(self, x: Tensor) -> Tensor:
        """h(0) = 0, shape (B, U+V, H, W), for images x (B, C, H, W). (E1)"""
        return x.new_zeros(len(x), self.state_channels, *x.shape[-2:])

    def prepare(self, x: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """What F makes of x alone, to be computed once a rollout and handed to every `step`.

        With the loop closed that is the first convolution's share, (B, width, H, W). With the loop cut
        F sees nothing but x, so it is all of δ, (B, U+V, H, W).
        """
        drive = self.F.drive(x)
        if self.has_loop(switches):
            return drive
        return self.norm_delta(self.F(drive, None, 0, switches.batch_statistics))

    def advance(self, prepared: Tensor, h: Tensor, t: int, switches: Switches) -> StepResult:
        """One step from h(t) (B, U+V, H, W). (E2-E5)"""
        if self.has_loop(switches):
            v_hat = self.project(h[:, self.feedback_channels], switches)
            now = t if switches.clock is None else switches.clock
            delta = self.norm_delta(self.F(prepared, v_hat, now, switches.batch_statistics))
        else:
            v_hat, delta = None, prepared
        return self.add(h, delta, v_hat, t, switches)

    def add(self, h: Tensor, delta: Tensor, v_hat: Tensor | None, t: int, switches: Switches) -> StepResult:
        """The state after δ(t): δ is added, or the state drawn to it, damped either way. (E4, E5, E5')"""
        integrator = self.integrator(switches)
        change = INTEGRATORS[integrator](h, delta)
        applied = self.damp(change, t, switches)
        return StepResult(h + applied, delta, applied, v_hat, None if integrator == "sum" else change)

    def project(self, v: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """v̂ from v, both (B, V, H, W). (E2)"""
        return self.projected(self.norm_v(v), switches)

    def projected(self, normalised: Tensor, switches: Switches = AS_BUILT) -> Tensor:
        """v̂ from norm(v), both (B, V, H, W). (E2)"""
        return PROJECTIONS[self.projection(switches)](normalised)

    def projection(self, switches: Switches = AS_BUILT) -> str:
        """Which of PROJECTIONS is in force; switched on, the model's own, or softmax where it has none."""
        return _in_force(self.config.projection, switches.softmax, "softmax")

    def decay(self, switches: Switches = AS_BUILT) -> str:
        """Which of DECAYS is in force; switched on, the model's own, or the exponential where it has none."""
        return _in_force(self.config.decay, switches.decay, "exponential")

    def integrator(self, switches: Switches = AS_BUILT) -> str:
        """Which of INTEGRATORS is in force. (E5, E5')"""
        return switches.integrator or self.config.integrator

    def gain(self, t: int, switches: Switches = AS_BUILT) -> Tensor:
        """The factor on what is added, along each eigenvector of A, (U+V,), on the host: decay times kernel
        (E4), times k where the state leaks (E5')."""
        config = self.config
        now = t if switches.clock is None else switches.clock
        gain = DECAYS[self.decay(switches)](now, switches.tau or config.tau, self.eigenvalues(switches))
        if (switches.kernel or config.kernel) == "fractional":
            gain = gain * fractional_kernel(now, config.steps, config.alpha)
        if self.integrator(switches) == "leaky":
            gain = gain * (switches.k or config.k)
        return gain

    def eigenvalues(self, switches: Switches = AS_BUILT) -> Tensor:
        """The eigenvalues of A, (U+V,), on the host. Raises ConfigError where their number does not fit."""
        values = self.config.spectrum if switches.spectrum is None else switches.spectrum
        size = self.state_channels
        if len(values) not in (1, size):
            raise ConfigError(f"spectrum: this model takes 1 eigenvalue or U+V = {size}, not {len(values)}.")
        return torch.tensor(values, dtype=self.head.weight.dtype, device="cpu").expand(size)

    def damp(self, delta: Tensor, t: int, switches: Switches = AS_BUILT) -> Tensor:
        """δ̃(t) = e^{(t/τ)A} δ(t), both (B, U+V, H, W); of a leaky state k times that of δ(t) − h(t). (E4)"""
        gain = self.gain(t, switches)  # read on the host, so that no device is waited for
        alike = _all_equal(gain) or not gain.isfinite().all()
        gain = gain.to(delta.device)
        if alike:
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
        return torch.eye(self.state_channels, dtype=weight.dtype, device=weight.device)

    def delta_norms(self) -> list[nn.Module]:
        """The normalisations that bound δ, one of which each step applies. (E3)"""
        return [self.norm_delta]

    def step_bound(self, switches: Switches = AS_BUILT) -> StepBound:
        """Of a step whose δ is normalised (E3) and whose gain falls exponentially (E4).

        Derived in `fbseg_core.analysis.certificate`. Raises ConfigError where the switches' spectrum does
        not fit the model.
        """
        config, decay = self.config, self.decay(switches)
        if decay == "none":
            return StepBound("The decay is off, so nothing makes the steps smaller.")
        if decay != "exponential":
            return StepBound(f"The decay is {decay!r}, and the proof is for the exponential one.")
        if switches.clock is not None:
            return StepBound(f"The clock is frozen at {switches.clock}, so the gain no longer falls.")
        if not config.delta_norm:
            return StepBound("δ is not normalised (E3), so nothing bounds the size of a step.")
        largest = float(self.eigenvalues(switches).max())
        tau = switches.tau or config.tau
        if largest >= 0:
            return StepBound(f"A has the eigenvalue {largest:g} ≥ 0: along it the gain does not fall.")
        q = math.exp(largest / tau)
        if q == 1:
            return StepBound(f"q = e^({largest:g}/{tau:g}) is 1 to the last digit: the gain does not fall.")
        scale = max(map(largest_norm, self.delta_norms()))
        met = f"The decay is on, δ is normalised (E3), and q = e^({largest:g}/{tau:g}) = {q:.4g} < 1."
        if self.integrator(switches) == "leaky":
            if not _all_equal(self.eigenvalues(switches)):
                return StepBound("The state leaks, and the proof then is for equal eigenvalues of A.")
            scale *= 2 * (switches.k or config.k)  # from rest h is a mean of 0 and of δs: ‖δ − h‖ ≤ 2 max‖δ‖
            met += " The state leaks, so this is of a run from rest."
        if (switches.kernel or config.kernel) == "none":
            return StepBound(met, scale, q)
        met += f" The fractional kernel is at most 1/Γ({config.alpha:g}) and has no value past step "
        met += f"{config.steps}: the bound ends there, and there is no h(∞)."
        return StepBound(met, scale / math.gamma(config.alpha), q, config.steps)


def step_parts(config: ModelConfig, steps: int) -> tuple[UNet, nn.Module, nn.Module]:
    """F, the norm of δ (E3) and the norm of v (E2); steps: how many of them share these weights."""
    state = config.u + config.v
    network = UNet(
        config.in_channels,
        config.v,
        state,
        width=config.width,
        depth=config.depth,
        norm=config.norm,
        steps=steps,
    )
    norm_delta = state_norm(config.norm, state) if config.delta_norm else nn.Identity()
    return network, norm_delta, state_norm(config.norm, config.v)


def _all_equal(values: Tensor) -> bool:
    return bool((values == values[0]).all())


def _in_force(built: str, switched: bool | None, usual: str) -> str:
    if switched is None:
        return built
    if not switched:
        return "none"
    return usual if built == "none" else built
