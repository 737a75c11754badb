"""Fair controls on incremental grouping: where the answer at a pixel hangs on pixels far away, what does the
loop bring that a wider view, more weights or more work without a loop does not?

All models are trained by one command on the same fresh examples, with one normalisation and one head. Beside
the feedback model stand the same network with its loop cut; the loop unrolled, with weights of their own for
each of its steps; and feedforward U-Nets of four depths, each as wide as gives it the feedback model's number
of weights, and as wide as gives it its multiply-adds over T steps. Of depth 3 they see as far as its T = 6
steps do: 100 px, and 98.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fbseg_core.analysis.cost import cost
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.config import GroupingConfig, ModelConfig
from fbseg_core.experiments.common import COUNTED, seed_of_test, trained
from fbseg_core.experiments.grouping_rows import (
    CUT,
    FEEDBACK,
    MODELS,
    PLAIN,
    RIVAL,
    SMALL,
    UNROLLED,
    conclude,
    panels,
    table,
)
from fbseg_core.experiments.records import Experiment, Profile
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.scores.evaluate import counts_by_step, trivial_f1
from fbseg_core.scores.metrics import chance_of, pooled_f1
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import BACKBONES, TrainingRun
from fbseg_core.training.fit import PROTOCOLS

BUDGET_SEEDS = 3  # of other numbers of updates: enough to see a trend, too few for an interval
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"models": (FEEDBACK, CUT, SMALL[0], SMALL[2]), "seeds": 2, "side": 16, "steps": 2, "images": 8,
             "updates": 2, "budgets": ()},
    "quick": {"models": (FEEDBACK, CUT, SMALL[0], SMALL[2]), "seeds": 2, "side": 24, "steps": 6, "images": 50,
              "updates": 60, "budgets": ()},
    "full": {"models": MODELS, "seeds": 8, "side": 24, "steps": 6, "images": 200, "updates": 400,
             "budgets": (200, 800)},
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """model × seed at σ = 0.2 a pixel, T = `steps` in training and test; the main pair at other budgets.

    Those show whether 400 updates were chosen well. They were thought of after the first results, so they are
    exploratory and enter no verdict.
    """
    grid = GRIDS[profile]
    asked = [(name, grid["updates"], grid["seeds"]) for name in grid["models"]]
    asked += [(name, updates, BUDGET_SEEDS) for updates in grid["budgets"] for name in (FEEDBACK, RIVAL)]
    return [
        {
            "model": name, "seed": seed, "sigma": 0.2, "side": grid["side"], "steps": grid["steps"],
            "images": grid["images"], "updates": updates,
        }
        for name, updates, seeds in asked
        for seed in range(seeds)
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> TrainingRun:
    """The run of a model: the settling protocol with trajectories of one length and a loss at every step."""
    name, steps = settings["model"], settings["steps"]
    train = PROTOCOLS["settling"].replace(
        updates=settings["updates"], steps_min=steps, steps_max=steps, loss_from=0.0, seed=settings["seed"]
    )
    return TrainingRun(name, model_of(name, steps), train)


def model_of(name: str, steps: int) -> ModelConfig:
    """One of MODELS. Raises KeyError."""
    looped = BACKBONES["grouping"].replace(in_channels=2, classes=2, steps=steps)
    if name in PLAIN:
        depth, width = PLAIN[name]
        return looped.replace(kind="feedforward", depth=depth, width=width)
    return looped.replace(kind={FEEDBACK: "feedback", CUT: "loop_cut", UNROLLED: "unrolled"}[name])


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train a model; its score on images of this seed alone, and what it takes.

    weights; macs: multiply-adds in millions of an image over T steps; field: receptive field in px; trivial:
    F1 of "mark every region" on the same images.
    """
    task, seed = _task(settings), settings["seed"]
    model, ended = trained(task, run_of(settings))
    batch = make_batch(task, settings["images"], seed_of_test(seed), "test")
    counts = counts_by_step(model, batch, model.steps)[-1]
    price = cost(model, batch.x[:1])
    return {
        "f1": round(pooled_f1(counts), 4),
        "chance": round(chance_of(counts), 4),
        "trivial": round(trivial_f1(batch, model.classes), 4),
        "test_seed": seed_of_test(seed),
        "counts": {"f1": {name: getattr(counts, name)[:, 1].tolist() for name in COUNTED}},
        "weights": price.parameters,
        "macs": round(price.run_macs(model.steps) / 1e6, 3),
        "field": receptive_field(model.config),
        **ended,
    }


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, as it is trained and tested."""
    return (of_run(_task(settings), run_of(settings)),)


def _task(settings: Mapping[str, Any]) -> GroupingConfig:
    return GroupingConfig(side=settings["side"], sigma=settings["sigma"])


EXPERIMENT = Experiment(
    name="grouping",
    title="A wide view with few weights",
    claim="Routing output predictions back to the input lets the model refine its representation "
    "iteratively: does that do what no model without a loop can?",
    source="mechanism 1, against fair controls",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    table=table,
)
