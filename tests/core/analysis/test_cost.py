"""What a model costs: counted as torch's own counter does."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fbseg_core.analysis.cost import cost
from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import build

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=3)


@pytest.mark.parametrize(
    "model",
    [SMALL.replace(kind=kind) for kind in ("feedback", "loop_cut", "unrolled", "feedforward")]
    + [SMALL.replace(spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3))],  # a step then multiplies matrices, too
)
def test_multiply_adds_are_half_of_what_torch_counts(model):
    network, x = build(model), torch.zeros(2, 3, 16, 16)
    found = cost(network, x)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        h, prepared = network.initial(x), network.prepare(x)
        network.step(x, h, 0, prepared=prepared)
        network.readout(h)
    assert 2 * (found.prepare_macs + found.step_macs + found.readout_macs) == counter.get_total_flops() > 0
