"""What a step and an update cost, in time and memory, as images, trajectories and networks grow.

Times are measured, so measuring again gives other numbers: run the grid with one job on a machine that has
nothing else to do. They are the process's own CPU time, on one thread the same as the clock's there, which
others on the machine disturb least. Memory is counted in tensors (analysis/allocated.py) and always the same.
Every cell builds its model anew, for one image, and takes the median of `repeats` timings after a warm-up.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from fbseg_core.analysis.allocated import peak_bytes
from fbseg_core.analysis.paired import Difference, mean_over_seeds
from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.experiments.records import NONE, Experiment, Finding, Others, Panel, Profile, Row, Series
from fbseg_core.experiments.report import mean, over_seeds, words
from fbseg_core.experiments.subject import Subject
from fbseg_core.experiments.thresholds import LARGER, LINEAR
from fbseg_core.models.base import Model
from fbseg_core.models.registry import build
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.training.fit import make_optimiser
from fbseg_core.training.losses import losses_of, objective

AXES = {"side": "side of the image, px", "steps": "steps T", "width": "width of the U-Net, channels"}
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {
        "side": (16, 24), "steps": (1, 2), "width": (1, 2), "base": (16, 1, 1), "seeds": 2, "repeats": 1,
    },
    "quick": {
        "side": (32, 64, 128), "steps": (2, 5, 10), "width": (4, 8, 16), "base": (64, 5, 8), "seeds": 2,
        "repeats": 3,
    },
    "full": {
        "side": (32, 64, 128, 256), "steps": (2, 5, 10, 20), "width": (4, 8, 16, 32), "base": (64, 5, 8),
        "seeds": 8, "repeats": 5,
    },
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """repeat of all ("seed") × what varies × its sizes, the other two at their base."""
    grid = GRIDS[profile]
    base = dict(zip(AXES, grid["base"]))
    return [
        {"vary": axis, **base, axis: size, "repeats": grid["repeats"], "seed": seed}
        for seed in range(grid["seeds"])
        for axis in AXES
        for size in grid[axis]
    ]


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Milliseconds of one step, of T steps with their readout, and of one update over T steps; peak MB of
    the latter two."""
    (subject,) = subjects(settings)
    model = build(subject.model).eval()
    batch = make_batch(subject.task, 1, settings["seed"]).to(model.device)
    works = _works(model, batch, settings["steps"])
    found = {f"{name}_ms": _milliseconds(work, settings["repeats"]) for name, work in works.items()}
    found |= {f"{name}_mb": peak_bytes(works[name]) / 1e6 for name in ("inference", "update")}
    return {key: float(f"{value:.5g}") for key, value in found.items()}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, whose weights do not matter."""
    model = ModelConfig(width=settings["width"], steps=settings["steps"])
    return (Subject(ShapesConfig(side=settings["side"]), model, model.steps, None, None),)


def _works(model: Model, batch: Batch, steps: int) -> dict[str, Callable[[], object]]:
    x, h = batch.x, model.initial(batch.x)
    prepared = model.prepare(x).detach()
    train = TrainConfig(lr=0.0)
    optimiser = make_optimiser(model, train)

    @torch.no_grad()
    def step() -> object:
        return model.step(x, h, 0, prepared=prepared)

    @torch.no_grad()
    def inference() -> object:
        return model(x, steps)

    def update() -> None:
        optimiser.zero_grad(set_to_none=True)
        objective(losses_of(model, batch, steps).losses, train).backward()
        optimiser.step()

    return {"step": step, "inference": inference, "update": update}


def _milliseconds(work: Callable[[], object], repeats: int) -> float:
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return 1000 * statistics.median(taken)


def power(x: Sequence[float], y: Sequence[float]) -> float:
    """The exponent k of y ∝ x^k by least squares in log-log, over the LARGER largest x (ascending)."""
    slope, _ = np.polyfit(np.log(x[-LARGER:]), np.log(y[-LARGER:]), 1)
    return round(float(slope), 9) + 0.0  # no -0.0 of rounding where nothing grows


def exponent(rows: Sequence[Row], axis: str, key: str) -> Difference:
    """The exponent in which a cost grows along an axis, fitted in each repeat: mean and interval."""
    sizes = _sizes(rows, axis)
    costs = zip(*(over_seeds(rows, key, vary=axis, **{axis: size}) for size in sizes))
    return mean_over_seeds([power(sizes, of_one) for of_one in costs])


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """Time and memory along each axis, both logarithmic; names carry the fitted exponents."""
    found = []
    for unit, y, names in (
        ("ms", "time, ms", ("step", "inference", "update")),
        ("mb", "peak memory in tensors, MB", ("inference", "update")),
    ):
        for axis, label in AXES.items():
            sizes = _sizes(rows, axis)
            lines = []
            for name in names:
                key = f"{name}_{unit}"
                costs = tuple(mean(rows, key, vary=axis, **{axis: size}) for size in sizes)
                title = f"{name}, exponent {exponent(rows, axis, key).mean:.2f}"
                lines.append(Series(title, "feedback" if name == "inference" else "other", sizes, costs))
            found.append(
                Panel(f"{y.split(',')[0]} against {label.split(',')[0]}", label, y, tuple(lines), "xy")
            )
    return found


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Is inference time linear in T, its exponent equal to 1 within LINEAR?

    Reproduced where two one-sided tests at 5 % say so; not reproduced where one says that it lies farther
    off; undecided otherwise, as with too few repeats for an interval.
    """
    linear = exponent(rows, "steps", "inference_ms")

    def of(axis: str, name: str) -> str:
        return words(exponent(rows, axis, name))

    because = (
        f"The time of T steps grows as T to the power {words(linear)}; linear is 1, to within {LINEAR:g}. "
        f"The memory that a training update needs grows as T to the power {of('steps', 'update_mb')}."
    )
    points = [
        f"The time of a training update grows as T to the power {of('steps', 'update_ms')}, peak memory of "
        f"inference as {of('steps', 'inference_mb')}.",
        f"With the image's side one step's time grows as {of('side', 'step_ms')} and an update's memory as "
        f"{of('side', 'update_mb')}; with the width as {of('width', 'step_ms')} and "
        f"{of('width', 'update_mb')}.",
    ]
    low, high = linear.inner
    if low > 1 - LINEAR and high < 1 + LINEAR:
        return Finding("reproduced", because, "Twice the steps take twice the time.", points=points)
    if low > 1 + LINEAR or high < 1 - LINEAR:
        brief = f"Twice the steps take {2**linear.mean:.1f} times the time."
        return Finding("not reproduced", because, brief, points=points)
    brief = "Twice the steps take about twice the time; the repeats spread too far to say it closer."
    return Finding("undecided", because, brief, points=points)


def _sizes(rows: Sequence[Row], axis: str) -> tuple[int, ...]:
    return tuple(sorted({row.settings[axis] for row in rows if row.settings["vary"] == axis}))


EXPERIMENT = Experiment(
    name="scale",
    title="What it costs",
    claim="Computational overhead: the recurrent loop increases inference time linearly with refinement "
    "steps.",
    source="section 6, limitations",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    over="repeats",
    exact=False,
)
