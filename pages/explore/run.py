"""What the Explore screen computes: a scene with nothing left open, and its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fbseg_core import Card, CheckpointError, ConfigError, Trajectory, rollout
from fbseg_core.config import ModelConfig, Switches, TaskConfig
from fbseg_core.experiments.subject import Subject, of_card
from fbseg_core.models.base import Model, Traits
from fbseg_core.models.registry import traits_of
from fbseg_core.rollout.interventions import Swap, intervene, unpack_mask
from fbseg_core.tasks import Batch, Content, draw, task_of
from pages.explore.state import ExploreState
from pages.ui import budget, own_images, own_models, visitor

MOST_REGIONS = 8  # paths in a plane that can still be told apart


@dataclass(frozen=True)
class Scene:
    """What a view asks to compute, with nothing left open: equal scenes give equal runs."""

    models: tuple[str, str]
    task: TaskConfig
    image: int
    noise: int
    steps: int
    switches: Switches
    drawing: str = ""
    cue: tuple[int, int] | None = None
    do: tuple = ()

    def told(self) -> Scene:
        """The same without the place of a visitor's images on this server: it may be passed on."""
        if task_of(self.task).on_its_own:
            return self
        return Scene(**{**vars(self), "task": self.task.replace(folder="")})

    def untouched(self) -> Scene:
        """The same without interventions."""
        return Scene(**{**vars(self), "do": ()})


class Region(NamedTuple):
    """The pixels of one class. mask (H, W) bool."""

    name: str
    label: int
    mask: Tensor


@dataclass(frozen=True)
class Run:
    """One image through the model of a scene, and through its comparison.

    trajectory: with the scene's interventions; x (T+1, 1, C, H, W) and labels (T+1, 1, H, W) what holds at
    each step. comparison: the other model's logits for the image in force, (T+1, 1, K, H, W), or
    (1, 1, K, H, W) where one answer holds throughout. comparison_stopped: why its run ended early, or None.
    trivial: the answer of the task's trivial baseline at each step (T+1, 1, H, W), None where it has none.
    """

    scene: Scene
    content: Content
    batch: Batch
    trajectory: Trajectory
    x: Tensor
    labels: Tensor
    refused: tuple[str, ...]
    comparison: Tensor
    comparison_stopped: str | None
    trivial: Tensor | None = None


def choices(cards: Mapping[str, Card], task: str, *named: str) -> tuple[list[str], list[str]]:
    """A task's checkpoints that may be the model, and those that it may be compared with; best first.

    named: checkpoints that a view names; a visitor's own are among the choices where they are. Raises
    CheckpointError where there are none, ConfigError for a task without checkpoints.
    """
    if not cards:
        raise CheckpointError("There is no checkpoint: make one by a command of checkpoints/README.md.")
    kinds = {
        name: traits_of(card.model)
        for name, card in cards.items()
        # the screen's switches start from a model trained with everything on; one that leaks needs no clock
        if card.task.name == task and _all_on(card.model)
    }
    theirs = {name: cards[name] for name in named if own_models.kept(name)}
    kinds |= {name: traits_of(card.model) for name, card in theirs.items() if card.task.name == task}
    if not kinds:
        raise ConfigError(
            f"There is no checkpoint of the task {task!r:.40}; choose from {', '.join(tasks(cards))}."
        )
    # a closed loop first; of one kind the checkpoint that bears its name alone
    names = sorted(kinds, key=lambda name: (not kinds[name].has_loop, not _plainly(name, task, kinds), name))
    first = [name for name in names if kinds[name].takes_steps]
    second = [name for name in names if not kinds[name].takes_steps] + first[::-1]
    if first:  # compared with what takes the same images and answers in the same classes
        chosen = named[0] if named and named[0] in first else first[0]
        fit = [name for name in second if _alike(cards[name], cards[chosen])]
        # what marks the same comes first; where nothing else takes the same images, it stands beside itself
        fit.sort(key=lambda name: _target(cards[name]) != _target(cards[chosen]))
        second = [name for name in fit if name != chosen or name in named[1:]] or [chosen]
    else:
        raise CheckpointError(f"Task {task!r} has no checkpoint of a model that takes steps.")
    return first, second


def _all_on(model: ModelConfig) -> bool:
    return model.projection != "none" and (model.decay != "none" or model.integrator == "leaky")


def _plainly(name: str, task: str, kinds: Mapping[str, Traits]) -> bool:
    return name == f"{task}-{kinds[name].title.replace(' ', '-')}"


def _alike(one: Card, other: Card) -> bool:
    return (one.model.classes, one.model.in_channels) == (other.model.classes, other.model.in_channels)


def _target(card: Card) -> str | None:
    """What a model was trained to mark, of a task that leaves a choice."""
    return getattr(card.task, "target", None)


def tasks(cards: Mapping[str, Card], *more: str) -> list[str]:
    """The tasks that have a model to show, and those named; shapes, the paper's, comes first."""
    names = {
        card.task.name for card in cards.values() if traits_of(card.model).takes_steps and _all_on(card.model)
    }
    return sorted(names | set(more), key=lambda name: (name != "shapes", name))


def scene_of(view: ExploreState, cards: Mapping[str, Card]) -> Scene:
    """Fill in what a view leaves to its checkpoints. Raises ConfigError for what does not fit together."""
    first, second = choices(cards, view.task, view.model, view.comparison)
    names = view.model or first[0], view.comparison or second[0]
    for name, known in zip(names, (first, second)):
        if name not in known:
            raise ConfigError(own_models.missing(name, known))
    card = cards[names[0]]
    built, trained = card.model, card.task
    task = trained if view.sigma is None else trained.replace(sigma=view.sigma)
    if not task_of(task).on_its_own:
        task = _with_images(task, view.source)
    height, width = task.size
    steps = view.T or built.steps
    for name in names:
        budget.check(cards[name].model, task.size, steps)
    if (view.drawing or view.cue is not None) and not task_of(task).drawable:
        raise ConfigError(f"drawing: images of the task {task.name!r} cannot be drawn.")
    if view.drawing:
        unpack_mask(view.drawing, task.size)
    if view.cue is not None and not (view.cue[0] < height and view.cue[1] < width):
        raise ConfigError(f"cue: {view.cue} is outside the image of {height} × {width} px.")
    return Scene(
        models=names,
        task=task,
        image=view.image,
        noise=view.noise,
        steps=steps,
        switches=Switches(
            loop=None if view.loop else False,
            softmax=None if view.softmax else False,
            decay=None if view.decay else False,
            tau=view.tau,
            spectrum=None if view.eigenvalue is None else (view.eigenvalue,),
            clock=view.clock,
            kernel=view.kernel or None,
            integrator=view.integrator or None,
            k=view.k,
        ),
        drawing=view.drawing,
        cue=view.cue,
        do=view.do,
    )


def _with_images(task: TaskConfig, source: str) -> TaskConfig:
    """A task that reads files, told where they are: what this visitor sent, or a folder opened at the start.

    Raises ConfigError for whoever has the link and not the images, or others than the model's.
    """
    folder = own_images.chosen(source, visitor.owner())
    if folder is None:
        raise ConfigError(
            "source: the images of this model are shown only in the browser that sent them, and while they "
            "are kept."
        )
    task = task.replace(folder=str(folder))
    if not task_of(task).supply(task, "test"):
        raise ConfigError("source: there is no sound image to test on.")
    return task


def subjects(view: ExploreState, cards: Mapping[str, Card]) -> Iterator[Subject]:
    """The two models that a view shows, as they are run."""
    scene = scene_of(view, cards)
    model, other = (cards[name] for name in scene.models)
    yield of_card(model, scene.task, scene.steps, scene.switches)
    yield of_card(other, scene.task, scene.steps if traits_of(other.model).takes_steps else 1)


def compute(scene: Scene, net: Model, other: Model, content: Content | None = None) -> Run:
    """Run a scene: the model with its interventions, and its comparison. content: its image, where known."""
    task = task_of(scene.task)
    if content is None:
        content = task.content(scene.task, 1, scene.image, "test")
    if scene.drawing or scene.cue is not None:
        mask, cue = task.sketch(scene.task, content)
        if scene.drawing:
            mask = torch.from_numpy(unpack_mask(scene.drawing, tuple(mask.shape)))
        content = task.drawn(scene.task, mask, scene.cue or cue)
    noise = task.noise(scene.task, 1, scene.noise)
    batch = task.observe(scene.task, content, noise)
    result = intervene(net, scene.task, batch, scene.steps, scene.do, scene.switches)
    comparison, comparison_stopped = _comparison(other, scene, batch, len(result.x))
    return Run(
        scene=scene,
        content=content,
        batch=batch,
        trajectory=result.trajectory,
        x=result.x,
        labels=result.labels,
        refused=result.refused,
        comparison=comparison,
        comparison_stopped=comparison_stopped,
        trivial=result.trivial,
    )


def cues_of(run: Run) -> list[tuple[int, int] | None] | None:
    """The cue's (row, column) at each step, None where there is none; None for a task without cues."""
    return task_of(run.scene.task).cues(run.scene.task, run.x[:, 0])


def shown_of(config: TaskConfig) -> list[int]:
    """The channels of the picture of an image: three for colour, or one."""
    shown = list(task_of(config).shown_channels(config))
    return shown if len(shown) == 3 else shown[:1]


def regions_of(run: Run) -> list[Region]:
    """The pixels of each class in the first image's truth, the background's last; void belongs to none.

    Of more than MOST_REGIONS classes the largest.
    """
    names = task_of(run.scene.task).class_names(run.scene.task)
    if len(names) == 2:
        names = ("background", "shape")
    truth = run.labels[0, 0]
    found = [Region(name, k, truth == k) for k, name in enumerate(names) if (truth == k).any()]
    kept = sorted(found, key=lambda region: -int(region.mask.sum()))[:MOST_REGIONS]
    return sorted(kept, key=lambda region: (region.label == 0, region.label))


def cue_note(run: Run, drawable: bool) -> str:
    """`cue_warning` where the first image's cue stands on background, "" where on a region."""
    cue = (cues_of(run) or [None])[0]
    return "" if cue is None or run.labels[0, 0][cue] else cue_warning(drawable)


def cue_warning(drawable: bool) -> str:
    """What a cue on background means, and what to do."""
    told = "The cue stands on background, so no region is asked for and the truth is empty"
    remedy = ": stop drawing and click a region of the input, or draw one under the cue" if drawable else ""
    return f"{told}{remedy}."


def ended_early(run: Run, untouched: Run) -> list[str]:
    """One sentence for each run on show that has fewer steps than asked for."""
    ended = [("The run", run.trajectory.stopped)]
    if untouched is not run:
        ended.append(("The untouched run", untouched.trajectory.stopped))
    ended.append((f"The run of {run.scene.models[1]}", run.comparison_stopped))
    return [f"{what} ended early: {why}. What was reached is shown." for what, why in ended if why]


def _comparison(other: Model, scene: Scene, batch: Batch, frames: int) -> tuple[Tensor, str | None]:
    """The other model's logits at each step, and why they end early, if so.

    It meets the same images and is otherwise left alone.
    """
    swaps = [item for item in scene.do if isinstance(item, Swap)]
    if other.traits.takes_steps:
        trajectory = intervene(other, scene.task, batch, scene.steps, swaps).trajectory
        logits = trajectory.logits
        held = logits[-1:].expand(frames, *logits.shape[1:])
        return torch.cat([logits, held])[:frames], trajectory.stopped if len(logits) < frames else None
    starts = {0: rollout(other, batch.x, 1).logits[-1]}
    for swap in swaps:
        starts[swap.t] = rollout(other, draw(scene.task, swap.seed, swap.noise).x, 1).logits[-1]
    order = sorted(starts)
    if len(order) == 1:
        return starts[0][None], None
    return torch.stack([starts[max(t for t in order if t <= now)] for now in range(frames)]), None
