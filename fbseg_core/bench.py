"""Speed and memory as ratios taken in one run, which hold on any machine.

Both sides of a ratio are timed in turns, so that whatever else the machine does slows both; medians are
compared. Peak memory is that of a fresh process, less what it held before the work began.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.device import wait
from fbseg_core.models.base import Model
from fbseg_core.models.registry import build
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.tasks.batches import Batches
from fbseg_core.training.fit import make_optimiser
from fbseg_core.training.losses import losses_of, objective

BATCH = 8
CPU = torch.device("cpu")
T = 5
SCORED = {"images": 64, "side": 512, "steps": 30}  # what `evaluate` must be able to score in little memory
SCORED_GOAL = 1000  # MB


@dataclass(frozen=True)
class Measurement:
    """One figure: what was measured, its value, and the goal it should not exceed, if it has one."""

    name: str
    value: float
    unit: str = ""
    goal: float | None = None

    def __str__(self) -> str:
        goal = f"   goal ≤ {self.goal:g}" if self.goal is not None else ""
        return f"{self.name:<62}{self.value:>9.3f} {self.unit:<3}{goal}"


def bench(
    side: int = 64, width: int = 8, repeats: int = 15, scored_width: int = 1, device: torch.device = CPU
) -> Iterator[Measurement]:
    """Measure one after the other; each figure is yielded as soon as it is known.

    scored_width: of the model that scores 64 images of 512 px. Its time grows with the width; what is
    measured is the memory of scoring against that of one step. Memory is the host's, wherever the model is.
    """
    feedback, feedforward = (model.to(device) for model in _models(width))
    one, batch = _batch(side, 1, device), _batch(side, BATCH, device)
    step, one_pass = _step(feedback, one), _pass(feedforward, one)
    a, b = _times([step, one_pass], repeats * 4, device)
    yield Measurement("feedback step / feedforward pass of the same backbone", a / b, goal=1.05)
    a, b = _times([_update(feedback, batch, T), _update(feedforward, batch, 1)], repeats, device)
    yield Measurement(f"training update at T = {T} / {T} feedforward updates", a / (T * b), goal=1.10)
    a, b = _times([_update(feedback, batch, 20), _update(feedback, batch, 5)], max(repeats // 3, 3), device)
    yield Measurement("training update at T = 20 / at T = 5", a / b, goal=4.2)
    left = torch.ones(1024, 1024, device=device)
    (product,) = _times([lambda: left @ left], repeats, device)
    peak = 2 * 1024**3 / product
    for name, work in (
        ("feedback step, 1 image", step),
        (f"feedback step, {BATCH} images", _step(feedback, batch)),
        (f"training update, T = {T}, {BATCH} images", _update(feedback, batch, T)),
    ):
        (seconds,) = _times([work], repeats, device)
        yield Measurement(f"{name}: share of matrix-product peak", 100 * _flops(work) / seconds / peak, "%")
    for name in _WORK:
        yield Measurement(f"{name}: peak memory", _peak_memory(name, side, width), "MB")
    name = "evaluate, {images} images of {side} × {side} px, T = {steps}".format(**SCORED)
    peak = _peak_memory(_SCORING, SCORED["side"], scored_width, repeats=1)
    yield Measurement(f"{name}: peak memory", peak, "MB", SCORED_GOAL)


def _models(width: int) -> tuple[Model, Model]:
    """A feedback and a feedforward model whose backbones put out equally many channels."""
    config = ModelConfig(width=width)
    plain = config.replace(kind="feedforward", u=config.u + config.v)
    return build(config).eval(), build(plain).eval()


def _batch(side: int, n: int, device: torch.device = CPU) -> Batch:
    return make_batch(ShapesConfig(side=side), n, 0).to(device)


def _scoring(side: int, width: int) -> Callable[[], object]:
    """Score images that are drawn as they are read; at width 1 by the smallest loop there is."""
    config = ModelConfig(width=width) if width > 1 else ModelConfig(width=1, depth=0, u=2, v=2)
    model, images = build(config), Batches(ShapesConfig(side=side), SCORED["images"], 0)
    return lambda: evaluate(model, images, SCORED["steps"])


def _step(model: Model, batch: Batch) -> Callable[[], object]:
    prepared, h = model.prepare(batch.x).detach(), model.initial(batch.x)

    def step() -> object:
        with torch.no_grad():
            return model.step(batch.x, h, 0, prepared=prepared)

    return step


def _pass(model: Model, batch: Batch) -> Callable[[], object]:
    def one_pass() -> object:
        with torch.no_grad():
            return model(batch.x)

    return one_pass


def _update(model: Model, batch: Batch, steps: int) -> Callable[[], object]:
    train = TrainConfig(lr=0.0)
    optimiser = make_optimiser(model, train)

    def update() -> None:
        optimiser.zero_grad(set_to_none=True)
        objective(losses_of(model, batch, steps).losses, train).backward()
        optimiser.step()

    return update


def _times(works: list[Callable[[], object]], repeats: int, device: torch.device) -> list[float]:
    """Median seconds of each, run in turns, after a warm-up of two."""
    seconds: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 2):
        for work, taken in zip(works, seconds):
            start = time.perf_counter()
            work()
            wait(device)
            if turn >= 2:
                taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in seconds]


def _flops(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


_WORK: dict[str, Callable[[int, int], Callable[[], object]]] = {
    "feedback step, 1 image": lambda side, width: _step(_models(width)[0], _batch(side, 1)),
    "feedforward pass, 1 image": lambda side, width: _pass(_models(width)[1], _batch(side, 1)),
    f"feedforward update, {BATCH} images": lambda s, w: _update(_models(w)[1], _batch(s, BATCH), 1),
    f"feedback update, T = 5, {BATCH} images": lambda s, w: _update(_models(w)[0], _batch(s, BATCH), 5),
    f"feedback update, T = 20, {BATCH} images": lambda s, w: _update(_models(w)[0], _batch(s, BATCH), 20),
}
_SCORING = "evaluate"


def _peak_memory(name: str, side: int, width: int, repeats: int = 3) -> float:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure_memory, (name, side, width, repeats))


def _measure_memory(name: str, side: int, width: int, repeats: int) -> float:
    """Rise of this process's resident memory over the work, at its peak, in MB; NaN where not on Linux."""
    torch.set_num_threads(1)
    work = _scoring(side, width) if name == _SCORING else _WORK[name](side, width)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
        before = _resident("VmRSS")
        for _ in range(repeats):
            work()
        return (_resident("VmHWM") - before) / 1024
    except OSError:
        return math.nan


def _resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))
