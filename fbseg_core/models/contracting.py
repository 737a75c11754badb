"""A loop that provably contracts, for every image of every size: the model "contracting".

F is made of two networks. One sees x alone, once a rollout, and may be anything. What is fed back passes
through the other, whose every part is 1-Lipschitz in l∞, the largest absolute value of all:

- a convolution each of whose rows Σ|w| over input channels and taps is at most 1. That is its norm exactly,
  zero padding only takes taps away, and no size of image enters;
- pairs of channels sorted (MaxMin, Anil et al. 2019, arXiv 1811.05381); ReLU, max-pooling, nearest
  upsampling, and channels put side by side;
- gates between 0 and 1 and marks that are added, both made of what the first network sees in x, which moves
  with no v: x says where a mark may pass, and where one is set.

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
from fbseg_core.models.mechanisms import state_norm
from fbseg_core.models.unet import UNet

SLOPES = {"softmax": 0.5, "none": 1.0}  # largest Σ over a row of a projection's |Jacobian|: 2p(1 − p) ≤ ½
NOISE = 0.01  # of what is learned at first, beside the one tap of each row
OPEN, QUIET = 3.0, -2.0  # biases at first: of gates, that let nearly all through; of marks, which are small
CENTRE, NEIGHBOURS = (1, 1), ((0, 1), (1, 0), (1, 2), (2, 1))  # taps


class BoundedConv(nn.Module):
    """Convolution without bias each of whose output channels has Σ|w| ≤ 1: (B, N, H, W) → (B, M, H, W).

    Weights are w = r|r| / max(1, Σr²) of what is learned, r: their squares are what is bounded, so that many
    small ones cost little of the bound. At first each row lets one tap through.
    """

    def __init__(self, inputs: int, outputs: int, side: int = 3) -> None:
        super().__init__()
        self.root = nn.Parameter(torch.empty(outputs, inputs, side, side))
        if not self.root.is_meta:  # else it has no values and is only counted
            nn.init.normal_(self.root, std=NOISE)

    @torch.no_grad()
    def let_through(self, output: int, channel: int, tap: tuple[int, int]) -> None:
        """Begin with that tap near 1."""
        if not self.root.is_meta:
            self.root[output, channel, tap[0], tap[1]] += 1.0

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


class Gate(nn.Module):
    """A share between 0 and 1 for each channel and pixel, by what was seen in x; near 1 at first."""

    def __init__(self, seen: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(seen, outputs, 1)
        if not self.conv.bias.is_meta:
            nn.init.constant_(self.conv.bias, OPEN)

    def forward(self, seen: Tensor) -> Tensor:
        return self.conv(seen).sigmoid()


class BoundedLayer(nn.Module):
    """A bounded convolution of z; its channels sorted in pairs; ReLU; and a gate.

    At first a pair is a channel of z and the same moved by a pixel, so that the larger of the two spreads
    what is marked. sources: the channels of z to begin with; turn: which way, of four.
    """

    def __init__(self, inputs: int, outputs: int, seen: int, sources: range, turn: int) -> None:
        super().__init__()
        self.conv = BoundedConv(inputs, outputs)
        self.gate = Gate(seen, outputs)
        half = max(outputs // 2, 1)
        for i in range(outputs):
            tap = CENTRE if i < half else NEIGHBOURS[(i + turn) % len(NEIGHBOURS)]
            self.conv.let_through(i, sources[i % half % len(sources)], tap)

    def forward(self, z: Tensor, seen: Tensor) -> Tensor:
        return F.relu(sort_pairs(self.conv(z))) * self.gate(seen)

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
        self.norm = nn.Identity() if config.norm == "none" else state_norm(config.norm, width)

        turns = itertools.count()

        def layer(inputs: int, outputs: int, sources: range) -> BoundedLayer:
            return BoundedLayer(inputs, outputs, width, sources, next(turns))

        def onward(inputs: int, outputs: int) -> BoundedLayer:
            return layer(inputs, outputs, _larger(0, inputs))

        pairs = list(itertools.pairwise(width * 2**level for level in range(config.depth + 1)))
        self.stem = layer(config.v, width, range(config.v))
        self.enter = onward(width, width)
        self.down = nn.ModuleList(nn.ModuleList([onward(a, b), onward(b, b)]) for a, b in pairs)
        self.up = nn.ModuleList(
            nn.ModuleList([layer(a + b, a, _larger(a, b)), onward(a, a)]) for a, b in reversed(pairs)
        )
        self.out_u = nn.Conv2d(width, config.u, 1, bias=False)
        self.out_v = BoundedConv(width, config.v, 1)
        for i in range(config.v):
            self.out_v.let_through(i, i % len(_larger(0, width)), (0, 0))
        self.see, self.mark = nn.Conv2d(width, config.u, 1), nn.Conv2d(width, config.v, 1)
        if not self.mark.bias.is_meta:
            nn.init.constant_(self.mark.bias, QUIET)
        self.gate = Gate(width, config.v)

    def drive(self, x: Tensor) -> Tensor:
        """What is seen in x alone, normalised: (B, C, H, W) → (B, width, H, W)."""
        return self.norm(self.seen(self.seen.drive(x)))

    def forward(
        self, drive: Tensor, v_hat: Tensor | None = None, t: int = 0, batch_statistics: bool = False
    ) -> Tensor:
        """δ(t) of drive (B, width, H, W) and v_hat (B, V, H, W), 0 where None. (E3)"""
        if v_hat is None:
            v_hat = drive.new_zeros(len(drive), self.v, *drive.shape[-2:])
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
        v = self.gate(drive) * self.rho * self.out_v(z) + F.softplus(self.mark(drive))
        return torch.cat([self.out_u(z) + self.see(drive), v], 1)

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
        if not factor < 1:  # nor is it where the kernel has no value
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


def _larger(first: int, channels: int) -> range:
    """Of so many channels, the first at `first`: those that hold the larger of each pair."""
    return range(first, first + max(channels // 2, 1))


def _rows(weight: Tensor) -> Tensor:
    """Σ|w| over the taps: (M, N, side, side) → (M, N), in double precision."""
    return weight.detach().double().abs().sum((2, 3))
