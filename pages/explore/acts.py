"""The images that a run in the browser may go over to; what else acts on it the browser makes by itself."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fbseg_core import ConfigError
from fbseg_core.rollout.interventions import Swap
from fbseg_core.scores.metrics import chance, confusion, pooled_f1
from fbseg_core.tasks import Batch, task_of
from fbseg_core.tasks.grouping import Grouping
from fbseg_core.tasks.shapes import Shapes
from pages.explore import computed
from pages.explore.run import Run, Scene

MOST_BYTES = 4_000_000  # of all that is sent for them
SEEDS = 1000  # that the player's button goes through


def seeds(scene: Scene) -> list[tuple[int, int]]:
    """Seeds of image and noise of each image that is swapped in, of the one that is offered next, and of the
    first, where it was drawn over."""
    swaps = [(item.seed, item.noise) for item in scene.do if isinstance(item, Swap)]
    over = [(scene.image, scene.noise)] * bool(scene.drawing or scene.cue is not None)
    return list(dict.fromkeys([*swaps, *over, *_offered(scene, len(swaps))]))


def _offered(scene: Scene, swaps: int) -> list[tuple[int, int]]:
    seed = (scene.image + swaps + 1) % SEEDS
    try:
        computed.content(scene.task, seed)
    except ConfigError:  # it cannot be drawn, which whoever asks for it is told
        return []
    return [(seed, scene.noise)]


def fit(run: Run) -> bool:
    """Whether these images may be sent: they are bounded by MOST_BYTES."""
    return 4 * 2 * run.content.clean[0].numel() * len(seeds(run.scene)) <= MOST_BYTES


def sketched(scene: Scene) -> dict[str, Any] | None:
    """`cue`: the cue's channel. None for a task of whose drawings the browser knows not what to make."""
    task = task_of(scene.task)
    if type(task).drawn not in (Shapes.drawn, Grouping.drawn):
        return None
    return {"cue": task.cue_channel(scene.task)}


def told(run: Run) -> list[dict[str, Any]]:
    """Of the run's first image, then of each of `seeds`: these; its cue, None where there is none; and
    the F1 there of a constant answer and of the task's trivial baseline, None where it has none."""
    scene = run.scene
    first = {"seed": None, "noise": None} | _scores(scene, run.batch)
    return [first] + [
        {"seed": seed, "noise": noise} | _scores(scene, _observed(scene, seed, noise))
        for seed, noise in seeds(scene)
    ]


def parts(run: Run) -> dict[str, Tensor]:
    """Blocks by their names, which end in the image's number in `told`: truth (1, H, W); and but for the
    first clean and noise (C, H, W), the noise where it is not the first image's."""
    scene, found = run.scene, {"truth.0": run.batch.labels}
    for k, (seed, noise) in enumerate(seeds(scene), 1):
        content = computed.content(scene.task, seed)
        found[f"clean.{k}"], found[f"truth.{k}"] = content.clean[0], content.labels
        if noise != scene.noise:
            found[f"noise.{k}"] = task_of(scene.task).noise(scene.task, 1, noise)[0]
    return found


def _observed(scene: Scene, seed: int, noise: int) -> Batch:
    task = task_of(scene.task)
    return task.observe(scene.task, computed.content(scene.task, seed), task.noise(scene.task, 1, noise))


def _scores(scene: Scene, batch: Batch) -> dict[str, Any]:
    task, classes = task_of(scene.task), len(task_of(scene.task).class_names(scene.task))
    trivial = None if batch.trivial is None else pooled_f1(confusion(batch.trivial, batch.labels, classes))
    return {
        "cue": (task.cues(scene.task, batch.x) or [None])[0],
        "chance": _short(chance(batch.labels, classes)),
        "trivial": None if trivial is None else _short(trivial),
    }


def _short(value: float) -> float:
    """To the five digits of the header's curves."""
    return float(f"{value:.5g}")
