"""Products of a Jacobian: against known matrices, from several threads, and without PyTorch's compiler."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from fbseg_core.analysis.jacobian import lyapunov
from fbseg_core.analysis.tangents import Linearised
from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import build


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_linear_map_is_its_own_jacobian_both_ways():
    matrix, w = drawn(3, 5), drawn(5, seed=1)
    one = Linearised(lambda h: matrix @ h, torch.ones(5, dtype=torch.float64))
    assert torch.equal(one.value, matrix @ torch.ones(5, dtype=torch.float64))
    assert torch.allclose(one.push(w), matrix @ w) and torch.allclose(one.push(2 * w), 2 * matrix @ w)
    assert torch.allclose(one.pull(w[:3]), matrix.T @ w[:3])


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_a_step_is_linearised_as_its_dense_jacobian_says(norm):
    model = build(ModelConfig(width=2, depth=1, u=1, v=2, norm=norm), 0).double().eval()
    x, h = drawn(1, 3, 4, 4), drawn(1, 3, 4, 4, seed=1)

    def step(h):
        return model.step(x, h, 2).h_next

    dense = torch.autograd.functional.jacobian(step, h).reshape(h.numel(), h.numel())
    one, w = Linearised(step, h), drawn(*h.shape, seed=2)
    assert torch.allclose(one.push(w).ravel(), dense @ w.ravel(), rtol=1e-9)
    assert torch.allclose(one.pull(w).ravel(), dense.T @ w.ravel(), rtol=1e-9)


@pytest.mark.parametrize("f", [lambda h: torch.ones(3), lambda h: torch.ones(3) + 0 * h.sum()])
def test_a_map_that_forgets_its_argument_moves_nothing(f):
    one = Linearised(f, torch.ones(2))
    assert one.push(torch.ones(2)).tolist() == [0, 0, 0] and one.pull(torch.ones(3)).tolist() == [0, 0]


def test_visitors_who_ask_at_once_get_what_each_gets_alone():
    model = build(ModelConfig(width=4, depth=1, u=2, v=3), 0).eval()
    images = torch.randn(8, 1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    alone = [lyapunov(model, x, steps=12).rates.tolist() for x in images]
    with ThreadPoolExecutor(8) as threads:
        at_once = list(threads.map(lambda x: lyapunov(model, x, steps=12).rates.tolist(), images))
    assert at_once == alone


def test_local_stability_does_without_the_compiler_of_pytorch():
    program = """
import sys, torch
from fbseg_core import ModelConfig, State, build
from fbseg_core.analysis.jacobian import leading_eigenvalues, lyapunov
from fbseg_core.analysis.stretch import stretch
model, x = build(ModelConfig(width=4, depth=1, u=2, v=3), 0).eval(), torch.randn(1, 3, 8, 8)
at = State(0, model.initial(x))
leading_eigenvalues(model, x, at, 2, most=30), lyapunov(model, x, steps=3), stretch(model, x, at, spans=(2,))
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
