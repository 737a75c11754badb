"""Switches: what each flips for one run, and that the model is left as it was."""

import math

import pytest
import torch

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.settings import ConfigError

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
FULL = SMALL.replace(spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3))
X = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
EVERY = Switches(
    softmax=False, decay=True, loop=True, tau=0.5, clock=3, spectrum=(0.5,), kernel="fractional",
    batch_statistics=True,
)  # fmt: skip


def test_a_spectrum_given_to_a_model_without_a_basis_acts_neuron_by_neuron():
    model, delta = build(SMALL), torch.randn(1, 5, 2, 2)
    values = (0.5, 0.0, -0.5, -1.0, -2.0)
    expected = delta * torch.tensor([math.exp(3 / SMALL.tau * value) for value in values]).view(-1, 1, 1)
    assert torch.allclose(model.damp(delta, 3, Switches(spectrum=values)), expected, rtol=1e-5)


def test_decay_switched_off_adds_delta_itself():
    run = rollout(build(FULL), X, 5, switches=Switches(decay=False))
    assert torch.equal(run.applied, run.delta) and torch.allclose(run.h[-1], run.delta.sum(0), atol=1e-5)


def test_decay_switched_on_gives_a_model_built_without_it_the_exponential():
    model = build(SMALL.replace(decay="none"))
    assert torch.equal(model.gain(3), torch.ones(5))
    assert torch.equal(model.gain(3, Switches(decay=True)), build(SMALL).gain(3))


@pytest.mark.parametrize("on, other", [(True, "none"), (False, "softmax")])
def test_softmax_switch_gives_the_other_built_models_run(on, other):
    switched = build(SMALL.replace(projection=other), 1)
    built = build(SMALL.replace(projection="softmax" if on else "none"), 1)
    assert torch.equal(rollout(switched, X, switches=Switches(softmax=on)).h, rollout(built, X).h)


def test_unprojected_feedback_is_the_normalised_v_and_leaves_the_simplex():
    model = build(SMALL)
    run = rollout(model, X, 3, switches=Switches(softmax=False))
    with torch.no_grad():
        assert torch.equal(run.v_hat[2], model.norm_v(run.v[2]))
    assert run.v_hat.min() < 0


@pytest.mark.parametrize("config", [SMALL, FULL, SMALL.replace(norm="batch"), SMALL.replace(kind="loop_cut")])
def test_no_switch_changes_the_models_weights_or_its_next_run(config):
    model = build(config).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    plain = rollout(model, X, 3)
    flipped = rollout(model, X, 3, switches=EVERY)
    assert not torch.equal(plain.h, flipped.h) and torch.equal(rollout(model, X, 3).h, plain.h)
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_frozen_clock_at_zero_is_an_undamped_run():
    model = build(SMALL)
    frozen, undamped = (
        rollout(model, X, 5, switches=s).h for s in (Switches(clock=0), Switches(decay=False))
    )
    assert torch.equal(frozen, undamped)


def test_a_positive_spectrum_grows_the_update_by_its_factor_each_step():
    run = rollout(build(SMALL), X, 8, switches=Switches(spectrum=(1.0,), loop=False))
    assert torch.allclose(
        run.update[1:] / run.update[:-1], torch.tensor(math.exp(1 / SMALL.tau)).double(), rtol=1e-5
    )


@pytest.mark.parametrize("switches", [Switches(), Switches(loop=True), Switches(softmax=False)])
def test_a_model_built_with_its_loop_cut_never_reads_v(switches):
    model = build(SMALL.replace(kind="loop_cut"))
    h = torch.randn(2, 5, 16, 16)
    other = h.clone()
    other[:, 3:] = torch.nan
    with torch.no_grad():
        a, b = (model.step(X, state, 1, switches=switches) for state in (h, other))
    assert torch.equal(a.delta, b.delta) and torch.equal(a.h_next[:, :3], b.h_next[:, :3]) and a.v_hat is None


def test_a_cut_loops_state_is_delta_times_the_sum_of_the_gains():
    for switches in (Switches(loop=False), Switches(loop=False, kernel="fractional")):
        model = build(SMALL)
        run = rollout(model, X, 4, switches=switches)
        total = sum(float(model.gain(t, switches)[0]) for t in range(4))
        assert torch.allclose(run.h[-1], run.delta[0] * total, atol=1e-5)


@pytest.mark.parametrize("length", [2, 4, 6])
def test_spectra_that_do_not_fit_are_refused_with_the_number_needed(length):
    with pytest.raises(ConfigError, match=r"U\+V = 5"):
        build(SMALL).gain(0, Switches(spectrum=(-1.0,) * length))


def test_a_double_precision_model_takes_any_spectrum_at_inference():
    model, x = build(SMALL).double(), torch.zeros(1, 3, 16, 16, dtype=torch.float64)
    run = rollout(model, x, 2, switches=Switches(spectrum=(0.5, 0.0, -0.5, -1.0, -2.0)))
    assert run.h.dtype == torch.float64


def test_a_lone_pixel_falls_back_on_running_statistics():
    model = build(SMALL.replace(norm="batch", depth=4)).eval()
    x = torch.randn(1, 3, 16, 16)
    run = rollout(model, x, 2, switches=Switches(batch_statistics=True))
    assert len(run) == 2 and run.stopped is None
