import pytest
import torch
from torch import nn

from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import build


class Linear(nn.Module):
    """F for which δ = M v with M (channels·H·W, V·H·W), whatever the image."""

    def __init__(self, matrix, channels):
        super().__init__()
        self.matrix, self.channels = matrix, channels

    def drive(self, x):
        return x

    def forward(self, drive, v_hat=None, t=0, batch_statistics=False):
        flat = v_hat.flatten(1) @ self.matrix.T
        return flat.unflatten(1, (self.channels, *drive.shape[-2:]))


@pytest.fixture
def stand_in():
    """Build a feedback model, double precision, whose v obeys v(t+1) = v + g(t)·M v and whose u follows it.

    matrix (V·H·W, V·H·W) is I + M, the map of v at gain 1; U = V.
    """

    def make(matrix, v, **config):
        config = {"decay": "none", **config}
        config = ModelConfig(width=1, depth=0, u=v, v=v, projection="none", delta_norm=False, **config)
        model = build(config).double().eval()
        model.norm_v = nn.Identity()
        change = matrix - torch.eye(len(matrix), dtype=torch.float64)
        model.F = Linear(torch.cat([0.5 * change, change]), 2 * v)
        return model

    return make
