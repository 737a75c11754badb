"""What a proof costs: a loop that contracts for every image by construction, and a free one trained alike.

Both leak (E5') and have no clock, about as many weights, the same images and updates. Of the first a factor
is proved by which any two states come closer in each step; beside it stands how fast two states really did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fbseg_core.analysis.cost import cost
from fbseg_core.analysis.equivalence import family
from fbseg_core.analysis.paired import mean_over_seeds
from fbseg_core.config import GroupingConfig, ModelConfig
from fbseg_core.experiments.common import rounded, seed_of_test, trained
from fbseg_core.experiments.records import (
    NONE,
    Experiment,
    Finding,
    Kind,
    Others,
    Panel,
    Profile,
    Row,
    Series,
)
from fbseg_core.experiments.report import answered, exact, gap, mean, over_seeds, words
from fbseg_core.experiments.settling_runs import AT_REST, course
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.experiments.thresholds import MARGIN
from fbseg_core.models.base import Contraction, Model
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.scores.evaluate import trivial_f1
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS

PROVED, FREE = "contracting", "free"
KINDS: dict[str, Kind] = {PROVED: "other", FREE: "feedback"}
LEAKY = ModelConfig(
    in_channels=2, depth=1, u=8, v=8, steps=40, integrator="leaky", norm="pixel", decay="none"
)
MODELS = {  # of about as many weights, as a test counts
    PROVED: LEAKY.replace(kind="contracting", width=11, projection="none", rho=0.95),
    FREE: LEAKY.replace(width=16),
}
STEPS = (2, 5, 10, 20, 40, 60)
TOGETHER = 20  # steps that two starts are followed for
NEAR = 1e-3  # of the first distance, below which rounding shows
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"seeds": 2, "side": 16, "updates": 2, "batch": 2, "images": 2},
    "quick": {"seeds": 2, "side": 24, "updates": 100, "batch": 8, "images": 16},
    "full": {"seeds": 8, "side": 24, "updates": 300, "batch": 8, "images": 16},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """seed × model; seeds come first."""
    grid = GRIDS[profile]
    shared = {name: grid[name] for name in ("side", "updates", "batch", "images")}
    return [{"model": name, "seed": seed, **shared} for seed in range(grid["seeds"]) for name in MODELS]


def run_of(settings: Mapping[str, Any]) -> tuple[GroupingConfig, TrainingRun]:
    """The training of a cell: the protocol "settling"."""
    task = GroupingConfig(side=settings["side"], winding=0.75 if settings["side"] > 16 else 0.25)
    names = ("updates", "batch", "seed")
    train = PROTOCOLS["settling"].replace(**{name: settings[name] for name in names})
    return task, TrainingRun(settings["model"], MODELS[settings["model"]], train)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train, and score on images of the cell's own seed.

    f1: pooled, at STEPS; rest: share of the states at rest at the last of them. factor: what is proved of a
    step, None where nothing is; together: the largest factor by which a step really brought two random starts
    closer, or apart, in the same measure of distance (that of all of h where nothing is proved), over
    TOGETHER steps and all images. trivial: of "mark every region". weights: of the model.
    """
    task, run = run_of(settings)
    model, ended = trained(task, run)
    batch = make_batch(task, settings["images"], seed_of_test(settings["seed"]), "test")
    found = course(model, batch.x, STEPS[-1])
    proved = model.contraction()
    return {
        "f1": [round(found.f1(batch.labels, t), 4) for t in STEPS],
        "rest": round(float((found.moves[-1] < AT_REST).float().mean()), 4),
        "factor": rounded(proved.factor, 6),
        "together": rounded(together(model, batch.x[:4], proved, settings["seed"]), 6),
        "trivial": round(trivial_f1(batch, model.classes), 4),
        "weights": cost(model, batch.x[:1]).parameters,
        **ended,
    }


@torch.no_grad()
def together(model: Model, x: Tensor, proved: Contraction, seed: int) -> float:
    """The largest ratio of the distances of two runs after a step and before it, until NEAR."""
    generator = torch.Generator().manual_seed(seed)
    shape = model.initial(x).shape
    runs = [
        rollout(model, x, TOGETHER, State(0, torch.randn(shape, generator=generator).to(x))).h for _ in "ab"
    ]
    apart = (runs[0] - runs[1]).double().abs().flatten(3).amax(3)  # (T+1, B, N)
    u = model.config.u
    weight = proved.weight if proved.holds else 1.0
    size = torch.maximum(apart[:, :, u:].amax(2), weight * apart[:, :, :u].amax(2))
    ratios = size[1:] / size[:-1].clamp_min(1e-30)
    return float(ratios[size[:-1] >= NEAR * size[0]].max())


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, run for as long as it is followed."""
    task, run = run_of(settings)
    return (of_run(task, run, steps=STEPS[-1]),)


def at_end(row: Row) -> float:
    """F1 at the last step."""
    return row.result["f1"][-1]


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """What the bound costs in F1, how near to the trivial answer each is, how fast states came together."""
    lost = gap(rows, at_end, {"model": PROVED}, {"model": FREE})
    (one,) = family({PROVED: lost}, MARGIN).values()
    scores = {name: mean(rows, at_end, model=name) for name in MODELS}
    trivial = mean(rows, "trivial", model=PROVED)
    factor = max(over_seeds(rows, "factor", model=PROVED))
    seen = {name: max(over_seeds(rows, "together", model=name)) for name in MODELS}
    brief = (
        f"With the proof F1 {scores[PROVED].mean:.2f}, without it {scores[FREE].mean:.2f}; marking every "
        f"region scores {trivial.mean:.2f}."
    )
    because = (
        f"F1 of the contracting loop less that of the free one: {answered(one)}. Proved: each step brings "
        f"any two states closer, to {factor:.4g} of their distance at most; in runs from random starts to "
        f"{seen[PROVED]:.4g} at most. Of the free loop nothing is proved; there a step took two states to up "
        f"to {seen[FREE]:.3g} times their distance."
    )
    return Finding("measured", because, brief, points=_points(rows))


def _points(rows: Sequence[Row]) -> list[str]:
    told = []
    for name in MODELS:
        first = next(row for row in rows if row.settings["model"] == name)
        above = gap(rows, at_end, {"model": name}, {"model": name}, other="trivial")
        told.append(
            f"{name.capitalize()}: {first.result['weights']:,} weights, F1 less that of marking every region "
            f"{words(above, sign=True)}, at rest after {STEPS[-1]} steps "
            f"{words(mean(rows, 'rest', model=name))} of the states."
        )
    settings = rows[0].settings
    told.append(
        f"Trained at {settings['side']} px with {settings['updates']} updates of {settings['batch']}: a "
        "short training, so this is what the bound costs within that budget, not what it costs in the end."
    )
    return told


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 over steps; and the factor of a step, proved and seen, seed by seed."""
    lines = []
    for name in MODELS:
        of = over_seeds(rows, "f1", model=name)
        lines.append(Series(name, KINDS[name], STEPS, tuple(map(mean_over_seeds, zip(*of)))))
    trivial = (mean(rows, "trivial", model=PROVED),) * len(STEPS)
    lines.append(Series("mark every region", "trivial", STEPS, trivial))
    found = [Panel(f"F1 over steps, {rows[0].settings['side']} px", "steps", "pooled F1", tuple(lines), "x")]
    lines = []
    for title, kind, key, name in (
        ("proved", "limit", "factor", PROVED),
        ("contracting, seen", KINDS[PROVED], "together", PROVED),
        ("free, seen", KINDS[FREE], "together", FREE),
    ):
        values = over_seeds(rows, key, model=name)
        lines.append(Series(title, kind, tuple(range(len(values))), tuple(map(exact, values))))
    found.append(Panel("distance of two states after a step, of before", "seed", "factor", tuple(lines)))
    return found


EXPERIMENT = Experiment(
    name="contraction",
    title="What a proof of contraction costs",
    claim="Can a loop be made to contract for every image, and what does that cost in F1?",
    source="open question 3, for a loop that settles",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
)
