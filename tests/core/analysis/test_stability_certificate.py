"""The certificate: its bound is derived, never crossed, nearly reached, and withdrawn when it should be."""

import math

import pytest
import torch

from fbseg_core.analysis.certificate import Certificate, certify
from fbseg_core.checkpoint import load, shipped
from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.mechanisms import DECAYS
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch

SMALL = ModelConfig(width=4, depth=1, u=3, v=2)
SIZE = (16, 16)


def shaken(config, seed):
    """A model whose norm has weights and biases of its own, so that R is not that of fresh ones."""
    model = build(config, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.norm_delta.weight.normal_(generator=generator)
        model.norm_delta.bias.normal_(generator=generator)
    return model


def to_the_last(run):
    return (run.h[-1] - run.h).flatten(2).norm(dim=2, dtype=torch.float64)[:, 0]


@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 100), marks=pytest.mark.slow)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_envelope_holds_on_100_triples_of_image_seed_and_tau(dtype, seeds):
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        tau = float(10 ** torch.empty(()).uniform_(-1, 1.3, generator=generator))
        spectrum = tuple((-2 * torch.rand(5, generator=generator) - 0.01).tolist())
        config = SMALL.replace(tau=tau, spectrum=spectrum if seed % 2 else (-1.0,))
        config = config.replace(kind="loop_cut" if seed % 5 == 0 else "feedback")
        model = shaken(config, seed).to(dtype)
        x = torch.randn(1, 3, *SIZE, generator=generator).to(dtype) * 10 ** (seed % 4)
        steps = 5 + seed % 20
        run, found = rollout(model, x, steps), certify(model, SIZE)
        assert found.holds and len(run) == steps
        measured = to_the_last(run)
        if dtype == torch.float64:  # summed from the small end, so that h's rounding is out of it
            exact = run.applied.flip(0).cumsum(0).flip(0).flatten(2).norm(dim=2)[:, 0]
            bound = torch.tensor([found.bound(t, steps) for t in range(steps)], dtype=dtype)
            assert (exact <= bound * (1 + 1e-9)).all(), seed
        assert (measured <= found.envelope(0, steps)).all(), seed
        assert (run.residual <= found.radius * (1 + 16 * found.epsilon)).all(), seed


def test_the_bound_is_nearly_reached_when_every_step_is_the_same():
    model = shaken(SMALL.replace(kind="loop_cut"), 1).double()
    run = rollout(model, 100 * torch.randn(1, 3, *SIZE, dtype=torch.float64), 20)
    found = certify(model, SIZE)
    assert float(to_the_last(run)[0]) >= 0.99 * found.bound(0, 20)


def test_radius_and_decay_come_from_the_model_and_the_switches():
    model = build(SMALL)
    with torch.no_grad():
        model.norm_delta.weight.copy_(torch.tensor([1.0, 2, 3, 4, 5]))
        model.norm_delta.bias.copy_(torch.tensor([0.0, 0, 1, 0, -2]))
    found = certify(model, (10, 6))
    assert found.radius == pytest.approx(math.sqrt(60 * (55 + 5)), rel=1e-6)
    assert found.q == pytest.approx(math.exp(-1 / 2))
    assert certify(model, (10, 6), Switches(tau=5.0)).q == pytest.approx(math.exp(-1 / 5))
    some = certify(model, (10, 6), Switches(tau=5.0, spectrum=(-3.0, -0.5, -1.0, -2.0, -1.0)))
    assert some.q == pytest.approx(math.exp(-0.1))


def test_the_bound_is_the_sum_of_its_steps():
    found = Certificate(True, "", radius=3.0, q=0.8)
    assert found.bound(2, 7) == pytest.approx(3 * sum(0.8**s for s in range(2, 7)))
    assert found.bound(2) == pytest.approx(3 * 0.8**2 / 0.2) and found.bound(4, 4) == 0
    assert found.envelope(2, 7).tolist() == pytest.approx([found.bound(t, 7) for t in range(2, 8)])
    for t, end in ((-1, 3), (4, 3), (-1, None)):
        with pytest.raises(ValueError, match="later"):
            found.bound(t, end)


@pytest.mark.parametrize("config, switches, words", [
    ({}, {"decay": False}, "decay is off"),
    ({"decay": "none"}, {}, "decay is off"),
    ({}, {"clock": 4}, "frozen at 4"),
    ({"delta_norm": False}, {}, "not normalised"),
    ({}, {"spectrum": (0.0,)}, "eigenvalue 0"),
    ({}, {"spectrum": (-1.0, -1.0, 0.5, -1.0, -1.0)}, "eigenvalue 0.5"),
    ({"spectrum": (0.25,)}, {}, "eigenvalue 0.25"),
    ({}, {"spectrum": (-1e-20,)}, "last digit"),
    ({"kind": "feedforward"}, {}, "one step"),
])  # fmt: skip
def test_it_is_withdrawn_with_one_sentence_when_a_condition_fails(config, switches, words):
    found = certify(build(SMALL.replace(**config)), SIZE, Switches(**switches))
    assert not found.holds and words in found.reason
    assert found.reason.endswith(".") and found.proves == found.reason
    with pytest.raises(ValueError, match=words):
        found.bound(0)


def test_conditions_can_be_met_by_a_switch_as_well_as_broken():
    assert certify(build(SMALL.replace(decay="none")), SIZE, Switches(decay=True)).holds
    assert certify(build(SMALL.replace(spectrum=(0.5,))), SIZE, Switches(spectrum=(-1.0,))).holds
    with pytest.raises(ConfigError, match="eigenvalue"):
        certify(build(SMALL), SIZE, Switches(spectrum=(-1.0, -1.0)))


def test_a_decay_of_another_kind_is_not_vouched_for(monkeypatch):
    monkeypatch.setitem(DECAYS, "harmonic", lambda t, tau, values: 1 / (1 - t / tau * values))
    found = certify(build(SMALL.replace(decay="harmonic")), SIZE)
    assert not found.holds and "harmonic" in found.reason


@pytest.mark.parametrize("alpha", [1.0, 1.5, 3.0])
def test_with_the_fractional_kernel_it_ends_where_the_kernel_does(alpha):
    model = shaken(SMALL.replace(alpha=alpha, kernel="fractional", steps=6), 2).double()
    run = rollout(model, torch.randn(1, 3, *SIZE, dtype=torch.float64), 20)
    found = certify(model, SIZE)
    assert found.holds and found.horizon == len(run) == 7 and "fractional" in found.proves
    assert found.radius == pytest.approx(
        certify(model, SIZE, Switches(kernel="none")).radius / math.gamma(alpha)
    )
    assert (to_the_last(run) <= found.envelope(0, 7)).all()
    for end in (None, 8):
        with pytest.raises(ValueError, match="no step past 7"):
            found.bound(0, end)


@pytest.mark.parametrize(
    "name",
    [name for name in shipped() if name.startswith(("grouping", "shapes")) and "feedforward" not in name],
)
def test_shipped_models_stay_within_their_envelope(name):
    model, card = load(name)
    x = make_batch(card.task.replace(side=32), 1, 3).x
    switches = Switches(decay=True)
    run, found = rollout(model, x, 40, switches=switches), certify(model, (32, 32), switches)
    assert found.holds and "∞" in found.proves and "perturbation" in found.does_not_prove
    assert (to_the_last(run) <= found.envelope(0, 40)).all()
