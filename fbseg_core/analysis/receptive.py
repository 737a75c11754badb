"""How far a model sees: the receptive field of one pixel of its answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fbseg_core.config import ModelConfig
from fbseg_core.models.base import Model
from fbseg_core.models.registry import build

LARGEST = 4096  # px, past which the search is given up


def receptive_field(config: ModelConfig, steps: int = 0) -> int:
    """The widest span of columns of an image, in px, that one pixel of the answer depends on.

    steps: of the run; with 0, those that the model was made for. What counts are convolutions, pooling and
    the loop. The statistics of a normalisation, which read the whole image, are left out: they tell of all
    places at once and of none. Found by an image that is not a number in one column: where the answer is not
    a number either, it depends on that column, whatever the weights. Raises ValueError past LARGEST px.
    """
    model = _bare(config)
    steps, period = steps or model.steps, 2**config.depth  # shifted by a period, all is the same
    side = 4 * period
    while side <= LARGEST:
        side *= 2
        reached = _reached(model, side, period, steps)
        if not (reached[:, 0] | reached[:, -1]).any():  # else the border may hide some of it
            return _widest(reached, side, period)
    raise ValueError(f"the receptive field is wider than {LARGEST} px")


def _bare(config: ModelConfig) -> Model:
    """The narrowest model of that shape, in double precision, without its normalisations.

    In single precision a library may convolve whole tiles by transforms, which smear what is not a number.
    """
    narrow = {"width": 1, "u": 1, "v": 1, "spectrum": (-1.0,), "norm": "none", "delta_norm": False}
    model = build(config.replace(**narrow)).double()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.GroupNorm):
                setattr(module, name, nn.Identity())
    return model


@torch.no_grad()
def _reached(model: Model, side: int, period: int, steps: int) -> Tensor:
    """Which columns of the answer depend on input column side/2 + i, (period, side) bool."""
    height = max(period, 2)
    x = torch.zeros(period, model.in_channels, height, side, dtype=model.dtype, device=model.device)
    for i in range(period):
        x[i, :, :, side // 2 + i] = torch.nan
    return model(x, steps).isnan().any(1).any(1)


def _widest(reached: Tensor, side: int, period: int) -> int:
    """The widest span of input columns over output columns, from what each input column reaches."""
    offsets = [row.nonzero()[:, 0] - side // 2 - i for i, row in enumerate(reached)]
    found = []
    for at in range(period):  # output columns of all phases; those they depend on are at − offset
        columns = [at - each[(at - each) % period == i] for i, each in enumerate(offsets)]
        joined = torch.cat(columns)
        found.append(int(joined.max() - joined.min()) + 1)
    return max(found)
