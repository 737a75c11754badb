"""E5': a state that leaks comes to rest where h = δ(h); norms over a pixel's channels read no other pixel."""

import math

import numpy as np
import pytest
import torch
from torch.func import jacfwd
from torch.nn.functional import layer_norm, pad

from fbseg_core.analysis.certificate import certify
from fbseg_core.analysis.jacobian import leading_eigenvalues
from fbseg_core.analysis.stability import judge
from fbseg_core.config import ModelConfig, ShapesConfig, Switches
from fbseg_core.models.mechanisms import PixelNorm, largest_norm, state_norm
from fbseg_core.models.registry import build
from fbseg_core.rollout.interventions import Flip, intervene
from fbseg_core.rollout.trajectory import State, join, rollout
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Batch

SUM = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
LEAKY = SUM.replace(integrator="leaky", k=0.4, norm="pixel", decay="none")
X = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def drawn(config, seed=0):
    """A model whose norms have scales and shifts of their own."""
    model = build(config, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in (one for one in model.modules() if isinstance(one, PixelNorm)):
            norm.weight.add_(0.3 * torch.randn(norm.weight.shape, generator=generator))
            norm.bias.add_(0.3 * torch.randn(norm.bias.shape, generator=generator))
    return model


@pytest.mark.parametrize("k", [0.1, 1.0])
def test_a_step_moves_the_state_by_k_of_the_error(k):
    run = rollout(drawn(LEAKY.replace(k=k)), X, 5)
    assert torch.equal(run.error, run.delta - run.h[:-1]) and torch.allclose(run.applied, k * run.error)
    assert torch.allclose(run.h[1:], run.h[:-1] + k * (run.delta - run.h[:-1]))
    assert torch.allclose(run.residual, run.error.double().flatten(2).norm(dim=2))


def test_with_the_loop_cut_the_state_goes_to_delta_as_a_leaky_integrator_does():
    run = rollout(drawn(LEAKY), X, 30, switches=Switches(loop=False))
    for t in (1, 7, 30):
        assert torch.allclose(run.h[t], (1 - 0.6**t) * run.delta[0], atol=1e-5)
    found = judge(drawn(LEAKY), X, switches=Switches(loop=False))
    assert found.state.name == "settled"


@pytest.mark.parametrize("decay", ["none", "exponential"])
def test_the_clock_damps_a_leaky_update_as_any_other(decay):
    model = drawn(LEAKY.replace(decay=decay))
    run = rollout(model, X, 4)
    for t in range(4):
        factor = 0.4 * (math.exp(-t / model.config.tau) if decay == "exponential" else 1)
        assert torch.allclose(run.applied[t], factor * run.error[t], atol=1e-6)


def test_a_spectrum_damps_the_error_along_its_own_axes():
    model = drawn(LEAKY.replace(decay="exponential", spectrum=(-1.0, -0.5, -2.0, 0.0, 0.3)))
    h = torch.randn(1, 5, 16, 16)
    step = model.step(X[:1], h, 3)
    basis, gain = model.basis(), model.gain(3)
    expected = torch.einsum("ij,j,kj,bkhw->bihw", basis, gain, basis, step.delta - h)
    assert torch.allclose(step.applied, expected, atol=1e-5)


def test_integrator_and_k_switched_are_those_of_the_other_built_model():
    built = rollout(build(LEAKY.replace(k=0.9), 1), X).h
    switched = Switches(integrator="leaky", k=0.9)
    assert torch.equal(rollout(build(LEAKY.replace(integrator="sum"), 1), X, switches=switched).h, built)
    plain = rollout(build(LEAKY, 1), X, switches=Switches(integrator="sum"))
    assert torch.equal(plain.applied, plain.delta) and plain.error is None


def test_a_run_resumed_is_the_whole_run_and_parts_joined_keep_their_errors():
    model = drawn(LEAKY)
    run = rollout(model, X, 6)
    later = rollout(model, X, 3, run.state(3))
    assert torch.equal(later.h, run.h[3:])
    assert torch.equal(join([rollout(model, X, 3), later]).error, run.error)


def test_an_error_is_told_of_a_run_that_was_acted_on():
    model, task = drawn(LEAKY), ShapesConfig(side=16)
    batch = Batch(X[:1], torch.zeros(1, 16, 16, dtype=torch.long))
    found = intervene(model, task, batch, 4, [Flip(t=2, switch="softmax", on=False)]).trajectory
    assert found.error.shape == found.delta.shape


def test_an_unknown_integrator_is_refused():
    with pytest.raises(ConfigError, match="integrator: 'euler' is not one of sum, leaky"):
        ModelConfig.parse({"integrator": "euler"})


# ---- norms over a pixel ---------------------------------------------------------------------------------


def test_a_pixel_s_norm_is_layer_norm_over_its_channels():
    norm = PixelNorm(5)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    z = 3 + 2 * torch.randn(2, 5, 4, 6)
    expected = layer_norm(z.movedim(1, -1), (5,), norm.weight, norm.bias).movedim(-1, 1)
    assert torch.allclose(norm(z), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["feedback", "feedforward", "loop_cut"])
def test_what_a_pixel_comes_to_does_not_depend_on_the_size_of_the_image(kind):
    model = drawn(LEAKY.replace(kind=kind))
    steps, reach = 2, 20  # px that two steps can see
    small = torch.randn(1, 3, 64, 64)
    large = pad(small, (32, 16, 16, 48), value=0.7)
    one, other = (rollout(model, x, steps).h[-1] for x in (small, large))
    inner = slice(reach, 64 - reach)
    assert torch.allclose(one[..., inner, inner], other[..., 16:, 32:][..., inner, inner], atol=1e-5)
    assert not torch.allclose(one[..., :4, :4], other[..., 16:, 32:][..., :4, :4], atol=1e-2)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["pixel", "group"])
def test_no_state_norm_lets_more_through_than_it_says(norm):
    layer = state_norm(norm, 6)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    most = largest_norm(layer)
    for seed in range(20):
        z = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(seed)) * 10
        assert layer(z).norm() / 5 <= most * (1 + 1e-6)
    if norm == "pixel":  # the bound is reached where all of a pixel is in the neuron of the largest scale
        layer.bias.data.zero_()
        layer.weight.data[:2] = 3.0
        z = torch.zeros(1, 6, 5, 5)
        z[:, 0], z[:, 1] = 1e3, -1e3
        assert layer(z).norm() / 5 == pytest.approx(largest_norm(layer), rel=1e-4)


# ---- what is said of it ---------------------------------------------------------------------------------


def test_the_clock_s_certificate_holds_for_a_leaky_state_and_not_without_the_clock():
    model = drawn(LEAKY.replace(decay="exponential", tau=3.0))
    proof = certify(model, (16, 16))
    run = rollout(model, X[:1], 40)
    assert proof.holds
    for t in (0, 3, 10):
        assert float((run.h[-1] - run.h[t]).norm()) <= proof.bound(t)
    assert not certify(model, (16, 16), Switches(decay=False)).holds


def test_eigenvalues_are_those_of_the_whole_state():
    model = drawn(LEAKY.replace(width=2, u=2, v=1)).double()
    x = X[:1, :, :6, :6].double()
    h = rollout(model, x, 3).h[-1]
    dense = jacfwd(lambda h: model.step(x, h, 3).h_next)(h).view(108, 108)
    wanted = np.sort(np.abs(np.linalg.eigvals(dense.detach().numpy())))[::-1]
    found = leading_eigenvalues(model, x, State(3, h), 3)
    assert found.neutral == 0 and found.converged
    assert np.abs(found.eigenvalues) == pytest.approx(wanted[:3], rel=1e-4)


def test_with_the_loop_cut_every_eigenvalue_is_one_minus_k():
    found = leading_eigenvalues(
        drawn(LEAKY), X[:1], State(2, torch.randn(1, 5, 16, 16)), 2, Switches(loop=False)
    )
    assert np.allclose(found.eigenvalues, 0.6, atol=1e-4)
