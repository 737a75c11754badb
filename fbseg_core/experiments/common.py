"""What cells of several experiments share: train a run, score it with the controls all comparisons carry."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from fbseg_core.config import FewShotConfig, Switches, TaskConfig
from fbseg_core.dynamics import Model, build
from fbseg_core.evaluate import f1_by_step
from fbseg_core.fewshot import Run
from fbseg_core.metrics import chance
from fbseg_core.tasks import make_batch
from fbseg_core.train import fit

EVAL_SEED = 1000


def setup_of(settings: Mapping[str, Any], protocol: str) -> FewShotConfig:
    """What a cell says of its few-shot comparison."""
    names = ("examples", "updates", "seed")
    return FewShotConfig(protocol=protocol, **{name: settings[name] for name in names})


def train_and_score(task: TaskConfig, run: Run, images: int) -> dict[str, Any]:
    """Train a run from scratch; its scores as in `score_at`, and how training ended as in `trained`."""
    model, last = trained(task, run)
    return score_at(model, task, images) | last


def trained(task: TaskConfig, run: Run) -> tuple[Model, dict[str, Any]]:
    """A trained model in evaluation mode; and of its last update: loss, number, and what stopped it."""
    model = build(run.model, run.train.seed)
    last = deque(fit(model, task, run.train), maxlen=1).pop()
    ended = {"loss": float(f"{last.loss:.5g}"), "updates": last.update, "stopped": last.stopped}
    return model.eval(), ended


def score_at(model: Model, task: TaskConfig, images: int) -> dict[str, float | None]:
    """Pooled F1 on fresh images (seed 1000), chance, and the controls that a comparison carries.

    f1 at the model's own T (1 for a feedforward model) and f1_first at t = 1; f1_cut with the loop cut at
    inference; f1_batch with the test batch's own statistics, where batch norm is used. None where a control
    does not apply.
    """
    config, batch = model.config, make_batch(task, images, EVAL_SEED)
    steps = 1 if config.kind == "feedforward" else config.steps
    f1 = f1_by_step(model, batch, steps)
    cut = batched = None
    if config.kind == "feedback":
        cut = f1_by_step(model, batch, steps, Switches(loop=False))[-1]
    if config.norm == "batch":
        batched = f1_by_step(model, batch, steps, Switches(batch_statistics=True))[-1]
    values = {
        "f1": f1[-1],
        "f1_first": f1[1],
        "f1_cut": cut,
        "f1_batch": batched,
        "chance": chance(batch.labels, config.classes),
    }
    return {key: None if value is None else round(value, 4) for key, value in values.items()}
