"""What is computed once and shared by all visitors, read-only; the only user of st.cache_*."""

from __future__ import annotations

import gc
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from fbseg_core import Card, CheckpointError, ConfigError, Projection, Trajectory, load, pca, rollout
from fbseg_core.analysis.cost import Cost, cost
from fbseg_core.analysis.ensemble import EnsembleStep, ensemble, redraw
from fbseg_core.analysis.lockstep import Walk, shared_plane, walk
from fbseg_core.checkpoint import read_card, shipped
from fbseg_core.config import Switches, TaskConfig
from fbseg_core.dynamics import Model
from fbseg_core.evaluate import Score, evaluate, f1_by_step
from fbseg_core.interventions import Swap, perturb, unpack_mask
from fbseg_core.metrics import chance
from fbseg_core.tasks import Batch, Content, draw, make_batch, task_of
from pages.ui import few_shot_runs, own
from pages.ui.jobs import Pool, watched
from pages.ui.stability_view import Variant
from pages.ui.view import View

FREEZES = 4  # passes, five seconds apart
DRAWS = 16
KEPT = 6  # ensembles
UPLOADS = 64  # examples that visitors brought along


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

    def untouched(self) -> Scene:
        """The same without interventions."""
        return Scene(**{**vars(self), "do": ()})


@dataclass(frozen=True)
class Run:
    """One image through the model of a scene, and through the one beside it.

    trajectory: with the scene's interventions; x (T+1, 1, C, H, W) and labels (T+1, 1, H, W) what holds at
    each step. beside: the other model's logits for the image in force, (T+1, 1, K, H, W), or (1, 1, K, H, W)
    where one answer holds throughout.
    """

    scene: Scene
    content: Content
    noise: Tensor
    batch: Batch
    trajectory: Trajectory
    x: Tensor
    labels: Tensor
    refused: tuple[str, ...]
    beside: Tensor


@st.cache_resource
def warm_up() -> threading.Event:
    """Once a process: import what the first page can do without, then spare later collections the bulk.

    The event is set once scikit-learn is there, over a second after the first page could be.

    The script runner collects garbage after every run, holding up all visitors for as long as there are
    objects to visit; frozen ones are passed over.
    """

    def work() -> None:
        import sklearn.decomposition  # noqa: F401

        imported.set()
        for _ in range(FREEZES):  # the first visitors' runs import and cache more: take it in as it comes
            gc.collect()
            gc.freeze()
            time.sleep(5)

    # A second thread gains little at 64 px and takes it from another visitor; and OpenBLAS, which does not
    # know that its cores are shared, took 94 ms for a PCA that needs 2 ms on one thread.
    torch.set_num_threads(1)
    threadpool_limits(1)
    imported = threading.Event()
    threading.Thread(target=work, daemon=True).start()
    return imported


@st.cache_resource(max_entries=16, show_spinner=False)
def model(name: str) -> tuple[Model, Card]:
    """A checkpoint that ships, or one of a visitor's own. Raises CheckpointError."""
    return load(own.path_of(name) or name)


class Cards(dict[str, Card]):
    """Cards by name: those that ship are listed, a visitor's own are found by their name alone."""

    def __missing__(self, name: str) -> Card:
        path = own.path_of(name)
        if path is None:
            raise KeyError(name)
        return _own_card(str(path))


@st.cache_data(show_spinner=False)
def cards() -> Cards:
    """The cards of all checkpoints that ship, by name."""
    return Cards({name: read_card(name) for name in shipped()})


def choices(task: str, *named: str) -> tuple[list[str], list[str]]:
    """A task's checkpoints that may be the model, and those that may stand beside it; best first.

    named: checkpoints that a view names; a visitor's own are among the choices where they are. Raises
    CheckpointError where there are none, ConfigError for a task without checkpoints.
    """
    if not cards():
        raise CheckpointError("There is no checkpoint: make one by a command of checkpoints/README.md.")
    kinds = {
        name: card.model.kind
        for name, card in cards().items()
        # the screen's switches start from a model trained with everything on
        if card.task.name == task and "none" not in (card.model.projection, card.model.decay)
    }
    theirs = {name: cards()[name] for name in named if own.kept(name)}
    kinds |= {name: card.model.kind for name, card in theirs.items() if card.task.name == task}
    if not kinds:
        raise ConfigError(
            f"There is no checkpoint of the task {task!r:.40}; choose from {', '.join(tasks())}."
        )
    plain = f"{task}-"
    order = ["feedback", "loop_cut", "feedforward"]
    names = sorted(
        kinds, key=lambda name: (order.index(kinds[name]), name.removeprefix(plain) not in order, name)
    )
    first = [name for name in names if kinds[name] != "feedforward"]
    second = [name for name in names if kinds[name] == "feedforward"] + first[::-1]
    second = [name for name in second if name != first[0]] if first else second
    if not first or not second:
        raise CheckpointError(f"Task {task!r} needs a recurrent and another checkpoint to compare.")
    return first, second


def tasks() -> list[str]:
    """The tasks that have checkpoints; shapes, the paper's, comes first."""
    return sorted({card.task.name for card in cards().values()}, key=lambda name: (name != "shapes", name))


def scene_of(view: View) -> Scene:
    """Fill in what a view leaves to its checkpoints. Raises ConfigError for what does not fit together."""
    first, second = choices(view.task, view.model, view.beside)
    names = view.model or first[0], view.beside or second[0]
    for name, known in zip(names, (first, second)):
        if name not in known:
            raise ConfigError(
                f"There is no checkpoint {name!r:.80} for this; choose from {', '.join(known)}."
            )
    card = cards()[names[0]]
    built, trained = card.model, card.task
    task = trained if view.sigma is None else trained.replace(sigma=view.sigma)
    if view.drawing:
        unpack_mask(view.drawing, (task.side, task.side))
    if view.cue is not None and max(view.cue) >= task.side:
        raise ConfigError(f"cue: {view.cue} is outside the image of {task.side} × {task.side} px.")
    return Scene(
        models=names,
        task=task,
        image=view.image,
        noise=view.noise,
        steps=view.T or built.steps,
        switches=Switches(
            loop=None if view.loop else False,
            softmax=None if view.softmax else False,
            decay=None if view.decay else False,
            tau=view.tau,
            spectrum=None if view.eigenvalue is None else (view.eigenvalue,),
            clock=view.clock,
            kernel=view.kernel or None,
        ),
        drawing=view.drawing,
        cue=view.cue,
        do=view.do,
    )


def run(scene: Scene) -> Run:
    """The run of a scene, kept for the next visitor who asks for the same."""
    return _run(repr(scene), scene)


@st.cache_resource(max_entries=4, show_spinner=False)  # up to 42 MB each, at T = 60
def _run(key: str, _scene: Scene) -> Run:
    task = task_of(_scene.task)
    content = task.content(_scene.task, 1, _scene.image)
    if _scene.drawing or _scene.cue is not None:
        mask, cue = task.sketch(_scene.task, content)
        if _scene.drawing:
            mask = torch.from_numpy(unpack_mask(_scene.drawing, tuple(mask.shape)))
        content = task.drawn(_scene.task, mask, _scene.cue or cue)
    noise = task.noise(_scene.task, 1, _scene.noise)
    batch = task.observe(_scene.task, content, noise)
    net, other = model(_scene.models[0])[0], model(_scene.models[1])[0]
    result = perturb(net, _scene.task, batch, _scene.steps, _scene.do, _scene.switches)
    return Run(
        scene=_scene,
        content=content,
        noise=noise,
        batch=batch,
        trajectory=result.trajectory,
        x=result.x,
        labels=result.labels,
        refused=result.refused,
        beside=_beside(other, _scene, batch, len(result.x)),
    )


def _beside(other: Model, scene: Scene, batch: Batch, frames: int) -> Tensor:
    """The other model's logits at each step; it meets the same images and is otherwise left alone."""
    swaps = [item for item in scene.do if isinstance(item, Swap)]
    if other.config.kind != "feedforward":
        logits = perturb(other, scene.task, batch, scene.steps, swaps).trajectory.logits
        return torch.cat([logits, logits[-1:].expand(frames, *logits.shape[1:])])[:frames]
    starts = {0: rollout(other, batch.x, 1).logits[-1]}
    for swap in swaps:
        starts[swap.t] = rollout(other, draw(scene.task, swap.seed, swap.noise).x, 1).logits[-1]
    order = sorted(starts)
    if len(order) == 1:
        return starts[0][None]
    return torch.stack([starts[max(t for t in order if t <= now)] for now in range(frames)])


def plane(run: Run, what: str, points: str) -> Projection:
    """The plane fitted to a run's whole trajectory, two axes; `points` as in View."""
    return _plane(repr(run.scene), what, points, run)


@st.cache_resource(max_entries=16, show_spinner=False)
def _plane(key: str, what: str, points: str, _run: Run) -> Projection:
    truth = _run.labels[0, 0] > 0
    regions = torch.stack([mask for mask in (truth, ~truth) if mask.any()]) if points == "regions" else None
    return pca(_run.trajectory, 2, what=what, regions=regions)


@st.cache_data(max_entries=64, show_spinner=False)
def costs(name: str, side: int) -> Cost:
    """What one image of that side costs a checkpoint, timed once on this machine."""
    net, card = model(name)
    return cost(net, torch.zeros(1, card.model.in_channels, side, side))


@st.cache_resource
def _ensembles() -> OrderedDict[str, list[EnsembleStep]]:
    return OrderedDict()


def draws(run: Run, plane: Projection, progress: Callable[[float], None] | None) -> list[EnsembleStep] | None:
    """16 noise draws of a run's image, untouched, one entry a step.

    Kept for the next who asks. `progress` is told the share done, and may raise to stop; with None only
    what is there already is returned, or None.
    """
    key = f"{run.scene!r} {plane.what} {plane.regions is not None}"
    kept = _ensembles()
    if key not in kept:
        if progress is None:
            return None
        scene, steps = run.scene, []
        batch = redraw(scene.task, run.content, DRAWS, scene.noise)
        for step in ensemble(model(scene.models[0])[0], batch, scene.switches, plane):
            steps.append(step)
            progress(len(steps) / (scene.steps + 1))
            if step.t == scene.steps:
                break
        kept[key] = steps
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return kept[key]


# ---- the Stability lab --------------------------------------------------------------------------------


def walk_of(variant: Variant) -> Walk:
    """The run of a variant, judged; about 2 MB at T = 60."""
    return _walk(repr(variant), variant)


@st.cache_resource(max_entries=16, show_spinner=False)
def _walk(key: str, _variant: Variant) -> Walk:
    return walk(
        model(_variant.checkpoint)[0], batch_of(_variant), _variant.steps, _variant.clock, _variant.switches
    )


def batch_of(variant: Variant) -> Batch:
    """The image of a variant."""
    return draw(variant.task, variant.image, variant.noise)


def plane_of(variants: Sequence[Variant]) -> Projection:
    """The plane of these variants' runs, their clocks going."""
    return _shared_plane(repr(variants), variants)


@st.cache_resource(max_entries=8, show_spinner=False)
def _shared_plane(key: str, _variants: Sequence[Variant]) -> Projection:
    return shared_plane([walk_of(variant).clocked for variant in _variants])


@st.cache_resource
def _kept() -> OrderedDict[tuple, Any]:
    return OrderedDict()


def kept(key: tuple, make: Callable[[], Any] | None) -> Any:
    """What took long to make, for the next who asks; with None only what is there already, or None.

    `make` may draw its progress, which what st.cache_* holds cannot.
    """
    held = _kept()
    if key not in held:
        if make is None:
            return None
        held[key] = make()
        while len(held) > 16:
            held.popitem(last=False)
    return held[key]


# ---- what visitors train and bring along ------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def pool() -> Pool:
    """The server's training jobs."""
    return Pool()


@st.cache_resource
def uploads() -> OrderedDict[str, Content]:
    """Examples that were uploaded, by the digest of their files; the oldest make room."""
    return OrderedDict()


def keep_upload(digest: str, content: Content) -> None:
    """Keep an uploaded example for as long as there is room."""
    uploads()[digest] = content
    while len(uploads()) > UPLOADS:
        uploads().popitem(last=False)


@st.cache_data(max_entries=16, show_spinner=False)
def held_out(task: TaskConfig) -> tuple[Batch, float]:
    """The images that are scored while a job trains, and chance on them."""
    batch = watched(task)
    return batch, chance(batch.labels, len(task_of(task).class_names(task)))


@dataclass(frozen=True)
class Result:
    """A trained model's score on fresh images, and the name under which its checkpoint is kept.

    batch_f1: F1 at the last step with each batch's own statistics, for a model with batch norm.
    """

    name: str
    card: Card
    score: Score
    batch_f1: float | None


def result(job: few_shot_runs.Followed, run: int, owner: str) -> Result:
    """Score a run on 200 fresh images and keep its checkpoint. Raises JobError or CheckpointError."""
    return _result(job.job, run, job.done(run), owner, job)


@st.cache_data(max_entries=256, show_spinner=False)
def _result(name: str, run: int, done: int, owner: str, _job: few_shot_runs.Followed) -> Result:
    net, updates = pool().model(name, owner, run)
    fresh = _fresh(_job.spec.task)
    steps = 1 if net.config.kind == "feedforward" else net.config.steps
    score = evaluate(net, fresh, steps)
    batch_f1 = None
    if net.config.norm == "batch":
        batch_f1 = evaluate(net, fresh, steps, Switches(batch_statistics=True)).f1[-1]
    card = few_shot_runs.card(_job, run, updates, score)
    return Result(*own.keep(net, card), score, batch_f1)


@st.cache_data(max_entries=1024, show_spinner=False)
def final_f1(job: str, run: int, done: int, owner: str, _task: TaskConfig) -> float:
    """F1 of a run on the 200 fresh images, at the last step of its test."""
    net, _ = pool().model(job, owner, run)
    return f1_by_step(net, _fresh(_task), 1 if net.config.kind == "feedforward" else net.config.steps)[-1]


@st.cache_data(max_entries=4, show_spinner=False)
def _fresh(task: TaskConfig) -> Batch:
    return make_batch(task, few_shot_runs.IMAGES, few_shot_runs.EVAL_SEED)


@st.cache_data(max_entries=64, show_spinner=False)
def _own_card(path: str) -> Card:
    return read_card(path)
