"""The images that a run in the browser goes over to; noise, and what else acts on it, the browser makes."""

from __future__ import annotations

import hashlib
from typing import Any

from torch import Tensor

from fbseg_core.config import TaskConfig
from fbseg_core.rollout.interventions import Swap
from fbseg_core.scores.metrics import chance, confusion, pooled_f1
from fbseg_core.tasks import Content, task_of
from fbseg_core.tasks.grouping import Grouping
from fbseg_core.tasks.shapes import Shapes
from pages.explore import computed
from pages.explore.run import Run, Scene

MOST_BYTES = 4_000_000  # of images that the browser goes over to


def seeds(scene: Scene) -> list[int]:
    """Seeds of the images that are swapped in, and of the first, where it was drawn over."""
    swaps = [item.seed for item in scene.do if isinstance(item, Swap)]
    if _drawn_over(scene):
        return list(dict.fromkeys([*swaps, scene.image]))
    return [seed for seed in dict.fromkeys(swaps) if seed != scene.image]


def fit(run: Run) -> bool:
    """Whether the browser may take these images, each with its noise: they are bounded by MOST_BYTES."""
    return 4 * 2 * run.content.clean[0].numel() * (1 + len(seeds(run.scene))) <= MOST_BYTES


def sketched(scene: Scene) -> dict[str, Any] | None:
    """`cue`: the cue's channel. None for a task of whose drawings the browser knows not what to make."""
    task = task_of(scene.task)
    if type(task).drawn not in (Shapes.drawn, Grouping.drawn):
        return None
    return {"cue": task.cue_channel(scene.task)}


def told(run: Run) -> list[dict[str, Any]]:
    """Of the run's first image, then of each of `seeds`: its seed, None if it was drawn over, and `said`."""
    scene = run.scene
    first = {"seed": None if _drawn_over(scene) else scene.image} | said(scene.task, run.content)
    others = [(seed, computed.content(scene.task, seed)) for seed in seeds(scene)]
    return [first, *({"seed": seed} | said(scene.task, content) for seed, content in others)]


def said(config: TaskConfig, content: Content) -> dict[str, Any]:
    """Of an image its cue, None where there is none; and the F1 there of a constant answer and of the task's
    trivial baseline, None where it has none."""
    task = task_of(config)
    classes, answer = len(task.class_names(config)), task.trivial(config, content)
    trivial = None if answer is None else pooled_f1(confusion(answer, content.labels, classes))
    return {
        "cue": (task.cues(config, content.clean) or [None])[0],
        "chance": _short(chance(content.labels, classes)),
        "trivial": None if trivial is None else _short(trivial),
    }


def parts(run: Run) -> dict[str, Tensor]:
    """Blocks by their names, which end in the image's number in `told`: truth (1, H, W); and but for the
    first clean (C, H, W)."""
    found = {"truth.0": run.content.labels}
    for k, seed in enumerate(seeds(run.scene), 1):
        content = computed.content(run.scene.task, seed)
        found[f"clean.{k}"], found[f"truth.{k}"] = content.clean[0], content.labels
    return found


def drawn_alike(config: TaskConfig) -> str:
    """The same text for tasks that draw the same images before noise, in which σ has no part."""
    return hashlib.sha1(repr(config.model_dump(exclude={"sigma"})).encode()).hexdigest()[:16]


def _drawn_over(scene: Scene) -> bool:
    return bool(scene.drawing) or scene.cue is not None


def _short(value: float) -> float:
    """To the five digits of the header's curves."""
    return float(f"{value:.5g}")
