"""Perturbations."""

import math

import pytest
import torch

from fbseg_core.analysis.jacobian import leading_eigenvalues
from fbseg_core.analysis.probes import response
from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.settings import ConfigError

SMALL = ModelConfig(width=4, depth=1, u=3, v=2)
X = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
x = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
H0 = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_a_perturbation_along_an_eigenvector_grows_as_its_eigenvalue_frozen_and_stays_clocked(stand_in):
    basis = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(2)).double())[0]
    matrix = basis @ torch.block_diag(torch.tensor([[1.2]]), 0.3 * torch.eye(15)).double() @ basis.T
    model = stand_in(matrix, 1, decay="exponential", tau=1.0)
    state = State(3, H0)
    direction = leading_eigenvalues(model, x, state, k=1).direction
    found = response(model, x, state, 0.1, 20, direction=direction)
    rate = 1 + math.exp(-3) * 0.2
    assert found.frozen[:, 0].tolist() == pytest.approx([0.1 * rate**t for t in range(21)], rel=1e-6)
    product = [0.1]
    for t in range(3, 23):
        product.append(product[-1] * (1 + math.exp(-t) * 0.2))
    assert found.clocked[:, 0].tolist() == pytest.approx(product, rel=1e-6)


def test_a_contraction_forgets_a_perturbation_of_v_and_u_never_does(stand_in):
    model = stand_in(0.5 * torch.eye(16, dtype=torch.float64), 1)
    of_u = torch.zeros_like(H0[0])
    of_u[0] = 1.0
    assert response(
        model, x, State(0, H0), 2.0, 30, direction=of_u
    ).frozen.flatten().tolist() == pytest.approx([2.0] * 31)
    of_v = of_u.flip(0)  # v halves each step; u goes on by half of what v loses
    distances = response(model, x, State(0, H0), 2.0, 30, direction=of_v).frozen
    assert float(distances[-1, 0]) == pytest.approx(1.0)


def test_a_late_perturbation_is_never_forgotten_though_the_run_converges():
    model = build(SMALL)
    late = rollout(model, X, 30).state(30)
    found = response(model, X, late, 0.5, 30)
    assert found.clocked.shape == (31, 2) and torch.allclose(found.clocked, found.clocked[:1], rtol=1e-4)
    assert found.clocked[0].tolist() == pytest.approx([0.5, 0.5], rel=1e-3)


def test_perturbations_are_seeded_sized_and_leave_the_state_alone():
    model = build(SMALL)
    state = rollout(model, X, 2).state(2)
    before = state.h.clone()
    one, same, other = (response(model, X, state, 1.0, 8, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.clocked, same.clocked) and not torch.equal(one.clocked, other.clocked)
    assert not torch.equal(one.clocked, one.frozen) and torch.equal(state.h, before)
    none = response(model, X, state, 0.0, 8)
    assert not none.clocked.any() and not none.frozen_mask.any()
    huge = response(model, X, state, 1e4, 8)
    assert huge.clocked_mask.shape == (9, 2) and 0 < huge.clocked_mask.max() <= 1
    with pytest.raises(ConfigError, match="direction"):
        response(model, X, state, 1.0, direction=torch.zeros(5, 16, 16))


def test_a_perturbation_to_a_run_that_overflows_is_followed_as_far_as_it_goes():
    model = build(SMALL)
    found = response(model, X, State(0, model.initial(X)), 1.0, 60, Switches(spectrum=(10.0,), tau=0.5))
    assert 1 < len(found.clocked) < 10 and len(found.frozen) == 61
