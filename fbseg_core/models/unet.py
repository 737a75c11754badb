"""F: the U-Net (Ronneberger et al. 2015) that every model here shares. It has no memory and no loop.

Any height and width of at least 16 will do: each level halves its input rounding down, and the way up
returns to the exact size of the level it joins.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fbseg_core.models.mechanisms import PixelNorm


class StepBatchNorm(nn.Module):
    """Batch norm for a recurrent loop: running statistics of its own for each time step.

    One pair of running statistics for all steps would fit none of them, since activations drift along
    the trajectory (Cooijmans et al. 2016, arXiv 1603.09025). Training always normalises by the batch, so
    the gradient is the true one; evaluation takes step t's running statistics, the last trained step's
    past that, or the batch's own if asked.
    """

    def __init__(self, channels: int, steps: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(steps, channels))
        self.register_buffer("running_var", torch.ones(steps, channels))
        self.register_buffer("batches", torch.zeros(steps))

    def forward(self, x: Tensor, t: int, batch_statistics: bool) -> Tensor:
        lone = x.numel() == x.shape[1]  # one value a channel has no statistics of its own
        if not self.training and (lone or not batch_statistics):
            # as a tensor: to read the number would make the host wait for the device
            row = ((self.batches > 0).sum() - 1).clamp(0, t).view(1)
            mean, var = (held.index_select(0, row)[0] for held in (self.running_mean, self.running_var))
            return F.batch_norm(x, mean, var, self.weight, self.bias)
        if self.training:
            self._track(x.detach(), min(t, len(self.batches) - 1))
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True)

    @torch.no_grad()
    def _track(self, x: Tensor, row: int) -> None:
        var, mean = torch.var_mean(x, (0, 2, 3))
        self.running_mean[row].lerp_(mean, self.momentum)
        self.running_var[row].lerp_(var, self.momentum)
        self.batches[row] += 1


class ConvNorm(nn.Module):
    """3×3 convolution, normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: str, steps: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=norm == "none")
        if (
            not self.conv.weight.is_meta
        ):  # else it is only counted; to draw for it would import torch's compiler
            nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        self.norm = make_norm(norm, outputs, steps)

    def forward(self, x: Tensor, t: int, batch_statistics: bool) -> Tensor:
        return self.activate(self.conv(x), t, batch_statistics)

    def activate(self, z: Tensor, t: int, batch_statistics: bool) -> Tensor:
        """Everything after the convolution, for a convolution computed in parts elsewhere."""
        if isinstance(self.norm, StepBatchNorm):
            return F.relu(self.norm(z, t, batch_statistics))
        return F.relu(self.norm(z))


def make_norm(norm: str, channels: int, steps: int) -> nn.Module:
    """The layer for a ModelConfig.norm over `channels`; `steps` sizes batch norm's statistics."""
    if norm == "batch":
        return StepBatchNorm(channels, steps)
    if norm == "group":
        return nn.GroupNorm(math.gcd(channels, 4), channels)
    if norm == "pixel":
        return PixelNorm(channels)
    return nn.Identity()


class UNet(nn.Module):
    """[x, v̂] (B, C+V, H, W) → (B, outputs, H, W), with the first layer's share of x computed apart.

    `drive(x)` is what the first convolution makes of x; it stays the same all through a rollout, since
    x does. `forward` adds the share of v̂, which is left out (v̂ := 0) when it is None.
    """

    def __init__(
        self, in_channels: int, v: int, outputs: int, *, width: int, depth: int, norm: str, steps: int
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        widths = [width * 2**level for level in range(depth + 1)]

        def block(inputs: int, outputs: int) -> ConvNorm:
            return ConvNorm(inputs, outputs, norm, steps)

        self.stem = block(in_channels + v, width)
        self.enter = block(width, width)
        self.down = nn.ModuleList(
            nn.ModuleList([block(a, b), block(b, b)]) for a, b in itertools.pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.ModuleList([block(a + b, a), block(a, a)])
            for a, b in reversed(list(itertools.pairwise(widths)))
        )
        self.out = nn.Conv2d(width, outputs, 1)

    def drive(self, x: Tensor) -> Tensor:
        """The first convolution's response to x alone: (B, C, H, W) → (B, width, H, W)."""
        conv = self.stem.conv
        return F.conv2d(x, conv.weight[:, : self.in_channels], conv.bias, padding=1)

    def forward(
        self, drive: Tensor, v_hat: Tensor | None = None, t: int = 0, batch_statistics: bool = False
    ) -> Tensor:
        """F([x, v̂(t)]), before it is normalised: drive (B, width, H, W), v_hat (B, V, H, W). (E3)"""
        z = drive
        if v_hat is not None:
            z = z + F.conv2d(v_hat, self.stem.conv.weight[:, self.in_channels :], padding=1)
        z = self.enter(self.stem.activate(z, t, batch_statistics), t, batch_statistics)
        skips = []
        for first, second in self.down:
            skips.append(z)
            z = second(first(F.max_pool2d(z, 2), t, batch_statistics), t, batch_statistics)
        for first, second in self.up:
            skip = skips.pop()
            z = torch.cat([skip, F.interpolate(z, size=skip.shape[-2:], mode="nearest")], 1)
            z = second(first(z, t, batch_statistics), t, batch_statistics)
        return self.out(z)
