"""What the interventions of a run take to be repeated in the browser: pages/explore/player/acts.js does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fbseg_core import ConfigError
from fbseg_core.rollout.interventions import Paint, Perturb, Swap, intervene, unpack_mask
from fbseg_core.tasks import task_of
from pages.explore.run import Run, Scene
from pages.ui.models import model

MOST_BYTES = 4_000_000  # of all that is sent for them


def told(scene: Scene) -> list[dict[str, Any]]:
    """Each intervention that acts on state or image, in order: `i`, its place in the scene; t; its kind.

    Of a perturbation its size; of paint the numbers of the classes that it is taken from, and the first of
    the channels it changes. What they are made of is in `parts`.
    """
    found = []
    for i, item in enumerate(scene.do):
        if item.t > scene.steps or not isinstance(item, Swap | Perturb | Paint):
            continue
        about = {"i": i, "t": item.t, "kind": item.kind}
        if isinstance(item, Perturb):
            about["size"] = item.size
        elif isinstance(item, Paint):
            about["classes"] = _classes(scene, item.like)
            about["first"] = model(scene.models[0])[0].config.u if item.target == "v" else 0
        found.append(about)
    return found


def fit(run: Run) -> bool:
    """Whether what they take may be sent: it is bounded by MOST_BYTES."""
    state, image = run.trajectory.h[0].numel(), run.content.clean[0].numel()
    numbers = sum(
        state if isinstance(item, Perturb) else 2 * image if isinstance(item, Swap) else 0
        for item in run.scene.do
    )
    return 4 * numbers <= MOST_BYTES


def parts(run: Run) -> dict[str, Tensor]:
    """What is added, painted over or shown instead, by the name of its block, which ends in its place.

    perturbation (U+V, H, W): what is added at size 1; painted (H, W): 1 where; clean, noise (C, H, W): of
    another image; truth.first (1, H, W): of the first, where another takes its place at rest.
    """
    scene, found = run.scene, {}
    net, task = model(scene.models[0])[0], task_of(scene.task)
    for about in told(scene):
        i, item = about["i"], scene.do[about["i"]]
        if isinstance(item, Perturb):  # from rest, where h is 0
            alone = item.model_copy(update={"t": 0, "size": 1.0})
            found[f"perturbation.{i}"] = intervene(net, scene.task, run.batch, 0, [alone]).trajectory.h[0, 0]
        elif isinstance(item, Swap):
            found[f"clean.{i}"] = task.content(scene.task, 1, item.seed, "test").clean[0]
            found[f"noise.{i}"] = task.noise(scene.task, 1, item.noise)[0]
            if item.t == 0:
                found["truth.first"] = run.batch.labels
        else:
            found[f"painted.{i}"] = _mask(item, scene.task.size)
    return found


def _mask(item: Paint, size: tuple[int, int]) -> Tensor:
    """Where it paints (H, W); nowhere where the run refused it."""
    try:
        return torch.from_numpy(unpack_mask(item.mask, size))
    except ConfigError:
        return torch.zeros(size)


def _classes(scene: Scene, like: str | int) -> list[int]:
    """The numbers of the classes that paint is taken from; none where the run refused it."""
    names = task_of(scene.task).class_names(scene.task)
    if like in ("shape", "background"):
        return list(range(1, len(names))) if like == "shape" else [0]
    number = names.index(like) if like in names else like
    return [number] if isinstance(number, int) and number < len(names) else []
