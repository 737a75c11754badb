"""The paper's Figure 6: softmax and decay taken away one by one, in training or only afterwards.

Trained without a mechanism and switched off at inference are two questions, so both are asked. A third grid
trains without the instance norm of δ (E3) as well: with it ‖δ‖ is pinned, so a run without decay can drift
but not blow up, and what the paper calls divergence might be hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fbseg_core.analysis.probes import ABLATIONS
from fbseg_core.config import ShapesConfig, Switches, TaskConfig, pixel_sigma
from fbseg_core.experiments.common import observe, rounded, seed_of_test, setup_of, trained_with_norms
from fbseg_core.experiments.records import (
    NONE,
    Experiment,
    Finding,
    Listed,
    Others,
    Panel,
    Profile,
    Row,
    Series,
)
from fbseg_core.experiments.report import geometric_mean, mean, over_seeds, words
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.experiments.thresholds import CLIPPED, MOST
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import TrainingRun, few_shot

BOTH, NO_DECAY, NO_SOFTMAX, _ = ABLATIONS
QUIET = ("settled", "switched off", "over-smoothed")
HOW = {  # name -> (δ normalised, mechanisms taken away in training; else at inference)
    "trained without": (True, True),
    "switched off at inference": (True, False),
    "trained without, δ not normalised": (False, True),
}
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"seeds": 1, "side": 16, "images": 2, "updates": 2, "steps": 12, "products": 0},
    "quick": {"seeds": 2, "side": 32, "images": 10, "updates": 0, "steps": 30, "products": 90},
    "full": {"seeds": 8, "side": 64, "images": 10, "updates": 0, "steps": 30, "products": 90},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """δ normalised × mechanisms in training × seed: single shapes under the paper's protocol, paper sigma 4.

    The model trained with both is measured in all four ways, so its cell holds what is switched off.
    """
    grid = GRIDS[profile]
    return [
        {
            "delta_norm": delta_norm, "trained": trained, "seed": seed, "examples": 10, "paper_sigma": 4.0,
            "steps": grid["steps"], "side": grid["side"], "images": grid["images"],
            "updates": grid["updates"], "products": grid["products"] if delta_norm else 0,
        }
        for delta_norm in (True, False)
        for trained in ABLATIONS
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The task and the run of a cell."""
    side = settings["side"]
    task = ShapesConfig(side=side, sigma=pixel_sigma(settings["paper_sigma"], side))
    setup = setup_of(settings, "paper").replace(**ABLATIONS[settings["trained"]])
    task, run, _ = few_shot(task, setup)
    return task, TrainingRun(run.name, run.model.replace(delta_norm=settings["delta_norm"]), run.train)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one model, and run it as it was trained; the one trained with both in all four ways.

    gradient: the largest finite gradient norm; above: share of updates whose norm exceeds 1 or is not
    finite. at: by name of ABLATIONS, as in `observe`.
    """
    task, run = run_of(settings)
    model, ended, norms = trained_with_norms(task, run)
    batch = make_batch(task, settings["images"], seed_of_test(settings["seed"]), "test")
    return ended | {
        "gradient": rounded(max((norm for norm in norms if np.isfinite(norm)), default=np.nan)),
        "above": rounded(np.mean([not norm <= CLIPPED for norm in norms])),
        "at": {
            name: observe(model, batch, settings["steps"], Switches(**on), settings["products"])
            for name, on in _ways(settings).items()
        },
    }


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, in each way that it is run."""
    task, run = run_of(settings)
    steps = settings["steps"]
    return [of_run(task, run, steps, Switches(**on)) for on in _ways(settings).values()]


def _ways(settings: Mapping[str, Any]) -> Mapping[str, dict[str, bool]]:
    """The ways in which the model of a cell is run: name of ABLATIONS to what is switched at inference."""
    trained = settings["trained"]
    return ABLATIONS if trained == BOTH and settings["delta_norm"] else {trained: {}}


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 and ‖h‖ over t for each way of taking away; gradient norms and radii over the four conditions."""
    steps = tuple(range(rows[0].settings["steps"] + 1))
    found = []
    for how in HOW:
        scores, sizes = [], []
        for name in ABLATIONS:
            kind = "feedback" if name == BOTH else "other"
            f1 = tuple(mean(rows, _of(name, "f1", t), **_wanted(how, name)) for t in steps)
            scores.append(Series(name, kind, steps, f1))
            norms = [over_seeds(rows, _of(name, "norm", t), **_wanted(how, name)) for t in steps[1:]]
            sizes.append(_sizes(name, kind, steps[1:], norms))
        found.append(Panel(f"F1, {how}", "t", "pooled F1", tuple(scores)))
        found.append(Panel(f"Size of the state, {how}", "t", "‖h‖", tuple(sizes), logs="y"))
    names, lines = tuple(ABLATIONS), []
    for how in ("trained without", "trained without, δ not normalised"):
        norms = [over_seeds(rows, "gradient", **_wanted(how, name)) for name in names]
        lines.append(_sizes(how, "feedback" if HOW[how][0] else "other", names, norms))
    found.append(Panel("Largest gradient norm in training", "", "gradient norm", tuple(lines), logs="y"))
    lines = []
    for how in list(HOW)[:2]:  # the third is measured without: each radius takes some 60 products
        for key, clock in (("radius", "clock held at the end"), ("undamped", "undamped")):
            radii = [over_seeds(rows, _of(name, key), **_wanted(how, name)) for name in names]
            lines.append(_sizes(f"{how}, {clock}", "feedback" if key == "radius" else "other", names, radii))
    found.append(Panel("Spectral radius of a step at the end", "", "largest |λ|", tuple(lines), logs="y"))
    drawn = [replace(panel, series=tuple(line for line in panel.series if line.x)) for panel in found]
    return [panel for panel in drawn if panel.series]


def _sizes(name: str, kind, x: tuple, values: Sequence[Sequence[float | None]]) -> Series:
    """Geometric means of the seeds that have a number, at each x that has one for at least half of them."""
    kept = [_finite(each) for each in values]
    there = [i for i, each in enumerate(kept) if 2 * len(each) >= len(values[i]) and each]
    return Series(name, kind, tuple(x[i] for i in there), tuple(geometric_mean(kept[i]) for i in there))


def _finite(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _wanted(how: str, name: str) -> dict[str, Any]:
    """The settings of the rows that answer for a condition."""
    normalised, trained = HOW[how]
    return {"delta_norm": normalised, "trained": name if trained else BOTH}


def _of(name: str, key: str, t: int | None = None):
    """What reads that off a row, at step t where it goes by steps."""
    return lambda row: row.result["at"][name][key] if t is None else row.result["at"][name][key][t]


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Which mechanisms does convergence need?

    A run has settled if its state stands still over the second half, for whatever reason, on most images; a
    condition, if most seeds have. A mechanism is required if with it alone taken away the model settles
    neither trained so nor switched so. Reproduced: both are. Partly: one is. Explained by the normalisation
    of δ: none is, but some is when trained without that. Not reproduced: none is, or the model does not
    settle with both.
    """
    k, steps = len({row.settings["seed"] for row in rows}), rows[0].settings["steps"]
    early = steps // 3

    def count(how: str, name: str, verdicts: Sequence[str] = QUIET, key: str = "states") -> int:
        found = over_seeds(rows, _of(name, key), **_wanted(how, name))
        return sum(sum(each.get(word, 0) for word in verdicts) > sum(each.values()) / 2 for each in found)

    def required(*ways: str) -> list[str]:
        alone = {"softmax": NO_SOFTMAX, "decay": NO_DECAY}
        return [what for what, name in alone.items() if all(count(how, name) <= MOST * k for how in ways)]

    def growth(how: str, name: str) -> str:
        ends = [over_seeds(rows, _of(name, "norm", t), **_wanted(how, name)) for t in (early, steps)]
        if None in ends[1]:
            return f"{ends[1].count(None)} overflow"
        return f"‖h‖ × {geometric_mean([b / a for a, b in zip(*ends)]).mean:.2g}"

    def told(how: str, name: str) -> str:
        f1, later = (mean(rows, _of(name, "f1", t), **_wanted(how, name)) for t in (early, steps))
        settled = f"{count(how, name)} and {count(how, name, key='masks')}"
        with_what = name.replace(", ", " and ")
        return f"with {with_what} {settled}, {growth(how, name)}, F1 {words(f1)} and {later.mean:.2f}"

    def median(of: Callable[[str], Any]) -> str:
        each = (_finite(over_seeds(rows, of(name), **_wanted(plain, name))) for name in ABLATIONS)
        return ", ".join(f"{np.median(values):.3g}" if values else "none" for values in each)

    plain, switched, free = HOW
    needed = required(plain, switched)
    blown = sum(count(how, name, ("diverging",)) for how in HOW for name in ABLATIONS)
    stopped = sum(row.result["stopped"] is not None for row in rows)
    because = (
        f"Of {k} seeds the state settles in {count(plain, BOTH)} when trained with both, in "
        f"{count(plain, NO_SOFTMAX)} without softmax and in {count(plain, NO_DECAY)} without decay. "
        f"{blown} of {4 * len(HOW) * k} runs grow exponentially."
    )
    points = [
        f"Required to settle: {' and '.join(needed) or 'neither'}.",
        *(
            Listed(
                f"{how.capitalize()}: seeds of {k} whose state and whose mask settle, growth of ‖h‖ from t = "
                f"{early} to {steps}, F1 at both",
                tuple(told(how, name) for name in ABLATIONS),
            )
            for how in HOW
        ),
        Listed(
            f"Medians of models {plain}, in that order",
            (
                f"largest gradient norm {median(lambda name: 'gradient')}",
                "undamped spectral radius at the end, as found from one start vector on one image, "
                f"{median(lambda name: _of(name, 'undamped'))}",
            ),
        ),
        f"{stopped} of {len(rows)} trainings overflow.",
    ]
    if count(plain, BOTH) <= MOST * k:
        brief = "The state does not come to rest even with both."
        return Finding("not reproduced", because, brief, points=points)
    if not (needed or required(free)):
        brief = "The state comes to rest with either taken away."
        return Finding("not reproduced", because, brief, points=points)
    if not needed:
        brief = "The state needs one of them only where its correction is not normalised."
        return Finding("explained by", because, brief, "the normalisation of δ", points)
    if len(needed) == 1:
        (other,) = {"softmax", "decay"} - set(needed)
        brief = f"To come to rest the state needs the {needed[0]}, not the {other}."
        return Finding("partly", because, brief, points=points)
    return Finding("reproduced", because, "To come to rest the state needs both.", points=points)


EXPERIMENT = Experiment(
    name="ablation",
    title="Without softmax or decay",
    claim="Stability mechanisms (softmax and decay) are strictly required for convergence: removing them "
    "makes the internal state diverge or fluctuate, even if accuracy temporarily holds.",
    source="mechanism 2, section 6, Figure 6",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
)
