"""What cells of experiments share: train a run, score it with its controls, tell how it moves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbseg_core.analysis.jacobian import leading_eigenvalues
from fbseg_core.analysis.stability import gains
from fbseg_core.analysis.verdicts import mask_verdict, verdict
from fbseg_core.config import EVAL_SEED, FewShotConfig, Switches, TaskConfig
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.scores import metrics
from fbseg_core.scores.evaluate import counts_by_step
from fbseg_core.scores.metrics import Counts, chance, confusion, mask_of
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import fit

COUNTED = ("tp", "fp", "fn")  # what is kept of each image
SCORES = ("f1", "f1_first", "f1_cut", "f1_batch")


def setup_of(settings: Mapping[str, Any], protocol: str) -> FewShotConfig:
    """What a cell says of its few-shot comparison."""
    names = ("examples", "updates", "seed")
    return FewShotConfig(protocol=protocol, **{name: settings[name] for name in names})


def train_and_score(task: TaskConfig, run: TrainingRun, images: int, seed: int) -> dict[str, Any]:
    """Train a run from scratch; its SCORES as in `score_fresh`, and how training ended as in `trained`."""
    model, last = trained(task, run)
    return score_fresh(model, task, images, seed, SCORES) | last


def trained(task: TaskConfig, run: TrainingRun) -> tuple[Model, dict[str, Any]]:
    """A trained model in evaluation mode; and of its last update: loss, number, and what stopped it."""
    model, ended, _ = trained_with_norms(task, run)
    return model, ended


def trained_with_norms(task: TaskConfig, run: TrainingRun) -> tuple[Model, dict[str, Any], list[float]]:
    """What `trained` gives, and the gradient norm of every update before clipping.

    The last norm, and the loss, need not be finite: such a run is stopped, and its loss None.
    """
    model, norms = build(run.model, run.train.seed), []
    for progress in fit(model, task, run.train):
        norms.append(progress.grad_norm)
    loss = rounded(progress.loss, 5)
    ended = {"loss": loss, "updates": progress.update, "stopped": progress.stopped}
    return model.eval(), ended, norms


def rounded(value: float, digits: int = 4) -> float | None:
    """A number to that many significant digits; None, which JSON can hold, for one that is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def rounded_all(values: Iterable[float], digits: int = 4) -> list[float | None]:
    """`rounded`, one by one."""
    return [rounded(float(value), digits) for value in values]


def pooled_f1(logits: Tensor, labels: Tensor) -> list[float]:
    """Foreground F1 of all images as one, at each step: logits (T+1, B, K, H, W), labels (B, H, W)."""
    classes = logits.shape[2]
    return [metrics.pooled_f1(confusion(mask, labels, classes)) for mask in mask_of(logits)]


def observe(
    model: Model, batch: Batch, steps: int, switches: Switches = AS_BUILT, products: int = 0
) -> dict[str, Any]:
    """One way of running a feedback model from rest, on all images, in numbers that JSON can hold.

    f1, norm (steps + 1,): pooled F1 and mean ‖h‖; from where a run overflowed, its last F1 and None. update:
    mean ‖Δh‖/‖h‖ of the last step. states, masks: images by name of verdict; growth: mean rate at which
    steps grow over the judged half, or None. stopped: why the run ended early. radius: largest |λ| of the
    first image's map at the end of its run, with the clock held there; undamped: with it held at t = 0, where
    the gain is 1. Both as found from one start vector, and None where the run overflowed or ARPACK did not
    converge within `products`.
    """
    run = rollout(model, batch.x, steps, switches=switches)
    scores = pooled_f1(run.logits, batch.labels)
    norms = torch.linalg.vector_norm(run.h.flatten(2), dim=2, dtype=torch.float64).mean(1).tolist()
    masks, lost = mask_of(run.logits), steps - len(run)
    shared = {"gains": gains(model, run, switches), "stopped": run.stopped}
    states = [verdict(run.h[:, i], undamped=run.residual[:, i], **shared) for i in range(len(batch))]
    answers = [mask_verdict(masks[:, i], **shared) for i in range(len(batch))]
    radius = undamped = None
    if products and not run.stopped:
        end = State(steps, run.h[-1, :1])
        found = leading_eigenvalues(
            model, batch.x[:1], end, 2, switches, clock=0, tolerance=1e-2, most=products, verify=False
        )
        if found.converged:
            gain = float(model.gain(steps, switches).max())
            held = np.abs(1 + gain * (found.eigenvalues - 1))
            radius, undamped = rounded(held.max(initial=1.0)), rounded(found.radius)
    return {
        "f1": rounded_all([*scores, *scores[-1:] * lost]),
        "norm": rounded_all([*norms, *[math.nan] * lost]),
        "update": rounded(float(run.relative_update[-1].mean())) if len(run) else None,
        "states": dict(Counter(each.name for each in states)),
        "masks": dict(Counter(each.name for each in answers)),
        "growth": rounded(float(np.mean([each.growth for each in states]))),
        "stopped": run.stopped,
        "radius": radius,
        "undamped": undamped,
    }


def seed_of_test(seed: int) -> int:
    """The seed of the test images of a cell whose training seed is `seed`: other images for each.

    Training draws from 63-bit numbers that `seed_of` mixes from the cell's seed, never from a number this
    small, so no image and no noise of it comes back in a test.
    """
    return EVAL_SEED + seed


def score_fresh(
    model: Model, task: TaskConfig, images: int, seed: int, scores: Sequence[str] = ("f1",)
) -> dict[str, Any]:
    """Pooled F1 on fresh images for each training seed, chance there, and the counts behind them.

    scores: of SCORES. f1 at the model's own T (1 for a feedforward model) and f1_first at t = 1; f1_cut with
    the loop cut at inference; f1_batch with the test batch's own statistics, where batch norm is used. None
    where one does not apply.
    test_seed: of those images. counts: by name of the scores that apply, true positives, false positives and
    false negatives of the foreground, each a list over images, in pixels: what intervals over images take.
    """
    batch = make_batch(task, images, seed_of_test(seed), "test")
    counts = _counts(model, batch, scores)
    kept = {name: _by_image(one) for name, one in counts.items()}
    return _values(counts, batch, scores) | {"test_seed": seed_of_test(seed), "counts": kept}


def _counts(model: Model, batch: Batch, scores: Sequence[str]) -> dict[str, Counts]:
    """The counts of those scores that apply to the model."""
    ways = {"f1": Switches(), "f1_first": Switches()}
    if model.has_loop():
        ways["f1_cut"] = Switches(loop=False)
    if model.config.norm == "batch":
        ways["f1_batch"] = Switches(batch_statistics=True)
    runs = {
        switches: counts_by_step(model, batch, model.steps, switches)
        for switches in {ways[name] for name in scores if name in ways}
    }
    return {name: runs[ways[name]][1 if name == "f1_first" else -1] for name in scores if name in ways}


def _values(counts: Mapping[str, Counts], batch: Batch, scores: Sequence[str]) -> dict[str, float | None]:
    """Pooled F1 of each of the scores, None where it does not apply, and chance on the same images."""
    found = {name: metrics.pooled_f1(counts[name]) if name in counts else None for name in scores}
    classes = next(iter(counts.values())).tp.shape[1]
    found["chance"] = chance(batch.labels, classes)
    return {key: None if value is None else round(value, 4) for key, value in found.items()}


def _by_image(counts: Counts) -> dict[str, list[int]]:
    """Counts of the one foreground class that the experiments' tasks have, image by image."""
    return {name: getattr(counts, name)[:, 1].tolist() for name in COUNTED}
