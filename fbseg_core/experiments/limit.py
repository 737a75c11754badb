"""How well single shapes can be told from noise at all: the ideal observer, and two models beside it.

The task is the paper's: triangles, not turned, cut by the border, three channels. The observer reads each
image before normalisation, which can only lose information; the models, trained at one noise (TRAINED),
read the same images normalised as their own cards say. analysis/ideal.py says where it approximates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from fbseg_core.analysis.ideal import best_threshold, posteriors
from fbseg_core.analysis.paired import Difference
from fbseg_core.checkpoint import load, read_card
from fbseg_core.config import EVAL_SEED, ShapesConfig, pixel_sigma
from fbseg_core.experiments.records import NONE, Experiment, Finding, Others, Panel, Profile, Row, Series
from fbseg_core.experiments.report import exact, mean, words
from fbseg_core.experiments.subject import Subject, of_card
from fbseg_core.scores.evaluate import f1_by_step
from fbseg_core.scores.metrics import chance, confusion, pooled_f1
from fbseg_core.tasks import make_batch

TRAINED = 8.0  # paper sigma at which these were trained
MODELS = {"feedback": "shapes-feedback", "feedforward": "shapes-feedforward"}
PART = 25  # images in one cell; its place in the grid is its seed
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"sigmas": (4.0, 32.0), "parts": 2, "side": 16, "images": 2},
    "quick": {"sigmas": (4.0, 8.0, 16.0), "parts": 2, "side": 64, "images": 8},
    "full": {
        "sigmas": (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 16.0, 32.0), "parts": 8, "side": 64, "images": PART,
    },
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """paper sigma × part of the images."""
    grid = GRIDS[profile]
    return [
        {"paper_sigma": sigma, "seed": part, "side": grid["side"], "images": grid["images"]}
        for sigma in grid["sigmas"]
        for part in range(grid["parts"])
    ]


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Pooled F1 on the part's images: the limit, the limit as expected before labels are seen, each model.

    The observer's masks share the threshold that is best for their pooled expected F1, as in `ideal_f1`.
    """
    seed, task = EVAL_SEED + settings["seed"], _task(settings)
    batch = make_batch(task, settings["images"], seed, "test")
    marginal = torch.cat([part.marginal for part in posteriors(task, batch.x)])
    threshold, expected = best_threshold(marginal)
    counts = confusion((marginal >= threshold).long(), batch.labels, 2)
    found = {"limit": pooled_f1(counts), "expected": expected}
    for name, checkpoint in MODELS.items():
        model, card = load(checkpoint)
        seen = make_batch(task.replace(normalise=card.task.normalise), settings["images"], seed, "test")
        found[name] = f1_by_step(model, seen, model.steps)[-1]
    found["chance"] = chance(batch.labels, 2)
    return {key: round(value, 4) for key, value in found.items()}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """Both models, at the noise of a cell."""
    cards = (read_card(checkpoint) for checkpoint in MODELS.values())
    return [of_card(card, _task(settings).replace(normalise=card.task.normalise)) for card in cards]


def _task(settings: Mapping[str, Any]) -> ShapesConfig:
    """The task before normalisation, as the ideal observer reads it."""
    side = settings["side"]
    return ShapesConfig(side=side, sigma=pixel_sigma(settings["paper_sigma"], side), normalise="none")


def limit_line(rows: Sequence[Row]) -> dict[float, Difference]:
    """The limit at each paper sigma: pooled F1 of a part's images, its mean over parts with an interval."""
    return {sigma: mean(rows, "limit", paper_sigma=sigma) for sigma in _sigmas(rows)}


def limit_at(side: int, others: Others) -> dict[float, Difference]:
    """The limit line for images of `side` px, from the rows of this experiment among others; empty where
    there are none."""
    return limit_line([row for row in others.get("limit", ()) if row.settings["side"] == side])


def limit_series(
    side: int, sigmas: Sequence[float], x: Sequence[float | str], others: Others
) -> list[Series]:
    """The limit at `sigmas` (paper sigma), drawn at `x`, as one line; none where it is not known."""
    line = limit_at(side, others)
    known = [(at, line[sigma]) for sigma, at in zip(sigmas, x) if sigma in line]
    return [Series("limit", "limit", *zip(*known))] if known else []


def share(rows: Sequence[Row], model: str, sigma: float) -> Difference:
    """A model's F1 as a share of the limit: the ratio of their means over parts.

    The interval is that of the model's F1; the limit's own is small beside it and left out.
    """
    whole = mean(rows, "limit", paper_sigma=sigma).mean
    return mean(rows, lambda row: row.result[model] / whole, paper_sigma=sigma)


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 of the limit and of the models against noise, and the models' share of it."""
    sigmas = tuple(_sigmas(rows))

    def series(name: str, kind, key: str) -> Series:
        return Series(name, kind, sigmas, tuple(mean(rows, key, paper_sigma=sigma) for sigma in sigmas))

    lines = (
        series("limit", "limit", "limit"),
        series("limit, as expected before labels are seen", "other", "expected"),
        *(series(f"{checkpoint} (ships)", name, name) for name, checkpoint in MODELS.items()),
        series("chance", "chance", "chance"),
    )
    shares = [
        Series(f"{checkpoint} (ships)", name, sigmas, tuple(share(rows, name, sigma) for sigma in sigmas))
        for name, checkpoint in MODELS.items()
    ]
    shares.append(Series("limit", "limit", sigmas, tuple(exact(1.0) for _ in sigmas)))
    return [
        Panel(f"single shapes, {rows[0].settings['side']} px", "paper sigma", "pooled F1", lines),
        Panel("share of the limit", "paper sigma", "F1 / limit", tuple(shares)),
    ]


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """What can be had at paper sigma 4, 8, 16 and the strongest, and what the models make of it."""
    sigmas, line = _sigmas(rows), limit_line(rows)
    own = min(sigmas, key=lambda sigma: abs(sigma - TRAINED))

    def told(sigma: float) -> str:
        feedback, feedforward = (words(share(rows, name, sigma)) for name in MODELS)
        return (
            f"Paper sigma {sigma:g}: the limit is {words(line[sigma])}, of which the feedback model "
            f"reaches {feedback} and the feedforward model {feedforward}."
        )

    shares = " and ".join(f"{name} {share(rows, name, own).mean:.0%}" for name in MODELS)
    return Finding(
        "measured",
        f"The models were trained at paper sigma {TRAINED:g}. {told(own)}",
        f"An ideal observer scores {line[own].mean:.2f} at the training noise; of that, {shares}.",
        points=[told(sigma) for sigma in sigmas if sigma in (4.0, 16.0, sigmas[-1])],
    )


def _sigmas(rows: Sequence[Row]) -> list[float]:
    return sorted({row.settings["paper_sigma"] for row in rows})


EXPERIMENT = Experiment(
    name="limit",
    title="The limit",
    claim="How much of the loss under noise is the models', and how much no observer could avoid?",
    source="our question, to Figure 4",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    over="parts of the images",
    checkpoints=tuple(MODELS.values()),
)
