"""A small predictive-coding model, and images for it."""

import torch

from fbseg_core.config import PredictiveConfig
from fbseg_core.predictive.model import PredictiveCoding

TINY = PredictiveConfig(
    in_channels=2,
    classes=3,
    features=3,
    causes=2,
    kernel=4,
    stride=2,
    kernel_top=4,
    stride_top=2,
    sparsity=0.3,
)


def tiny(seed=0, config=TINY):
    """A model of random weights in double precision, and images of 8 px with a label."""
    model = PredictiveCoding(config, seed).double()
    draw = torch.Generator().manual_seed(seed + 1)
    model.V += torch.randn(model.V.shape, generator=draw, dtype=torch.double) / 4
    x = torch.randn(2, config.in_channels, 8, 8, generator=draw, dtype=torch.double)
    y = torch.rand(2, config.classes - 1, 8, 8, generator=draw, dtype=torch.double)
    pi = torch.rand(2, 1, 8, 8, generator=draw, dtype=torch.double) * 3
    return model, x, y, pi
