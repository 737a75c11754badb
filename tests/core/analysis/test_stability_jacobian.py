"""Eigenvalues and Lyapunov exponents against matrices whose spectrum is known."""

import math

import numpy as np
import pytest
import torch
from torch.func import jacfwd

from fbseg_core.analysis.jacobian import leading_eigenvalues, lyapunov
from fbseg_core.checkpoint import load
from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch

SMALL = ModelConfig(width=4, depth=1, u=3, v=2)
X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
SEED = torch.Generator().manual_seed(5)
KNOWN = [torch.tensor([[1.2, -0.9], [0.9, 1.2]]), torch.tensor([[-1.4]]), torch.tensor([[1.3]])]
LEADING = np.array([1.2 + 0.9j, 1.2 - 0.9j, -1.4, 1.3])


def known(size, seed=0, blocks=KNOWN):
    """A matrix of the given leading blocks, the rest within |λ| < 0.9, in coordinates of its own."""
    generator = torch.Generator().manual_seed(seed)
    rest = size - sum(len(block) for block in blocks)
    inner = (torch.rand(rest, generator=generator) * 1.8 - 0.9).diag()
    block = torch.block_diag(*blocks, inner).double()
    basis = torch.eye(size) + 0.3 * torch.randn(size, size, generator=generator) / size**0.5
    basis = basis.double()
    return basis @ block @ torch.linalg.inv(basis)


def at(side, channels=2):
    x = torch.zeros(1, 3, side, side, dtype=torch.float64)
    return x, State(0, torch.randn(x[:, :1].shape, generator=SEED, dtype=x.dtype).repeat(1, channels, 1, 1))


@pytest.mark.parametrize("side", [4, 16], ids=["dense", "arpack"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_leading_eigenvalues_of_a_known_matrix(stand_in, side, seed):
    model = stand_in(known(side**2), 1)
    found = leading_eigenvalues(model, *at(side), k=4, seed=seed, tolerance=1e-8, most=400)
    assert found.stopped is None and found.converged and found.residuals.max() < 1e-6
    assert np.abs(found.eigenvalues - LEADING).max() < 1e-4
    assert found.radius == pytest.approx(1.5, abs=1e-4) and found.neutral == side**2


def test_a_frozen_gain_scales_the_distance_from_one(stand_in):
    model = stand_in(known(256), 1, decay="exponential", tau=2.0)
    found = leading_eigenvalues(model, *at(16), k=1, clock=3, tolerance=1e-8, most=400)
    gain = math.exp(-1.5)  # turns 1 + (λ − 1) into 1 + g(λ − 1); the largest is then no longer the same
    scaled = 1 + gain * (LEADING - 1)
    assert np.abs(np.abs(found.eigenvalues[0]) - np.abs(scaled).max()) < 1e-4


@pytest.mark.parametrize("model", [
    pytest.param(build(SMALL, 1), marks=pytest.mark.slow),
    build(SMALL.replace(spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3)), 2),
    build(SMALL.replace(norm="batch", projection="none"), 3).eval(),
], ids=["equal", "Q", "batch"])  # fmt: skip
def test_agrees_with_the_dense_jacobian_of_a_network(model):
    model, x = model.double(), X[:, :, :4, :4].double()
    state = rollout(model, x, 2).state(2)
    with torch.no_grad():
        whole = jacfwd(lambda h: model.step(x, h, 2).h_next)(state.h).view(80, 80)
    found = leading_eigenvalues(model, x, state, k=3)
    values = np.linalg.eigvals(whole.numpy())
    assert found.radius == pytest.approx(np.abs(values).max(), abs=1e-6)
    for value in found.eigenvalues:
        assert np.abs(values - value).min() < 1e-6
    assert np.sum(np.abs(values - 1) < 1e-9) >= found.neutral == 48


def test_the_direction_is_an_eigenvector_of_the_whole_step(stand_in):
    model = stand_in(known(256, blocks=[torch.tensor([[-1.4]])]), 1)
    x, state = at(16)
    found = leading_eigenvalues(model, x, state, k=2, tolerance=1e-8, most=400)
    h = found.direction[None]
    assert h.shape == state.h.shape and float(h.norm()) == pytest.approx(1, abs=1e-6)
    assert torch.allclose(model.step(x, h, 0).h_next, -1.4 * h, atol=1e-5)  # linear: J is the step itself
    assert h[:, :1].norm() > 0.1  # u moves along


@pytest.mark.thorough
def test_same_seed_same_answer_and_another_seed_agrees():
    model, card = load("shapes-feedback")
    x = make_batch(card.task.replace(side=16), 1, 7).x[..., 4:12, 4:12]
    state = rollout(model, x, 3).state(3)
    one, same, other = (leading_eigenvalues(model, x, state, 2, clock=0, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.eigenvalues, same.eigenvalues)
    assert torch.equal(one.direction, same.direction)
    assert np.abs(one.eigenvalues[0] - other.eigenvalues[0]) < 1e-2 and one.converged


def test_what_did_not_converge_says_so(stand_in):
    rotation = torch.linalg.qr(torch.randn(256, 256, generator=torch.Generator().manual_seed(3)).double())[0]
    found = leading_eigenvalues(stand_in(rotation, 1), *at(16), k=4, most=30)  # all on one circle
    assert not found.converged and "converged within 30 products" in found.stopped


def test_of_close_and_equal_eigenvalues_none_is_missed(stand_in):
    """One start vector holds one direction of an eigenspace: it alone would give 1.4, 1.35, 1.3 and 0.9."""
    blocks = [torch.tensor([[value]]) for value in (1.4, 1.4, 1.35, 1.35)]
    for seed in range(3):
        model = stand_in(known(256, blocks=blocks), 1)
        found = leading_eigenvalues(model, *at(16), k=4, seed=seed, tolerance=1e-8, most=1000)
        assert found.converged and np.abs(found.eigenvalues - [1.4, 1.4, 1.35, 1.35]).max() < 1e-3
        assert found.residuals.max() < 1e-3


def test_without_products_left_to_rule_out_a_larger_one_it_is_not_called_converged(stand_in):
    rotation = torch.linalg.qr(torch.randn(254, 254, generator=torch.Generator().manual_seed(3)).double())[0]
    matrix = torch.block_diag(torch.tensor([[1.5]]), torch.tensor([[1.4]]), 0.99 * rotation)
    found = leading_eigenvalues(stand_in(matrix.double(), 1), *at(16), k=2, tolerance=1e-2, most=60)
    assert np.abs(found.eigenvalues - [1.5, 1.4]).max() < 1e-2  # all that is left is on one circle
    assert not found.converged and "no larger one was ruled out" in found.stopped


@pytest.mark.slow
def test_the_leading_ones_of_a_trained_model_are_those_of_its_dense_jacobian():
    model, card = load("grouping-feedback")
    model = model.double()
    x = make_batch(card.task, 1, 7).x[..., 16:26, 16:26].double()
    state, fed = rollout(model, x, 3).state(3), model.feedback_channels
    with torch.no_grad():
        whole = jacfwd(lambda v: model.step(x, torch.cat([state.h[:, : fed.start], v], 1), 3).h_next[:, fed])(
            state.h[:, fed]
        )
    n = state.h[:, fed].numel()
    values = np.linalg.eigvals(whole.reshape(n, n).numpy())
    largest = np.sort(np.abs(values))[::-1][:4]
    found = leading_eigenvalues(model, x, state, k=4, most=2000)
    assert found.converged and np.abs(np.abs(found.eigenvalues) - largest).max() < 1e-3


def test_progress_is_told_and_can_stop_the_work(stand_in):
    told = []
    found = leading_eigenvalues(stand_in(known(256), 1), *at(16), report=lambda n: told.append(n) or n < 10)
    assert told == list(range(11)) and found.products == 10
    assert found.stopped == "stopped after 10 products" and len(found.eigenvalues) == 0
    assert found.radius == 1 and not found.converged


def test_what_forgets_its_state_in_one_step_has_no_eigenvalue_but_zero():
    forgets = Switches(integrator="leaky", k=1.0, loop=False, decay=False)  # h becomes δ, which sees x alone
    model, x = build(SMALL, 0).eval(), X[:, :, :16, :16]
    found = leading_eigenvalues(model, x, rollout(model, x, 2, switches=forgets).state(2), 4, forgets)
    assert found.radius == 0 and found.converged and len(found.eigenvalues) == 4


def test_a_cut_loop_is_neutral_everywhere():
    state = State(0, torch.randn(1, 5, 16, 16))
    found = leading_eigenvalues(build(SMALL), X, state, switches=Switches(loop=False))
    assert (found.eigenvalues == 1).all() and found.products == 0 and found.radius == 1


@pytest.mark.parametrize("rate, exponent", [(1.3, math.log(1.3)), (0.8, 0.0)])
def test_the_exponent_is_the_log_of_the_largest_eigenvalue_and_u_forgets_nothing(stand_in, rate, exponent):
    basis = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(0)).double())[0]
    block = torch.block_diag(torch.tensor([[rate]]), torch.tensor([[0.5]]), 0.1 * torch.eye(14)).double()
    found = lyapunov(stand_in(basis @ block @ basis.T, 1), *at(4), steps=80)
    assert found.rates.shape == (2, 80) and found.halves[1] == pytest.approx(exponent, abs=1e-4)


def test_an_eigenvector_grows_at_its_rate_at_every_step(stand_in):
    model = stand_in(known(256, blocks=[torch.tensor([[-1.4]])]), 1)
    x, state = at(16)
    direction = leading_eigenvalues(model, x, state, 1, tolerance=1e-10, most=400).direction
    found = lyapunov(model, x, state, 10, direction=direction)
    assert np.abs(found.rates[0] - math.log(1.4)).max() < 1e-4


def test_a_clocked_linear_map_has_the_exponent_of_its_product(stand_in):
    tau, rate = 5.0, 1.3
    model = stand_in(rate * torch.eye(16, dtype=torch.float64), 1, decay="exponential", tau=tau)
    found = lyapunov(model, *at(4), steps=30)
    v = [1.0]
    for t in range(30):
        v.append(v[-1] * (1 + math.exp(-t / tau) * (rate - 1)))
    u = [0.5 * (value - 1) for value in v]  # u takes half of what v gains
    assert found.exponent == pytest.approx(math.log(math.hypot(u[-1], v[-1])) / 30, abs=1e-4)
    assert found.halves[1] < 0.01 < found.halves[0] and not found.converged


def test_a_uniform_map_converges_and_agrees_between_directions(stand_in):
    found = lyapunov(stand_in(1.3 * torch.eye(16, dtype=torch.float64), 1), *at(4), steps=60)
    assert np.ptp(found.exponents) < 1e-9 and found.converged


def test_tangents_are_what_small_perturbations_become():
    model = build(SMALL, 4).double()
    x, direction = X.double(), torch.randn(5, 16, 16, generator=SEED, dtype=torch.float64)
    start = rollout(model, x, 1).state(1)
    found = lyapunov(model, x, start, 6, direction=direction)
    size = 1e-7
    perturbed = State(1, start.h + size * direction / direction.norm())
    apart = rollout(model, x, 6, perturbed).h[-1] - rollout(model, x, 6, start).h[-1]
    assert found.rates[0].sum() == pytest.approx(math.log(float(apart.norm()) / size), abs=1e-4)


def test_growth_stops_on_request_and_with_a_run_that_overflows():
    found = lyapunov(build(SMALL), X, steps=10, report=lambda done: done < 8)
    assert found.rates.shape == (2, 4) and found.stopped == "stopped after 4 steps"
    found = lyapunov(build(SMALL), X, steps=60, switches=Switches(spectrum=(10.0,), tau=0.5))
    assert "finite" in found.stopped and found.rates.shape[1] < 10


def test_what_has_no_map_or_no_single_image_is_refused():
    plain = build(SMALL.replace(kind="feedforward"))
    state = State(0, plain.initial(X))
    for measure in (leading_eigenvalues, lyapunov):
        with pytest.raises(ConfigError, match="feedforward"):
            measure(plain, X, state)
        with pytest.raises(ConfigError, match="one image"):
            measure(build(SMALL), X.repeat(2, 1, 1, 1), State(0, torch.zeros(2, 5, 16, 16)))
    with pytest.raises(ConfigError, match="2 steps"):
        lyapunov(build(SMALL), X, steps=1)
