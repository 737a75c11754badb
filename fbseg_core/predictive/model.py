"""The weights of a two-level predictive-coding model, and what they predict.

An image x is predicted as U∗r, its label y as V∗r, and r itself as W∗s (Rao and Ballard 1999; the label as a
second sense as in Whittington and Bogacz 2017; convolutional and sparse as in Boutin et al. 2021). `∗` is a
transposed convolution with zero borders; the letters in the code are those of the energy in `energy.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fbseg_core.config import PredictiveConfig
from fbseg_core.settings import ConfigError


class PredictiveCoding(nn.Module):
    """The weights U (features, C, k, k), V (features, K−1, k, k) and W (causes, features, k₁, k₁).

    The background has no filter of its own: it is where V∗r predicts no other class. Filters of U and W have
    norm 1, else the model could make λ‖r‖₁ and β‖s‖² small by large weights.
    """

    def __init__(self, config: PredictiveConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        draw = torch.Generator().manual_seed(seed)
        square, top = (config.kernel, config.kernel), (config.kernel_top, config.kernel_top)
        labels = max(config.classes - 1, 0)
        self.U = nn.Parameter(torch.randn(config.features, config.in_channels, *square, generator=draw))
        self.W = nn.Parameter(torch.randn(config.causes, config.features, *top, generator=draw).abs())
        self.V = nn.Parameter(torch.zeros(config.features, labels, *square))
        self.requires_grad_(False)  # learning is local: nothing is propagated back
        self.rescale()

    def rescale(self) -> None:
        """Bring every filter of U and W to norm 1, in place."""
        for weight in (self.U, self.W):
            weight /= weight.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]

    def shapes(self, size: tuple[int, int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of r and s of one image of `size` (H, W). Raises ConfigError for a size they do not fit."""
        step = self.config.stride * self.config.stride_top
        if any(side % step for side in size):
            raise ConfigError(
                f"size: {size[0]} × {size[1]} px is no multiple of {step} px, as this model needs."
            )
        r = tuple(side // self.config.stride for side in size)
        return (self.config.features, *r), (
            self.config.causes,
            *(side // self.config.stride_top for side in r),
        )

    def image(self, r: Tensor) -> Tensor:
        """U∗r, the image that r predicts: (B, features, h, w) -> (B, C, H, W)."""
        return self._down(r, self.U, self.config.kernel, self.config.stride)

    def label(self, r: Tensor) -> Tensor:
        """V∗r, the label that r predicts: (B, features, h, w) -> (B, K−1, H, W)."""
        return self._down(r, self.V, self.config.kernel, self.config.stride)

    def features(self, s: Tensor) -> Tensor:
        """W∗s, the r that s predicts: (B, causes, h', w') -> (B, features, h, w)."""
        return self._down(s, self.W, self.config.kernel_top, self.config.stride_top)

    def to_r(self, error: Tensor, weight: Tensor) -> Tensor:
        """Uᵀ or Vᵀ of an error (B, C or K−1, H, W): what r takes from it, (B, features, h, w)."""
        return self._up(error, weight, self.config.kernel, self.config.stride)

    def to_s(self, error: Tensor) -> Tensor:
        """Wᵀ of an error in r (B, features, h, w): (B, causes, h', w')."""
        return self._up(error, self.W, self.config.kernel_top, self.config.stride_top)

    def mask(self, r: Tensor) -> Tensor:
        """The class (B, H, W) int64 of each pixel: the best predicted, or background where none reaches ½."""
        best = self.label(r).max(1)
        return torch.where(best.values > 0.5, best.indices + 1, 0)

    @staticmethod
    def _down(code: Tensor, weight: Tensor, kernel: int, stride: int) -> Tensor:
        if not weight.shape[1]:  # no label: torch convolves to no channel only for some shapes
            return code.new_zeros(len(code), 0, *(side * stride for side in code.shape[2:]))
        return F.conv_transpose2d(code, weight, stride=stride, padding=(kernel - stride) // 2)

    @staticmethod
    def _up(error: Tensor, weight: Tensor, kernel: int, stride: int) -> Tensor:
        if not weight.shape[1]:
            return error.new_zeros(len(error), len(weight), *(side // stride for side in error.shape[2:]))
        return F.conv2d(error, weight, stride=stride, padding=(kernel - stride) // 2)
