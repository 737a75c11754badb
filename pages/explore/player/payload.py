"""A run as the player is sent it: every frame once, in the wire format of `pages/ui/web/wire.py`."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbseg_core import Projection, Trajectory
from fbseg_core.analysis.curves import answer_curves, state_curves
from fbseg_core.analysis.ensemble import EnsembleStep
from fbseg_core.scores.metrics import chance, commit_time, entropy, f1_over_time
from fbseg_core.tasks import task_of
from pages.explore.run import Run, cues_of
from pages.ui.web.wire import Blocks

NOISE_SPAN = 4.0  # the noise sent for live preview is cut at ± 4 σ; of a thousand pixels 0.06 are


def pack(
    run: Run,
    plain: Run,
    plane: Projection | None,
    draws: list[EnsembleStep] | None,
    *,
    fed: bool,
    state: bool,
    header: dict[str, Any],
) -> bytes:
    """A run, the untouched run (the same object if so), their plane (None: not yet), and any draws.

    fed: send v̂ as well; state: send u and v of every pixel. header: what the caller adds to the header.
    """
    blocks = Blocks()
    ghost = None if plain is run else plain
    cues = _images(blocks, run)
    curves = {"run": _entity(blocks, "run", run.trajectory, run.labels)}
    if state:
        for i, channel in enumerate(run.trajectory.h[:, 0].unbind(1)):
            blocks.add_spanned(f"state.{i}", channel)
    if fed and run.trajectory.v_hat is not None:
        _fed_back(blocks, run.trajectory.v_hat[:, 0])
    if ghost is not None:
        curves["ghost"] = _entity(blocks, "ghost", ghost.trajectory, ghost.labels)
        if any(not torch.equal(truth, run.labels[0]) for truth in run.labels):
            # the image was swapped: does the answer let go of the old one?
            curves["run"]["old"] = _list(f1_over_time(run.trajectory.logits, run.labels[0])[:, 0])
    curves["beside"] = _answers(blocks, "beside", run.beside, run.labels)
    header = {
        **header,
        "size": list(run.labels.shape[-2:]),
        "steps": len(run.trajectory),
        "wanted": run.scene.steps,
        "stopped": run.trajectory.stopped,
        "refused": list(run.refused),
        "cues": cues,
        "classes": run.trajectory.logits.shape[2],
        "curves": curves,
        "chance": _list(_chances(run.labels, run.trajectory.logits.shape[2])),
        "channels": {"u": run.trajectory.u.shape[2], "v": run.trajectory.v.shape[2]},
        "plane": None if plane is None else _plane(run, ghost, plane, draws),
        "bands": _bands(draws),
    }
    header["run"] = hashlib.sha1(repr(run.scene).encode()).hexdigest()
    header["id"] = hashlib.sha1(
        json.dumps([blocks.index, {**header, "answered": 0, "epoch": 0, "look": 0}]).encode()
        + b"".join(blocks.parts)
    ).hexdigest()
    return blocks.packed(header)


def _images(blocks: Blocks, run: Run) -> list | None:
    """Distinct inputs and truths, which holds at which step, and clean image and noise for live preview.

    Returns the cue in each of them, as in `cues_of`.
    """
    task, config = task_of(run.scene.task), run.scene.task
    kept, of_step = [], []
    for x, truth in zip(run.x, run.labels):
        if not kept or not torch.equal(x, kept[-1][0]):
            kept.append((x, truth))
        of_step.append(len(kept) - 1)
    names = task.channel_names(config)
    shown = [i for i, name in enumerate(names) if name != "cue"][:3]
    inputs = torch.stack([x[0, shown] for x, _ in kept])
    lo, hi = inputs.amin((1, 2, 3), keepdim=True), inputs.amax((1, 2, 3), keepdim=True)
    blocks.add("input", (inputs - lo) / (hi - lo).clamp_min(1e-6), 0, 1)
    blocks.add_whole("truth", torch.stack([truth[0] for _, truth in kept]))
    blocks.add_whole("of_step", torch.tensor(of_step))
    blocks.add("clean", run.content.clean[0, shown], 0, 1)
    blocks.add("noise", run.noise[0, shown], -NOISE_SPAN, NOISE_SPAN)
    cues = cues_of(run)
    return None if cues is None else [cues[of_step.index(i)] for i in range(len(kept))]


def _chances(labels: Tensor, classes: int) -> list[float]:
    """Chance at each step, from the truth in force there (T+1, 1, H, W)."""
    values = [chance(labels[0], classes)]
    for before, truth in pairwise(labels):
        values.append(values[-1] if torch.equal(truth, before) else chance(truth, classes))
    return values


def _entity(blocks: Blocks, name: str, trajectory: Trajectory, labels: Tensor) -> dict[str, list]:
    """A recurrent run's layers and curves."""
    for layer in ("delta", "applied"):
        norms = torch.linalg.vector_norm(getattr(trajectory, layer)[:, 0], dim=1, dtype=torch.float64)
        rest = norms.new_zeros(1, *labels.shape[-2:])  # nothing led to the start
        blocks.add_spanned(f"{name}.{layer}", torch.cat([rest, norms]))
    state = {key: _list(values) for key, values in state_curves(trajectory).items()}
    return _answers(blocks, name, trajectory.logits, labels) | state


def _answers(blocks: Blocks, name: str, logits: Tensor, labels: Tensor) -> dict[str, list]:
    """The layers and curves of answers (T+1, 1, K, H, W), or of one that holds at every step."""
    masks, probs = logits.argmax(2), logits.softmax(2)
    blocks.add(f"{name}.probability", 1 - probs[:, 0, 0], 0, 1)
    margin = logits[:, 0, 1:].amax(1).double() - logits[:, 0, 0]
    blocks.add_spanned(f"{name}.logit", margin, wide=True)
    blocks.add_whole(f"{name}.mask", masks[:, 0])
    blocks.add(f"{name}.entropy", entropy(probs)[:, 0], 0, float(np.log2(logits.shape[2])))
    blocks.add_whole(f"{name}.commit", commit_time(masks)[:, 0])
    return {key: _list(values) for key, values in answer_curves(logits, labels).items()}


def _fed_back(blocks: Blocks, v_hat: Tensor) -> None:
    """v̂ channel by channel; on the simplex its scale is 0 to 1."""
    simplex = float(v_hat.min()) >= 0 and float(v_hat.max()) <= 1
    lo, hi = (0.0, 1.0) if simplex else (float(v_hat.min()), float(v_hat.max()))
    for i, channel in enumerate(torch.cat([torch.zeros_like(v_hat[:1]), v_hat]).unbind(1)):
        blocks.add(f"run.v_hat.{i}", channel, lo, hi)


def _plane(
    run: Run, ghost: Run | None, plane: Projection, draws: list[EnsembleStep] | None
) -> dict[str, Any]:
    """Paths as lists [region][step][axis]; one region is the whole image."""
    own = plane.transform(run.trajectory)
    result = {
        "what": plane.what,
        "explained": plane.explained.tolist(),
        "regions": ["image"] if plane.regions is None else _region_names(plane),
        "run": _paths(own),
        "ghost": None if ghost is None else _paths(plane.points),
        "beside": None,
        "cloud": None,
    }
    if plane.what == "logits":  # the one space two models share
        result["beside"] = _paths(plane.place(run.beside[-1:, 0]))
    if draws:
        cloud = np.stack([_with_regions(step.points) for step in draws])  # step, region, draw, axis
        result["cloud"] = _short(cloud.transpose(1, 2, 0, 3))
    return result


def _region_names(plane: Projection) -> list[str]:
    return ["shape", "background"] if len(plane.regions) == 2 else ["background"]


def _paths(points: np.ndarray) -> list:
    return _short(_with_regions(points))


def _with_regions(points: np.ndarray) -> np.ndarray:
    return points if points.ndim == 3 else points[None]


def _bands(draws: list[EnsembleStep] | None) -> dict[str, Any] | None:
    """Mean, lowest and highest of the draws at each step, and how fast the draws approach one another."""
    if not draws:
        return None
    result: dict[str, Any] = {"n": len(draws[0].f1)}
    for key, of in (("f1", "f1"), ("iou", "iou"), ("entropy", "entropy"), ("update", "relative_update")):
        table = np.stack([getattr(step, of) for step in draws])
        result[key] = [_list(table.mean(1)), _list(table.min(1)), _list(table.max(1))]
    spread = [step.spread for step in draws]
    result["spread"] = _list(spread)
    result["contraction"] = [
        None, *(after / before if before > 0 else None for before, after in pairwise(spread))
    ]  # fmt: skip
    return result


def _short(points: np.ndarray) -> list:
    """Finite numbers to five digits, however large or small, in nested lists."""
    return np.array([float(f"{value:.5g}") for value in points.flat]).reshape(points.shape).tolist()


def _list(values: Any) -> list[float | None]:
    """Numbers to five digits; None for what is not finite, which JSON cannot carry."""
    return [float(f"{value:.5g}") if np.isfinite(value) else None for value in values]
