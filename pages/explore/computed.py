"""What Explore computes once and shares among visitors: runs, planes, noise draws, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from fbseg_core import Projection, pca
from fbseg_core.analysis import cost
from fbseg_core.analysis.cost import Cost
from fbseg_core.analysis.ensemble import EnsembleStep, ensemble, redraw
from fbseg_core.config import Switches, TaskConfig
from fbseg_core.tasks import Content, task_of
from pages.explore.run import Run, Scene, compute, regions_of
from pages.ui import server
from pages.ui.models import model
from pages.ui.once import recent

DRAWS = 16


def content(task: TaskConfig, seed: int) -> Content:
    """A test image of a task as it is before noise, in which σ has no part."""
    key = ("content", repr(task.model_dump(exclude={"sigma"})), seed)
    return server.kept("rest", key, lambda: task_of(task).content(task, 1, seed, "test"))


def run(scene: Scene) -> Run:
    """The run of a scene, kept for the next visitor who asks for the same."""

    def make() -> Run:
        return compute(scene, *(model(name)[0] for name in scene.models), content(scene.task, scene.image))

    return server.kept("runs", ("run", repr(scene)), make, True)


def runs(scene: Scene) -> tuple[Run, Run]:
    """The run of a scene and the untouched one: the same where nothing was done."""
    one = run(scene)
    return one, run(scene.untouched()) if scene.do else one


def plane(run: Run, what: str, points: str) -> Projection:
    """The plane fitted to a run's whole trajectory, two axes; `points` as in ExploreState."""

    def make() -> Projection:
        regions = None
        if points == "regions":
            regions = torch.stack([region.mask for region in regions_of(run)])
        return pca(run.trajectory, 2, what=what, regions=regions)

    return server.kept("rest", ("plane", repr(run.scene), what, points), make)


@recent(64)
def costs(name: str, size: tuple[int, int], switches: Switches) -> Cost:
    """What one image of that size (H, W) costs a checkpoint, counted."""
    net, card = model(name)
    return cost.cost(net, torch.zeros(1, card.model.in_channels, *size), switches)


@recent(64)
def timings(name: str, size: tuple[int, int], switches: Switches) -> cost.Timings:
    """How long one image of that size (H, W) takes a checkpoint here, timed when first asked for."""
    net, card = model(name)
    return cost.timings(net, torch.zeros(1, card.model.in_channels, *size), switches)


def time_again(asked: Sequence[tuple[str, tuple[int, int], Switches]]) -> None:
    """Forget the timings of these, which other work on the machine may have disturbed."""
    for one in asked:
        timings.clear(*one)


def draws(run: Run, plane: Projection, progress: Callable[[float], None] | None) -> list[EnsembleStep] | None:
    """16 noise draws of a run's image, untouched, one entry a step.

    Kept for the next who asks. `progress` is told the share done, and may raise to stop; with None only
    what is there already is returned, or None.
    """

    def make() -> list[EnsembleStep]:
        scene, steps = run.scene, []
        batch = redraw(scene.task, run.content, DRAWS, scene.noise)
        for step in ensemble(model(scene.models[0])[0], batch, scene.switches, plane):
            steps.append(step)
            progress(len(steps) / (scene.steps + 1))
            if step.t == scene.steps:
                break
        return steps

    key = ("draws", repr(run.scene), plane.what, plane.regions is not None)
    return server.known_or(key, None if progress is None else make)
