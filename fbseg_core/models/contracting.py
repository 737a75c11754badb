"""A loop that provably contracts, for every image of every size: the model "contracting".

F is made of two networks. One sees x alone, once a rollout, and may be anything. What is fed back passes
through the other, whose every part is 1-Lipschitz in l∞, the largest absolute value of all:

- a convolution each of whose rows Σ|w| over input channels and taps is at most 1. That is its norm exactly,
  zero padding only takes taps away, and no size of image enters;
- pairs of channels sorted, in place of ReLU (MaxMin, Anil et al. 2019, arXiv 1811.05381); max-pooling,
  nearest upsampling, and channels put side by side;
- what the first network makes of x, which is added to each layer and moves with no v.

There is no norm of δ or of v, as those have no largest slope. v's rows of the last layer are multiplied by
ρ < 1, so a step of E5' takes two v to at most |1 − g| + gρ < 1 times their distance, g being k times the
decay's gain. u is not fed back: its rows are free, and where v has come to rest u follows.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.base import AS_BUILT, Contraction, StepBound, Traits
from fbseg_core.models.feedback import FeedbackUNet
from fbseg_core.models.unet import UNet

SLOPES = {"softmax": 0.5, "none": 1.0}  # largest Σ over a row of a projection's |Jacobian|: 2p(1 − p) ≤ ½
NOISE = 0.05  # of the weights at first, beside the one tap of each row that lets a channel through


class BoundedConv(nn.Module):
    """Convolution without bias each of whose output channels has Σ|w| ≤ 1: (B, N, H, W) → (B, M, H, W).

    Weights are w = r|r| / max(1, Σr²) of what is learned, r: their squares are what is bounded, so that many
    small ones cost little of the bound. Each row begins with one tap near 1, so that much comes through.
    """

    def __init__(self, inputs: int, outputs: int, side: int = 3) -> None:
        super().__init__()
        self.root = nn.Parameter(torch.empty(outputs, inputs, side, side))
        if not self.root.is_meta:  # else it has no values and is only counted
            nn.init.normal_(self.root, std=NOISE)
            with torch.no_grad():
                flat = self.root.flatten(1)
                flat[torch.arange(outputs), torch.randint(flat.shape[1], (outputs,))] += 1.0

    def weight(self) -> Tensor:
        """w (M, N, side, side)."""
        size = self.root.square().sum((1, 2, 3), keepdim=True)
        return self.root * self.root.abs() / size.clamp_min(1.0)

    def forward(self, z: Tensor) -> Tensor:
        weight = self.weight()
        return F.conv2d(z, weight, padding=weight.shape[-1] // 2)


def sort_pairs(z: Tensor) -> Tensor:
    """Channels of two halves sorted pair by pair, the larger first; an odd one is left: (B, N, …) alike."""
    half = z.shape[1] // 2
    one, other, rest = z.split([half, half, z.shape[1] - 2 * half], 1)
    return torch.cat([torch.maximum(one, other), torch.minimum(one, other), rest], 1)


class BoundedLayer(nn.Module):
    """A bounded convolution of z, to which a free one of what was seen in x is added; then pairs sorted."""

    def __init__(self, inputs: int, outputs: int, seen: int) -> None:
        super().__init__()
        self.conv = BoundedConv(inputs, outputs)
        self.see = nn.Conv2d(seen, outputs, 1)

    def forward(self, z: Tensor | None, seen: Tensor) -> Tensor:
        added = self.see(seen)
        return sort_pairs(added if z is None else self.conv(z) + added)

    def gains(self, gains: Tensor) -> Tensor:
        """By how much each channel moves at most where those of z move by `gains`: (N,) → (M,)."""
        moved = _rows(self.conv.weight()) @ gains
        half = len(moved) // 2
        larger = torch.maximum(moved[:half], moved[half : 2 * half])  # either may be sorted to either place
        return torch.cat([larger, larger, moved[2 * half :]])


class BoundedUNet(nn.Module):
    """[x, v̂] (B, C+V, H, W) → δ (B, U+V, H, W), v's part of which moves by ρ·max|Δv̂| at most. (E3)

    It is called as `UNet` is; `drive` is what another U-Net makes of x alone, (B, width, H, W).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, self.rho, self.v = config.width, config.rho, config.v
        self.seen = UNet(
            config.in_channels, 0, width, width=width, depth=config.depth, norm=config.norm, steps=1
        )

        def layer(inputs: int, outputs: int) -> BoundedLayer:
            return BoundedLayer(inputs, outputs, width)

        pairs = list(itertools.pairwise(width * 2**level for level in range(config.depth + 1)))
        self.stem = layer(config.v, width)
        self.enter = layer(width, width)
        self.down = nn.ModuleList(nn.ModuleList([layer(a, b), layer(b, b)]) for a, b in pairs)
        self.up = nn.ModuleList(nn.ModuleList([layer(a + b, a), layer(a, a)]) for a, b in reversed(pairs))
        self.out_u = nn.Conv2d(width, config.u, 1, bias=False)
        self.out_v = BoundedConv(width, config.v, 1)
        self.see = nn.Conv2d(width, config.u + config.v, 1)

    def drive(self, x: Tensor) -> Tensor:
        """What is seen in x alone: (B, C, H, W) → (B, width, H, W)."""
        return self.seen(self.seen.drive(x))

    def forward(
        self, drive: Tensor, v_hat: Tensor | None = None, t: int = 0, batch_statistics: bool = False
    ) -> Tensor:
        """δ(t) of drive (B, width, H, W) and v_hat (B, V, H, W), left out where None. (E3)"""
        z, seen = self.enter(self.stem(v_hat, drive), drive), [drive]
        skips = []
        for first, second in self.down:
            skips.append(z)
            seen.append(F.max_pool2d(seen[-1], 2))
            z = second(first(F.max_pool2d(z, 2), seen[-1]), seen[-1])
        for first, second in self.up:
            seen.pop()
            skip = skips.pop()
            z = torch.cat([skip, F.interpolate(z, size=skip.shape[-2:], mode="nearest")], 1)
            z = second(first(z, seen[-1]), seen[-1])
        return torch.cat([self.out_u(z), self.rho * self.out_v(z)], 1) + self.see(drive)

    @torch.no_grad()
    def gains(self) -> tuple[float, float]:
        """By how much δ's u, and its v, move at most where v̂ moves by 1 in the largest absolute value."""
        z = self.enter.gains(self.stem.gains(torch.ones(self.v, dtype=torch.float64, device=self._device)))
        skips = []
        for first, second in self.down:
            skips.append(z)
            z = second.gains(first.gains(z))
        for first, second in self.up:
            z = second.gains(first.gains(torch.cat([skips.pop(), z])))
        u, v = _rows(self.out_u.weight) @ z, self.rho * _rows(self.out_v.weight()) @ z
        return float(u.max()), float(v.max())

    @property
    def _device(self) -> torch.device:
        return self.see.weight.device


class ContractingUNet(FeedbackUNet):
    """E1-E6 with an F that moves with v by less than v moves, and neither v nor δ normalised.

    Where the state leaks (E5') each step then brings any two states closer, whatever the image.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.F = BoundedUNet(config)
        self.norm_delta, self.norm_v = nn.Identity(), nn.Identity()

    @classmethod
    def traits_of(cls, config: ModelConfig) -> Traits:
        looped = super().traits_of(config)
        title = "contracting" if config.integrator == "sum" else f"{config.integrator} contracting"
        return Traits(title, True, config.steps, True, looped.switches - {"batch_statistics"})

    def step_bound(self, switches: Switches = AS_BUILT) -> StepBound:
        """None: what makes δ bounded in other models is its norm."""
        return StepBound("δ of a contracting model is not normalised (E3), so nothing bounds a step's size.")

    def contraction(self, switches: Switches = AS_BUILT) -> Contraction:
        """By the gains of the weights as they are, which are at most 1 a layer by construction.

        v moves by |1 − g| + gL at most, L ≤ ρ times the projection's slope, g = k times the decay's gain. u's
        error moves by g·Lᵤ with v, so that in the norm max(max|v|, (L/Lᵤ)·max|u|) all of h moves by no more.
        """
        gain = self.gain(switches.clock or 0, switches)
        projection = self.projection(switches)
        if self.integrator(switches) != "leaky":
            return Contraction("δ is added to the state (E5), so nothing draws two states together.")
        if switches.clock is None and self.clocked(switches):
            return Contraction("The clock runs down, so steps draw states together less and less.")
        if not bool((gain == gain[0]).all()):
            return Contraction("The proof is for equal eigenvalues of A.")
        if projection not in SLOPES:
            return Contraction(f"The projection is {projection!r}, whose largest slope is not known.")
        u, v = self.F.gains() if self.has_loop(switches) else (0.0, 0.0)
        slope, g = SLOPES[projection], float(gain[0])
        factor = abs(1 - g) + g * slope * v
        if factor >= 1:
            return Contraction(f"A step takes {g:.3g} of the error, too much for the proof.")
        weight = 1.0 if u <= v else v / u
        return Contraction(
            f"δ's v moves by at most L = {slope * v:.3g} times what v moves (L ≤ ρ by construction), and a "
            f"step takes g = {g:.3g} of the error: |1 − g| + gL < 1.",
            factor,
            weight,
        )

    def clocked(self, switches: Switches) -> bool:
        """Whether the gain of a step depends on t."""
        return self.decay(switches) != "none" or (switches.kernel or self.config.kernel) != "none"


def _rows(weight: Tensor) -> Tensor:
    """Σ|w| over the taps: (M, N, side, side) → (M, N), in double precision."""
    return weight.detach().double().abs().sum((2, 3))
