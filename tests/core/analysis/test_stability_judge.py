"""Judgements of models: stand-ins whose answer is known, and real ones."""

import math

import pytest
import torch

from fbseg_core.analysis.stability import gains, judge
from fbseg_core.checkpoint import load
from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch

SMALL = ModelConfig(width=4, depth=1, u=3, v=2)
X = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
x = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
H0 = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def turn(period, size=1.0):
    """Turn v's two neurons at each of 16 pixels by 2π/period a step: (32, 32)."""
    angle = torch.tensor(2 * math.pi / period, dtype=torch.float64)
    plane = size * torch.stack(
        [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
    )
    return torch.kron(plane, torch.eye(16, dtype=torch.float64))


@pytest.mark.parametrize("size, name", [(0.6, "settled"), (1.0, "oscillating"), (1.1, "diverging")])
def test_a_linear_model_without_decay_is_named_by_its_spectrum(stand_in, size, name):
    found = judge(stand_in(turn(7, size), 2), x, State(0, H0))
    assert found.state.name == name and torch.equal(found.clocked.h, found.frozen.h)
    if name == "oscillating":
        assert found.state.running.period == pytest.approx(7, abs=1e-4)
    if name == "diverging":
        assert found.state.running.growth == pytest.approx(math.log(1.1), abs=1e-4)


def test_what_moves_once_the_clock_is_frozen_was_switched_off(stand_in):
    model = stand_in(turn(7), 2, decay="exponential", tau=2.0)
    found = judge(model, x, State(0, H0))
    assert found.state.running.name == "switched off" and found.state.held.name == "oscillating"
    assert found.state.name == "switched off"
    assert "with the clock held from t = 0 it is oscillating" in str(found.state)


def test_a_mask_that_comes_to_rest_elsewhere_once_its_clock_is_held_was_switched_off():
    model, card = load("shapes-no-decay")
    image = make_batch(card.task, 1, 7).x
    found = judge(model, image, switches=Switches(softmax=False, decay=True)).mask
    assert found.running.name == "switched off" and found.held.name == "over-smoothed"
    assert found.apart > 0.01 and found.name == "switched off"
    assert "elsewhere (over-smoothed)" in str(found)


def test_what_settles_of_itself_has_settled_with_the_clock_running_too(stand_in):
    model = stand_in(turn(7, 0.3), 2, decay="exponential", tau=8.0)
    found = judge(model, x, State(0, H0))
    assert found.state.name == found.state.held.name == "settled"


def test_growing_gain_diverges_at_the_rate_of_its_eigenvalue():
    model = build(SMALL)
    found = judge(model, X, steps=40, switches=Switches(spectrum=(0.5,), tau=2.0))
    assert found.state.name == "diverging" and found.state.running.growth == pytest.approx(0.25, abs=1e-3)
    stopped = judge(model, X, steps=60, switches=Switches(spectrum=(10.0,), tau=0.5))
    assert stopped.state.name == "diverging" and "finite" in str(stopped)


@pytest.mark.parametrize("seed", range(5))
def test_no_state_settles_under_instance_norm_whatever_the_model(seed):
    found = judge(build(SMALL, seed), X)
    assert found.state.held.name == "drifting" and found.state.name == "switched off"


def test_the_frozen_run_holds_its_gain_and_starts_where_it_is_told():
    model = build(SMALL)
    start = rollout(model, X, 3).state(3)
    found = judge(model, X, start, 20, image=1)
    assert torch.equal(found.frozen.h[0], start.h) and found.clock == 3
    held = found.frozen.update[:, 1] / found.frozen.residual[:, 1]
    assert torch.allclose(held, torch.full((20,), math.exp(-3 / 2), dtype=torch.float64), rtol=1e-5)
    assert judge(model, X, start, 20, clock=0).state.held.gain == 1
    assert torch.equal(judge(model, X, start, 20, Switches(clock=7)).clocked.h, found.clocked.h)
    assert gains(model, found.clocked).tolist() == pytest.approx([math.exp(-t / 2) for t in range(3, 23)])


def test_an_undamped_step_is_known_however_small_the_gain():
    model = build(SMALL)
    found = judge(model, X, rollout(model, X, 30).state(30)).state.running
    residual = found.undamped * float(rollout(model, X, 90).h[30:, 0].flatten(1).norm(dim=1).max())
    assert found.gain < 1e-15 and residual == pytest.approx(math.sqrt(5 * 256), rel=1e-3)  # R at γ = 1, β = 0


def test_a_feedforward_model_and_a_short_run_are_refused():
    with pytest.raises(ConfigError, match="feedforward"):
        judge(build(SMALL.replace(kind="feedforward")), X)
    with pytest.raises(ConfigError, match="steps"):
        judge(build(SMALL), X, steps=5)


@pytest.mark.thorough
def test_the_shapes_model_drifts_on_while_its_mask_stands_still():
    model, card = load("shapes-feedback")
    image = make_batch(card.task, 1, 7).x
    found = judge(model, image)
    assert found.state.name == "switched off" and found.state.held.name == "drifting"
    assert found.mask.name == "settled" and found.mask.held.let_through == 30
    assert "With the clock running, the mask stands still" in str(found)
    assert "With the clock held from t = 0, the state drifts" in str(found)
    late = judge(model, image, rollout(model, image, 20).state(20))
    assert late.mask.name == "switched off" and "too little to tell" in str(late)


def test_a_mask_may_oscillate_while_its_state_diverges():
    model, card = load("shapes-feedback")
    image = make_batch(card.task, 1, 8).x
    found = judge(model, image, steps=40, switches=Switches(softmax=False, tau=2.0, spectrum=(2.0,)))
    assert found.state.name == "diverging" and found.mask.name == "oscillating"
    assert found.mask.running.period == pytest.approx(2, abs=0.01)
