"""The paper's Figure 4: F1 against noise, for models trained at each σ, and at one σ and tested at others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fbseg_core.config import ShapesConfig, TaskConfig, pixel_sigma
from fbseg_core.experiments.common import score_at, setup_of, trained
from fbseg_core.experiments.limit import limit_at, limit_series
from fbseg_core.experiments.records import NONE, Experiment, Finding, Others, Panel, Profile, Row, Series
from fbseg_core.experiments.report import exact, gap, mean, words
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.training.fewshot import TrainingRun, few_shot

ONE = 4.0  # paper sigma of the models that are tested at all others
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"sigmas": (0.0, ONE), "seeds": 2, "side": 16, "images": 8, "updates": 2},
    "quick": {"sigmas": (2.0, ONE, 8.0), "seeds": 2, "side": 64, "images": 100, "updates": 0},
    "full": {
        "sigmas": (0.0, 1.0, 2.0, ONE, 6.0, 8.0, 10.0), "seeds": 8, "side": 64, "images": 200, "updates": 0,
    },
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """protocol × paper sigma in training × model × seed, ten examples; tested at `tests`."""
    grid = GRIDS[profile]
    return [
        {
            "protocol": protocol, "paper_sigma": sigma, "model": model, "seed": seed, "examples": 10,
            "tests": list(grid["sigmas"]) if sigma == ONE else [sigma],
            "side": grid["side"], "images": grid["images"], "updates": grid["updates"],
        }
        for protocol in ("paper", "matched")
        for sigma in grid["sigmas"]
        for model in ("feedback", "feedforward")
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The task, at the noise of training, and the run of a cell."""
    task = ShapesConfig(side=settings["side"], sigma=_sigma(settings, settings["paper_sigma"]))
    task, *runs = few_shot(task, setup_of(settings, settings["protocol"]))
    (run,) = (run for run in runs if run.name == settings["model"])
    return task, run


def _sigma(settings: Mapping[str, Any], paper_sigma: float) -> float:
    return pixel_sigma(paper_sigma, settings["side"])


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one model at one noise and score it, with its controls, at each of `tests` (paper sigma)."""
    task, run = run_of(settings)
    model, last = trained(task, run)
    at = {
        f"{sigma:g}": score_at(model, task.replace(sigma=_sigma(settings, sigma)), settings["images"])
        for sigma in settings["tests"]
    }
    return {"at": at, "loss": last["loss"], "updates": last["updates"], "stopped": last["stopped"]}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell at each noise that it is tested at."""
    task, run = run_of(settings)
    one = of_run(task, run)
    return [replace(one, task=task.replace(sigma=_sigma(settings, sigma))) for sigma in settings["tests"]]


MODELS: tuple[dict[str, Any], ...] = ({"model": "feedback"}, {"model": "feedforward"})


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 against noise: trained at the noise of the test, and trained at paper sigma 4 alone."""
    return [
        _panel(rows, others, protocol, transfer)
        for transfer in (False, True)
        for protocol in ("paper", "matched")
    ]


def _panel(rows: Sequence[Row], others: Others, protocol: str, transfer: bool) -> Panel:
    sigmas = sorted({row.settings["paper_sigma"] for row in rows})

    def series(name: str, kind, model: str, key: str) -> Series:
        y = [
            mean(
                rows, _at(sigma, key), protocol=protocol, model=model, paper_sigma=ONE if transfer else sigma
            )
            for sigma in sigmas
        ]
        return Series(name, kind, tuple(sigmas), tuple(y))

    lines = [
        series("feedback", "feedback", "feedback", "f1"),
        series("feedback at t = 1", "other", "feedback", "f1_first"),
        series("feedback, loop cut at inference", "loop cut", "feedback", "f1_cut"),
        series("feedforward", "feedforward", "feedforward", "f1"),
    ]
    if protocol == "paper":  # the one with batch norm
        lines.append(series("feedforward, the test batch's statistics", "other", "feedforward", "f1_batch"))
    lines += limit_series(rows[0].settings["side"], sigmas, sigmas, others)
    chance = [exact(_at(sigma, "chance")(_of(rows, sigma))) for sigma in sigmas]
    lines.append(Series("chance", "chance", tuple(sigmas), tuple(chance)))
    trained = f"trained at paper sigma {ONE:g} alone" if transfer else "trained at the noise of the test"
    return Panel(f"{protocol} protocol, {trained}", "paper sigma of the test", "pooled F1", tuple(lines))


def _at(sigma: float, key: str):
    return lambda row: row.result["at"][f"{sigma:g}"][key]


def _of(rows: Sequence[Row], sigma: float) -> Row:
    return next(row for row in rows if f"{sigma:g}" in row.result["at"])


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Where noise is strongest (6 and more): a gap as the paper trains, and with equal training?"""
    sigmas = sorted({row.settings["paper_sigma"] for row in rows})
    high = [sigma for sigma in sigmas if sigma >= 6] or sigmas[-1:]
    limit = limit_at(rows[0].settings["side"], others)
    held, holding, equal, because, brief = [], [], [], [], ""
    for sigma in high:
        same = {"paper_sigma": sigma}
        pair = [mean(rows, _at(sigma, "f1"), protocol="paper", **same, **model) for model in MODELS]
        gaps = [
            gap(rows, _at(sigma, "f1"), *MODELS, protocol=protocol, **same)
            for protocol in ("paper", "matched")
        ]
        held.append(gaps[0].low > 0)
        holding.append(pair[0].mean >= 0.5)
        equal.append(gaps[1].low <= 0)
        because.append(
            f"Paper sigma {sigma:g}: feedback {words(pair[0])} and feedforward {words(pair[1])} as the "
            f"paper trains; trained alike the difference is {words(gaps[1], sign=True)}."
        )
        brief = brief or (
            f"paper sigma {sigma:g}, feedback − feedforward: {words(gaps[0], sign=True)} as the paper "
            f"trains, {words(gaps[1], sign=True)} trained alike"
        )
        if sigma in limit:
            shares = [f"{model.mean / limit[sigma].mean:.2f}" for model in pair]
            because.append(f"Of the limit, {words(limit[sigma])}, that is {shares[0]} and {shares[1]}.")
    text = " ".join(because)
    if not any(held):
        return Finding("not reproduced", text, brief)
    if not (all(held) and all(holding)):
        return Finding("partly", text, brief)
    if any(equal):
        return Finding("explained by", text, brief, "the training protocol")
    return Finding("reproduced", text, brief)


EXPERIMENT = Experiment(
    name="noise",
    title="Strong noise",
    claim="Feedback models maintain high F1 scores under high Gaussian noise (σ ≥ 6), where feedforward "
    "models collapse to near-random performance.",
    source="section 5, Figures 3 and 4",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    needs=("limit",),
)
