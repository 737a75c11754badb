import pytest
import torch
from torch import nn

from fbseg_core.analysis import receptive
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import build

PLAIN = ModelConfig(kind="feedforward")


def by_hand(depth: int) -> int:
    """Two 3×3 convolutions on each level, down and up; a pooled pixel stands for two."""
    widest = 0
    for first in range(2**depth):  # an output pixel of every phase
        low = high = first
        for level in range(depth + 1):  # from the output down to the bottom, then back up to the image
            low, high = low - 2, high + 2
            if level < depth:
                low, high = low // 2, high // 2
        for _ in range(depth):
            low, high = 2 * low, 2 * high + 1
            low, high = low - 2, high + 2
        widest = max(widest, high - low + 1)
    return widest


@pytest.mark.parametrize(("depth", "px"), [(0, 5), (1, 18), (2, 44), (3, 100), (4, 204)])
def test_the_field_of_a_u_net_is_what_its_convolutions_give_by_hand(depth, px):
    assert receptive_field(PLAIN.replace(depth=depth, width=16)) == by_hand(depth) == px


def test_it_is_where_the_gradient_is():
    model = build(PLAIN.replace(depth=1, norm="none", delta_norm=False)).double()
    seen = set()
    for seed in range(6):  # a maximum passes the gradient of one pixel in four
        x = torch.rand(1, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        x.requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(x)[0, 0, 32, 32], x)
        seen |= set(gradient.abs().sum((0, 1, 2)).nonzero()[:, 0].tolist())
    assert max(seen) - min(seen) + 1 == receptive_field(PLAIN.replace(depth=1)) == 18


def test_each_step_of_a_loop_sees_farther_and_none_of_a_cut_loop_does():
    looped = ModelConfig(depth=0, steps=3)
    assert [receptive_field(looped, t) for t in (1, 2, 3)] == [5, 9, 13] and receptive_field(looped) == 13
    assert receptive_field(looped.replace(kind="loop_cut"), 9) == 5
    assert receptive_field(ModelConfig(depth=1, tau=8.0), 6) == 98  # and a U-Net of depth 3 sees 100


def test_a_normalisation_over_the_image_does_not_count_and_no_width_does():
    assert (
        len({receptive_field(PLAIN.replace(depth=1, norm=norm)) for norm in ("group", "batch", "none")}) == 1
    )
    assert receptive_field(PLAIN.replace(depth=1, width=3, u=2)) == 18
    assert not any(isinstance(one, nn.GroupNorm) for one in receptive._bare(ModelConfig()).modules())


def test_a_field_past_the_largest_image_is_an_error(monkeypatch):
    monkeypatch.setattr(receptive, "LARGEST", 64)
    with pytest.raises(ValueError, match="64 px"):
        receptive_field(ModelConfig(depth=1), 50)
