"""Jacobian-vector products from several threads at once."""

from concurrent.futures import ThreadPoolExecutor

import torch

from fbseg_core.analysis.jacobian import lyapunov
from fbseg_core.analysis.tangents import pushed
from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import build


def test_a_linear_map_is_its_own_jacobian():
    matrix, w = torch.randn(5, 5, generator=torch.Generator().manual_seed(0)), torch.arange(5.0)
    assert torch.allclose(pushed(lambda h: matrix @ h, torch.ones(5), w), matrix @ w)


def test_visitors_who_ask_at_once_get_what_each_gets_alone():
    model = build(ModelConfig(width=4, depth=1, u=2, v=3), 0).eval()
    images = torch.randn(8, 1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    alone = [lyapunov(model, x, steps=12).rates.tolist() for x in images]
    with ThreadPoolExecutor(8) as threads:
        at_once = list(threads.map(lambda x: lyapunov(model, x, steps=12).rates.tolist(), images))
    assert at_once == alone
