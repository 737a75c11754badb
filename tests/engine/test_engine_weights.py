"""Which models and images the engine takes, and how weights are laid out for it."""

from typing import Literal

import numpy as np
import pytest
import torch
from received import parted

from fbseg_core import ModelConfig, Switches, build
from fbseg_core.analysis.cost import cost
from fbseg_core.models.feedback import FeedbackUNet
from fbseg_core.models.kinds import KINDS
from fbseg_core.models.mechanisms import DECAYS, INTEGRATORS, PROJECTIONS
from pages.engine import weights
from pages.engine.weights import EngineError, check, packed, packed_kernel, work_of

SMALL = ModelConfig(width=4, depth=1)


def test_a_payload_holds_the_settings_and_every_weight():
    shape = {"in_channels": 2, "width": 4, "depth": 1, "u": 3, "v": 2}
    model = build(ModelConfig(**shape, norm="none", spectrum=(-1, 0, 0, 0, -2)))
    payload = packed(model, (16, 16))
    header, rest = parted(payload)
    assert dict(zip(weights.SETTINGS, header["settings"])) == {
        **shape, "version": weights.VERSION, "classes": 2, "norm": 0, "rows": 0, "delta_norm": 1, "basis": 1,
        "leaky": 0,
    }  # fmt: skip
    assert header["loop"]["closed"] and header["loop"]["spectrum"] == [-1, 0, 0, 0, -2]
    sent = np.frombuffer(rest, "<f4")
    assert set(model.F.enter.conv.weight.flatten().tolist()) <= set(sent.tolist())
    assert model.Q.weight.flatten().tolist() == sent[-25:].tolist()


def test_a_kernel_is_packed_in_blocks_of_four_outputs():
    weight, bias = torch.arange(6.0 * 2 * 9).view(6, 2, 3, 3), torch.arange(6.0) / 10
    found = packed_kernel(weight, bias)
    assert found.shape == (2, 1 + 2 * 9, 4)
    for output in range(8):
        block = found[output // 4, :, output % 4]
        if output < 6:
            assert block[0] == bias[output] and torch.equal(block[1:], weight[output].flatten())
        else:
            assert not block.any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value):
    model = build(SMALL)
    with torch.no_grad():
        model.head.bias[1] = value
    with pytest.raises(EngineError, match="not finite"):
        packed(model, (16, 16))


@pytest.mark.parametrize("size", [(15, 32), (32, 512)])
def test_images_of_other_sides_are_refused(size):
    with pytest.raises(EngineError, match=f"16 to 256 px a side, not {size[0]}×{size[1]}"):
        check(build(SMALL), size)


def test_what_would_be_too_slow_or_too_large_is_refused():
    with pytest.raises(EngineError, match="4,000,000 weights"):
        check(build(ModelConfig(width=64)), (16, 16))
    model = build(ModelConfig(width=64, depth=1))
    check(model, (48, 48))
    with pytest.raises(EngineError, match=r"billion multiply-adds would take too long"):
        check(model, (256, 256))


@pytest.mark.parametrize("kind", ["feedback", "feedforward"])
def test_multiply_adds_are_those_that_the_core_counts(kind):
    model = build(SMALL.replace(kind=kind, depth=2))
    found = cost(model, torch.zeros(1, 3, 21, 18))
    assert work_of(model, (21, 18)) == found.prepare_macs + found.step_macs


def test_what_the_core_was_given_later_is_refused(monkeypatch):
    class Other(FeedbackUNet):
        """A model that the engine was not written for."""

    monkeypatch.setitem(KINDS, "other", Other)
    monkeypatch.setitem(PROJECTIONS, "sparse", torch.relu)
    monkeypatch.setitem(INTEGRATORS, "midpoint", lambda h, delta: delta - h / 2)
    monkeypatch.setitem(DECAYS, "harmonic", lambda t, tau, eigenvalues: 1 / (1 - t / tau * eigenvalues))
    for change, words in (
        ({"kind": "other"}, "kind 'other'"),
        ({"kind": "unrolled"}, "network of its own for every step"),
        ({"kind": "contracting"}, "bounded weights of a contracting model"),
        ({"projection": "sparse"}, "projection 'sparse'"),
        ({"decay": "harmonic"}, "decay 'harmonic'"),
        ({"integrator": "midpoint"}, "integrator 'midpoint'"),
    ):
        with pytest.raises(EngineError, match=words):
            check(build(SMALL.replace(**change)), (16, 16))


def test_the_engine_knows_all_that_the_core_has():
    """Where this fails the core has something new: the engine computes it, or `check` refuses it."""
    assert set(PROJECTIONS) == set(weights.PROJECTIONS) and set(DECAYS) == set(weights.DECAYS)
    assert set(INTEGRATORS) == set(weights.INTEGRATORS)
    refused = {"unrolled", "contracting"}
    assert set(KINDS) == {"feedback", "loop_cut", "feedforward"} | refused
    assert ModelConfig.model_fields["norm"].annotation == Literal["group", "batch", "pixel", "none"]
    assert set(ModelConfig.model_fields) == {
        "kind", "in_channels", "classes", "width", "depth", "norm", "delta_norm", "u", "v", "projection",
        "decay", "tau", "spectrum", "kernel", "alpha", "steps", "integrator", "k",
        "rho",  # of contracting models alone
    }  # fmt: skip
    assert set(Switches.model_fields) == {
        "softmax", "decay", "loop", "tau", "clock", "spectrum", "kernel", "batch_statistics",
        "integrator", "k",
    }  # fmt: skip
