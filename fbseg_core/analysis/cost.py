"""What a model costs: multiply-adds counted, milliseconds measured on the machine at hand."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from fbseg_core.dynamics import Model


@dataclass(frozen=True)
class Cost:
    """Of one image batch: parameters; multiply-adds once a rollout (prepare), in a step, and in the readout.

    step_ms: median milliseconds of one step on this machine, readout not included.
    """

    parameters: int
    prepare_macs: int
    step_macs: int
    readout_macs: int
    step_ms: float


@torch.no_grad()
def cost(model: Model, x: Tensor, repeats: int = 7) -> Cost:
    """Count and time a model on images x (B, C, H, W). A loop-cut or plain model does its work in prepare."""
    h, prepared = model.initial(x), model.prepare(x)
    whole_in_prepare = model.config.kind != "feedback"

    def step() -> object:
        if whole_in_prepare:
            return model.prepare(x)
        return model.step(x, h, 0, prepared=prepared)

    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        taken.append(time.perf_counter() - start)
    return Cost(
        parameters=sum(weight.numel() for weight in model.parameters()),
        prepare_macs=_macs(lambda: model.prepare(x)),
        step_macs=_macs(lambda: model.step(x, h, 0, prepared=prepared)),
        readout_macs=_macs(lambda: model.readout(h)),
        step_ms=1000 * statistics.median(taken),
    )


def _macs(work) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() // 2  # the counter takes a multiply-add for two operations
