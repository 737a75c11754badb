"""A contracting model brings any two states together, whatever its weights, the image and its size."""

import copy
import functools

import numpy as np
import pytest
import torch
from torch.func import jacrev

from fbseg_core.__main__ import main
from fbseg_core.checkpoint import Card, load, save
from fbseg_core.config import GroupingConfig, ModelConfig, Switches, TrainConfig
from fbseg_core.models.contracting import BoundedConv, Gate, sort_pairs
from fbseg_core.models.registry import build, count_weights
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.tasks import make_batch
from fbseg_core.training.fit import fit

CONFIG = ModelConfig(
    kind="contracting", in_channels=2, width=5, depth=1, u=2, v=3, steps=4, rho=0.8, k=0.6,
    integrator="leaky", norm="pixel", decay="none", projection="none",
)  # fmt: skip
TASK = GroupingConfig(side=16, winding=0.25)
SIZES = [(6, 6), (7, 9)]


def drawn(config=CONFIG, seed=0, scale=1.0):
    """A model in double precision whose every weight is drawn, far from how it begins."""
    model, generator = build(config, seed).double(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=generator))
    return model


def learned(config=CONFIG):
    """A model after some updates at a high rate."""
    return copy.deepcopy(_learned(config)).double()


@functools.cache
def _learned(config):
    model = build(config)
    for progress in fit(model, TASK, TrainConfig(batch=2, updates=10, lr=0.05, steps_min=4, steps_max=4)):
        assert progress.stopped is None
    return model


def wide(config):
    return drawn(config, 1, 10.0)


def image(size, seed=1, n=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2, *size, generator=generator, dtype=torch.float64)


def distance(h, other, weight, u=2):
    """‖h − h′‖ = max(max|Δv|, weight·max|Δu|), of each image."""
    apart = (h - other).abs().flatten(2).amax(2)
    return torch.maximum(apart[:, u:].amax(1), weight * apart[:, :u].amax(1))


@pytest.mark.parametrize(
    "model, projection, size",
    [
        (drawn, "none", SIZES[0]),
        (wide, "softmax", SIZES[1]),
        (learned, "softmax", SIZES[0]),
        pytest.param(drawn, "softmax", SIZES[1], marks=pytest.mark.slow),
        pytest.param(wide, "none", SIZES[0], marks=pytest.mark.thorough),
        pytest.param(learned, "none", SIZES[1], marks=pytest.mark.thorough),
    ],
)
def test_the_jacobian_of_a_step_is_below_the_bound(model, projection, size):
    model = model(CONFIG.replace(projection=projection))
    bound, x = model.contraction(), image(size)
    assert bound.holds and bound.factor <= 1 - 0.6 + 0.6 * 0.8 + 1e-12
    h = 3 * torch.randn(1, 5, *size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    whole = jacrev(lambda h: model.step(x, h, 0).h_next)(h).detach()[0, :, :, :, 0]  # (N, H, W, N, H, W)
    scale = torch.tensor([bound.weight] * 2 + [1.0] * 3).double()
    scaled = whole * scale.view(-1, 1, 1, 1, 1, 1) / scale.view(-1, 1, 1)
    norm = float(scaled.abs().sum((3, 4, 5)).max())  # of matrices in l∞: the largest row
    assert 0.4 - 1e-9 <= norm <= bound.factor + 1e-9
    of_v = whole[2:, :, :, 2:].abs().sum((3, 4, 5)).max()
    assert float(of_v) > 0.4  # the loop is closed


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("model", [drawn, learned])
def test_two_starts_come_together_at_the_stated_rate_at_least(model, size):
    model = model()
    bound, x = model.contraction(), image(size, n=3)
    generator = torch.Generator().manual_seed(3)
    starts = [10 * torch.randn(3, 5, *size, generator=generator, dtype=torch.float64) for _ in "ab"]
    one, other = (rollout(model, x, 60, State(0, h)).h for h in starts)
    apart = torch.stack([distance(a, b, bound.weight) for a, b in zip(one, other)])
    assert (apart[1:] <= bound.factor * apart[:-1] + 1e-12).all()
    assert (apart[-1] <= bound.factor**60 * apart[0] + 1e-12).all() and (apart[0] > 1).all()


def test_the_bound_is_reached_where_one_tap_takes_all():
    model = drawn()
    with torch.no_grad():
        for conv in (one for one in model.F.modules() if isinstance(one, BoundedConv)):
            conv.root.zero_()
            conv.root[:, 0, conv.root.shape[2] // 2, conv.root.shape[3] // 2] = 5.0
        for gate in (one for one in model.F.modules() if isinstance(one, Gate)):
            gate.conv.weight.zero_()
            gate.conv.bias.fill_(50.0)  # open
    x, h = image((6, 6)), torch.zeros(1, 5, 6, 6, dtype=torch.float64)
    apart = torch.ones_like(h) * torch.tensor([0.0, 0, 1, 1, 1]).view(-1, 1, 1)
    moved = model.step(x, h + apart, 0).h_next - model.step(x, h, 0).h_next
    assert model.contraction().factor == pytest.approx(0.4 + 0.6 * 0.8)
    assert float(moved[:, 2:].detach().abs().max()) == pytest.approx(0.88)


def test_a_row_of_a_bounded_convolution_sums_up_to_one_at_most_and_padding_takes_away():
    conv = BoundedConv(3, 4).double()
    with torch.no_grad():
        conv.root.normal_(generator=torch.Generator().manual_seed(0))
        conv.root[0] *= 1e-3
    rows = conv.weight().abs().sum((1, 2, 3))
    assert torch.allclose(rows[1:], torch.ones(3, dtype=torch.float64)) and rows[0] < 1e-4
    conv.requires_grad_(False)
    ones = torch.sign(conv.weight()[1]).view(1, 3, 3, 3)
    assert float(conv(ones)[0, 1, 1, 1]) == pytest.approx(1.0) and float(conv(ones).abs().max()) <= 1 + 1e-12


def test_pairs_are_sorted_and_an_odd_channel_is_left():
    z = torch.tensor([1.0, 5, 3, 2, -1]).view(1, 5, 1, 1)
    assert sort_pairs(z).flatten().tolist() == [3, 5, 1, 2, -1]
    assert sort_pairs(z[:, :1]).flatten().tolist() == [1]


@pytest.mark.parametrize(
    ("switches", "why"),
    [
        ({"integrator": "sum"}, "δ is added"),
        ({"decay": True}, "clock runs down"),
        ({"kernel": "fractional"}, "clock runs down"),
        ({"decay": True, "clock": 2, "spectrum": (-1.0, -1, -1, -2, -2)}, "equal eigenvalues"),
    ],
)
def test_where_nothing_is_proved_it_says_why(switches, why):
    found = drawn().contraction(Switches(**switches))
    assert not found.holds and np.isnan(found.factor) and why in found.reason


def test_switches_change_the_bound():
    model = drawn()
    assert model.contraction(Switches(k=1.0)).factor == pytest.approx(0.8)
    assert model.contraction(Switches(loop=False)).factor == pytest.approx(0.4)
    held = model.contraction(Switches(decay=True, tau=1.0, clock=1)).factor
    g = 0.6 * np.exp(-1)
    assert held == pytest.approx(1 - g + 0.8 * g)
    assert "no bound" in build(CONFIG.replace(kind="feedback")).contraction().reason


def test_nothing_depends_on_the_size_of_the_image():
    model, x = drawn(), image((12, 12))
    wide = torch.nn.functional.pad(x, (0, 60, 0, 60))
    narrow = torch.nn.functional.pad(x, (0, 40, 0, 40))
    assert torch.allclose(model(narrow, 1)[..., :12, :12], model(wide, 1)[..., :12, :12])


def test_it_learns_is_counted_saved_and_read_back(tmp_path):
    model = learned().float()
    batch = make_batch(TASK, 2, 0, "test")
    assert count_weights(CONFIG) == sum(weight.numel() for weight in model.parameters())
    path = tmp_path / "contracting.safetensors"
    save(model, Card(CONFIG, TASK, TrainConfig(), updates=10), path)
    again, card = load(path)
    assert card.model == CONFIG and again.contraction() == model.contraction()
    assert evaluate(again, batch, 4) == evaluate(model, batch, 4)


def test_the_command_line_trains_it(tmp_path, capsys):
    path = tmp_path / "mine.safetensors"
    settings = {"kind": "contracting", "integrator": "leaky", "decay": "none", "norm": "pixel", "rho": "0.7",
                "width": "4", "depth": "1", "steps": "3"}  # fmt: skip
    flags = [word for key, value in settings.items() for word in (f"--model.{key}", value)]
    task = ["--task.side", "16", "--task.winding", "0.25", "--images", "2"]
    assert main(["train", "grouping-rest", "--out", str(path), *task, *flags, "--train.updates", "1"]) == 0
    assert load(path)[0].contraction().factor <= 0.5 + 0.5 * 0.7
    assert "F1" in capsys.readouterr().out
