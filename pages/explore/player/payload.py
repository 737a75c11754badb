"""A run as the player is sent it: every frame once, in the wire format of `pages/ui/web/wire.py`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbseg_core import Projection, Trajectory
from fbseg_core.analysis.curves import answer_curves, state_curves
from fbseg_core.analysis.ensemble import EnsembleStep
from fbseg_core.scores.metrics import chance, commit_time, confusion, entropy, f1_over_time, pooled_f1
from fbseg_core.tasks import task_of
from pages.explore import acts
from pages.explore.player.layers import BLOCKS
from pages.explore.run import Run, cues_of, regions_of, shown_of
from pages.ui import images
from pages.ui.web.wire import Blocks


@dataclass(frozen=True)
class Laid:
    """A run as it is sent to whoever asks for it. header: what follows from the run; blocks: its arrays."""

    header: dict[str, Any]
    blocks: RunBlocks


def pack(laid: Laid, header: dict[str, Any]) -> bytes:
    """A run with what one visitor's header adds to it."""
    header, blocks = header | laid.header, laid.blocks
    header["id"] = hashlib.sha1(
        json.dumps([blocks.index, {**header, "answered": 0, "epoch": 0, "look": 0}]).encode()
        + b"".join(blocks.parts)
    ).hexdigest()
    return blocks.packed(header)


def lay_out(
    run: Run,
    untouched: Run,
    plane: Projection | None,
    draws: list[EnsembleStep] | None,
    *,
    fed: bool,
    state: bool,
    of_class: int = 0,
) -> Laid:
    """A run, the untouched run (the same object if so), their plane (None: not yet), and any draws.

    fed: send v̂ as well; state: send what a pixel is read off by: its u and v, and of more than two classes
    the probability of each. of_class: a class whose probability is to be painted; 0 for none.
    """
    task, config = task_of(run.scene.task), run.scene.task
    classes = run.trajectory.logits.shape[2]
    blocks = RunBlocks(classes)
    ghost = None if untouched is run else untouched
    cues = _images(blocks, run)
    if acts.fit(run):
        for name, values in acts.parts(run).items():
            blocks.put(name, values)
    curves = {"run": _entity(blocks, "run", run.trajectory, run.labels)}
    if state:
        for i, channel in enumerate(run.trajectory.h[:, 0].unbind(1)):
            blocks.put(f"state.{i}", channel)
    if fed and run.trajectory.v_hat is not None:
        _fed_back(blocks, run.trajectory.v_hat[:, 0])
    if ghost is not None:
        curves["ghost"] = _entity(blocks, "ghost", ghost.trajectory, ghost.labels)
        if any(not torch.equal(truth, run.labels[0]) for truth in run.labels):
            # the image was swapped: does the answer let go of the old one?
            curves["run"]["old"] = _list(f1_over_time(run.trajectory.logits, run.labels[0])[:, 0])
    curves["comparison"] = _answers(blocks, "comparison", run.comparison, run.labels)
    asked = {of_class} - {0} if of_class < classes else set()
    everyone = {"run": run.trajectory.logits, "comparison": run.comparison}
    if ghost is not None:
        everyone["ghost"] = ghost.trajectory.logits
    for name, logits in everyone.items():
        for k in sorted(set(range(classes)) if state and classes > 2 and name == "run" else asked):
            blocks.put(f"{name}.class.{k}", logits.softmax(2)[:, 0, k])
    header = {
        "size": list(run.labels.shape[-2:]),
        "steps": len(run.trajectory),
        "wanted": run.scene.steps,
        "stopped": run.trajectory.stopped,
        "refused": list(run.refused),
        "cues": cues,
        "shown": shown_of(config),
        "noisy": list(task.noisy_channels(config)),  # the browser draws their noise by its seed
        "classes": classes,
        "classNames": list(task.class_names(config)),
        "palette": list(images.class_palette(config)),
        "void": bool((run.labels == images.VOID).any()),
        "drawable": task.drawable,
        "curves": curves,
        "chance": _list(_chances(run.labels, classes)),
        "trivial": _trivial(run),
        "channels": {"u": run.trajectory.u.shape[2], "v": run.trajectory.v.shape[2]},
        "plane": None if plane is None else _plane(run, ghost, plane, draws),
        "bands": _bands(draws),
    }
    header["run"] = hashlib.sha1(repr(run.scene).encode()).hexdigest()
    return Laid(header, blocks)


class RunBlocks(Blocks):
    """The blocks of a run of K classes, each laid as BLOCKS declares."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def put(self, name: str, values: Tensor, ends: tuple[float, float] | None = None) -> None:
        """Add a block; ends: of a scale that is given."""
        part = next(part for part in name.split(".") if part in BLOCKS)
        self.lay(name, values, BLOCKS[part], self.classes, ends)


def _images(blocks: RunBlocks, run: Run) -> list | None:
    """Distinct inputs and truths, which holds at which step, and the clean image for live preview.

    Returns the cue in each of them, as in `cues_of`.
    """
    kept, of_step = [], []
    for x, truth in zip(run.x, run.labels):
        if not kept or not torch.equal(x, kept[-1][0]):
            kept.append((x, truth))
        of_step.append(len(kept) - 1)
    shown = shown_of(run.scene.task)
    inputs = torch.stack([x[0, shown] for x, _ in kept])
    lo, hi = inputs.amin((1, 2, 3), keepdim=True), inputs.amax((1, 2, 3), keepdim=True)
    blocks.put("input", (inputs - lo) / (hi - lo).clamp_min(1e-6))
    blocks.put("truth", torch.stack([truth[0] for _, truth in kept]))
    blocks.put("of_step", torch.tensor(of_step))
    blocks.put("clean", run.content.clean[0])
    cues = cues_of(run)
    return None if cues is None else [cues[of_step.index(i)] for i in range(len(kept))]


def _chances(labels: Tensor, classes: int) -> list[float]:
    """Chance at each step, from the truth in force there (T+1, 1, H, W)."""
    values = [chance(labels[0], classes)]
    for before, truth in pairwise(labels):
        values.append(values[-1] if torch.equal(truth, before) else chance(truth, classes))
    return values


def _trivial(run: Run) -> dict[str, Any] | None:
    """The name of the task's trivial baseline, and its F1 at each step; None where it has none."""
    if run.trivial is None:
        return None
    task = run.scene.task
    classes = run.trajectory.logits.shape[2]
    values = [pooled_f1(confusion(answer, truth, classes)) for answer, truth in zip(run.trivial, run.labels)]
    return {"name": task_of(task).trivial_name(task), "f1": _list(values)}


def _entity(blocks: RunBlocks, name: str, trajectory: Trajectory, labels: Tensor) -> dict[str, list]:
    """A recurrent run's layers and curves."""
    layers = {"delta": trajectory.delta, "mismatch": trajectory.error, "applied": trajectory.applied}
    for layer, values in layers.items():
        if values is None:  # no error of its own where δ is added
            continue
        norms = torch.linalg.vector_norm(values[:, 0].double(), dim=1)
        rest = norms.new_zeros(1, *labels.shape[-2:])  # nothing led to the start
        blocks.put(f"{name}.{layer}", torch.cat([rest, norms]))
    state = {key: _list(values) for key, values in state_curves(trajectory).items()}
    return _answers(blocks, name, trajectory.logits, labels) | state


def _answers(blocks: RunBlocks, name: str, logits: Tensor, labels: Tensor) -> dict[str, list]:
    """The layers and curves of answers (T+1, 1, K, H, W), or of one that holds at every step."""
    masks, probs = logits.max(2).indices, logits.softmax(2)  # argmax takes ten times as long
    blocks.put(f"{name}.probability", 1 - probs[:, 0, 0])
    blocks.put(f"{name}.logit", logits[:, 0, 1:].amax(1).double() - logits[:, 0, 0])
    blocks.put(f"{name}.mask", masks[:, 0])
    blocks.put(f"{name}.entropy", entropy(probs)[:, 0])
    blocks.put(f"{name}.commit", commit_time(masks)[:, 0])
    return {key: _list(values) for key, values in answer_curves(logits, labels).items()}


def _fed_back(blocks: RunBlocks, v_hat: Tensor) -> None:
    """v̂ channel by channel; on the simplex its scale is 0 to 1."""
    simplex = float(v_hat.min()) >= 0 and float(v_hat.max()) <= 1
    lo, hi = (0.0, 1.0) if simplex else (float(v_hat.min()), float(v_hat.max()))
    for i, channel in enumerate(torch.cat([torch.zeros_like(v_hat[:1]), v_hat]).unbind(1)):
        blocks.put(f"run.v_hat.{i}", channel, (lo, hi))


def _plane(
    run: Run, ghost: Run | None, plane: Projection, draws: list[EnsembleStep] | None
) -> dict[str, Any]:
    """Paths as lists [region][step][axis]; one region is the whole image."""
    own, classes = plane.transform(run.trajectory), run.trajectory.logits.shape[2]
    regions = None if plane.regions is None else regions_of(run)
    result = {
        "what": plane.what,
        "explained": plane.explained.tolist(),
        "regions": ["image"] if regions is None else [region.name for region in regions],
        "classes": None if regions is None or classes == 2 else [region.label for region in regions],
        "run": _paths(own),
        "ghost": None if ghost is None else _paths(plane.points),
        "comparison": None,
        "cloud": None,
    }
    if plane.what == "logits":  # the one space two models share
        result["comparison"] = _paths(plane.place(run.comparison[-1:, 0]))
    if draws:
        cloud = np.stack([_with_regions(step.points) for step in draws])  # step, region, draw, axis
        result["cloud"] = _short(cloud.transpose(1, 2, 0, 3))
    return result


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
