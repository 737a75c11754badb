"""What a model costs: multiply-adds counted, milliseconds measured on the machine at hand.

With the loop closed the work recurs in every step. A feedforward model, or one whose loop is cut, does all of
it in one pass, however many steps follow.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from fbseg_core.config import Switches
from fbseg_core.device import wait
from fbseg_core.models.base import AS_BUILT, Model


@dataclass(frozen=True)
class Cost:
    """Of one image batch: parameters; multiply-adds once a rollout (prepare), in a step, and in the readout.

    recurs: whether the work is done in every step; else it is done in one pass, which is `prepare`.
    """

    parameters: int
    prepare_macs: int
    step_macs: int
    readout_macs: int
    recurs: bool

    @property
    def unit_macs(self) -> int:
        """Multiply-adds of one step, or of the one pass."""
        return self.step_macs if self.recurs else self.prepare_macs

    def run_macs(self, steps: float, readouts: float = 1) -> float:
        """Multiply-adds of a run of so many steps."""
        return self.prepare_macs + steps * self.step_macs + readouts * self.readout_macs


@dataclass(frozen=True)
class Timings:
    """Milliseconds of one step, or of the one pass, readout not included: each timing in its order."""

    milliseconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


@torch.no_grad()
def cost(model: Model, x: Tensor, switches: Switches = AS_BUILT) -> Cost:
    """Count a model on images x (B, C, H, W)."""
    x = x.to(model.device)
    h, prepared = model.initial(x), model.prepare(x, switches)
    return Cost(
        parameters=sum(weight.numel() for weight in model.parameters()),
        prepare_macs=_macs(lambda: model.prepare(x, switches)),
        step_macs=_macs(lambda: model.step(x, h, 0, switches=switches, prepared=prepared)),
        readout_macs=_macs(lambda: model.readout(h)),
        recurs=model.has_loop(switches),
    )


@torch.no_grad()
def timings(model: Model, x: Tensor, switches: Switches = AS_BUILT, repeats: int = 9) -> Timings:
    """Time a model's step, or its one pass, on images x (B, C, H, W), after one run to warm up."""
    x = x.to(model.device)
    h, prepared = model.initial(x), model.prepare(x, switches)

    def work() -> object:
        if model.has_loop(switches):
            return model.step(x, h, 0, switches=switches, prepared=prepared)
        return model.prepare(x, switches)

    work()
    wait(model.device)
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        wait(model.device)
        taken.append(1000 * (time.perf_counter() - start))
    return Timings(tuple(taken))


def multiply_adds(work: Callable[[], object]) -> int:
    """Multiply-adds of whatever `work` computes, gradients that it takes included; by torch's formulas."""
    return _macs(work)


def _macs(work: Callable[[], object]) -> int:
    with _Counter() as counter:
        work()
    return counter.flops // 2  # torch takes a multiply-add for two operations


class _Counter(TorchDispatchMode):
    """Operations by torch's own formulas, as torch's FlopCounterMode counts them.

    That one loads torch's compiler, which nothing here needs and the first visitor of a server waited for.
    """

    flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # there is nothing to skip, and to skip it would load it

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func.overloadpacket):
            self.flops += count(*args, **(kwargs or {}), out_val=found)
        return found
