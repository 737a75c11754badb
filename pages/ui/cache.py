"""What is computed once and shared by all visitors, read-only; the only user of st.cache_*.

What holds much is kept in `memo()`, within BUDGET; st.cache_* keeps what is small, or the same for all.
"""

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

from fbseg_core import Card, Projection, load, pca
from fbseg_core.analysis import cost
from fbseg_core.analysis.cost import Cost
from fbseg_core.analysis.ensemble import EnsembleStep, ensemble, redraw
from fbseg_core.analysis.lockstep import Walk, shared_plane, walk
from fbseg_core.checkpoint import read_card, shipped
from fbseg_core.config import Switches, TaskConfig
from fbseg_core.dynamics import Model
from fbseg_core.evaluate import Score, evaluate, f1_by_step
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.harness import Row, path_of, read
from fbseg_core.experiments.ladder import Rung, summary
from fbseg_core.experiments.report import Finding, Panel
from fbseg_core.memory import give_back_freed_memory, trim
from fbseg_core.metrics import chance
from fbseg_core.tasks import Batch, Content, draw, make_batch, task_of
from pages.ui import evidence_links, few_shot_runs, own, session
from pages.ui.jobs import Pool, watched
from pages.ui.memo import Memo, size_of
from pages.ui.scene import Run, Scene, compute
from pages.ui.stability_view import Variant

# Bytes that the process keeps for the next who asks. A run of 60 steps takes up to 42 MB and is made again
# in a moment; all else is small, and some of it took a minute: runs must not drive it out.
BUDGET = {"runs": 96 * 2**20, "rest": 64 * 2**20}
UPLOADS = 16 * 2**20  # bytes of examples that visitors brought along, which nothing can make again
AT_ONCE = 2  # runs computed at the same time: each takes several times its size on the way
FREEZES = 4  # passes
PAUSE = 5  # seconds between two passes, and between two looks for freed memory
DRAWS = 16


@st.cache_resource
def memo() -> Memo:
    """What is kept."""
    return Memo(BUDGET, AT_ONCE)


def _kept(shelf: str, key: tuple, make: Callable[[], Any], turn: bool = False) -> Any:
    return memo().get(shelf, key, make, turn=turn, meanwhile=session.heed)


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
            time.sleep(PAUSE)
        while True:
            trim()
            time.sleep(PAUSE)

    # A second thread gains little at 64 px and takes it from another visitor; and OpenBLAS, which does not
    # know that its cores are shared, took 94 ms for a PCA that needs 2 ms on one thread.
    torch.set_num_threads(1)
    threadpool_limits(1)
    give_back_freed_memory()
    imported = threading.Event()
    threading.Thread(target=work, daemon=True).start()
    return imported


def model(name: str) -> tuple[Model, Card]:
    """A checkpoint that ships, or one of a visitor's own. Raises CheckpointError."""
    return _kept("rest", ("model", name), lambda: load(own.path_of(name) or name))


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


def run(scene: Scene) -> Run:
    """The run of a scene, kept for the next visitor who asks for the same."""
    return _kept(
        "runs", ("run", repr(scene)), lambda: compute(scene, *(model(name)[0] for name in scene.models)), True
    )


def runs(scene: Scene) -> tuple[Run, Run]:
    """The run of a scene and the untouched one: the same where nothing was done."""
    one = run(scene)
    return one, run(scene.untouched()) if scene.do else one


def plane(run: Run, what: str, points: str) -> Projection:
    """The plane fitted to a run's whole trajectory, two axes; `points` as in View."""

    def make() -> Projection:
        truth = run.labels[0, 0] > 0
        split = points == "regions"
        regions = torch.stack([mask for mask in (truth, ~truth) if mask.any()]) if split else None
        return pca(run.trajectory, 2, what=what, regions=regions)

    return _kept("rest", ("plane", repr(run.scene), what, points), make)


@st.cache_data(max_entries=64, show_spinner=False)
def costs(name: str, side: int, switches: Switches) -> Cost:
    """What one image of that side costs a checkpoint, counted."""
    net, card = model(name)
    return cost.cost(net, torch.zeros(1, card.model.in_channels, side, side), switches)


@st.cache_data(max_entries=64, show_spinner=False)
def timings(name: str, side: int, switches: Switches) -> cost.Timings:
    """How long one image of that side takes a checkpoint here, timed when first asked for."""
    net, card = model(name)
    return cost.timings(net, torch.zeros(1, card.model.in_channels, side, side), switches)


def time_again(asked: Sequence[tuple[str, int, Switches]]) -> None:
    """Forget the timings of these, which other work on the machine may have disturbed."""
    for one in asked:
        timings.clear(*one)


def kept(key: tuple, make: Callable[[], Any] | None) -> Any:
    """What took long to make, for the next who asks; with None only what is there already, or None.

    `make` may draw its progress, which what st.cache_* holds cannot.
    """
    return memo().peek("rest", key) if make is None else _kept("rest", key, make)


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
    return kept(key, None if progress is None else make)


# ---- the Stability lab --------------------------------------------------------------------------------


def walk_of(variant: Variant) -> Walk:
    """The run of a variant, judged; about 2 MB at T = 60."""

    def make() -> Walk:
        net = model(variant.checkpoint)[0]
        return walk(net, batch_of(variant), variant.steps, variant.clock, variant.switches)

    return _kept("rest", ("walk", repr(variant)), make, True)


def batch_of(variant: Variant) -> Batch:
    """The image of a variant."""
    return draw(variant.task, variant.image, variant.noise)


def plane_of(variants: Sequence[Variant]) -> Projection:
    """The plane of these variants' runs, their clocks going."""
    return _kept(
        "rest",
        ("shared plane", repr(variants)),
        lambda: shared_plane([walk_of(variant).clocked for variant in variants]),
    )


@dataclass(frozen=True)
class Measured:
    """A shipped result, and what it says. raw: the file. seeds: how many values its seeds take."""

    head: dict[str, Any]
    rows: list[Row]
    panels: list[Panel]
    finding: Finding
    seeds: int
    raw: bytes


@st.cache_resource(show_spinner=False)
def measured(name: str) -> Measured | None:
    """The full result of an experiment, or None where it does not ship. Raises ConfigError."""
    experiment, path = EXPERIMENTS[name], path_of(name, "full")
    if not path.exists():
        return None
    head, rows = read(path)
    seeds = len({row.settings["seed"] for row in rows})
    return Measured(head, rows, experiment.panels(rows), experiment.conclude(rows), seeds, path.read_bytes())


@st.cache_data(show_spinner=False)
def ways(name: str) -> list[evidence_links.Told]:
    """Where an experiment's card leads, and how each place differs from the rows that ship."""
    return evidence_links.told(name, measured(name).rows, cards())


@st.cache_data(show_spinner=False)
def ladder() -> tuple[dict[str, Any], list[Rung]]:
    """The head of the shipped ladder and its rungs at two examples; nothing where it does not ship."""
    path = path_of("ladder", "full")
    if not path.exists():
        return {}, []
    head, rows = read(path)
    return head, summary(rows, 2)


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
    held = uploads()
    held[digest] = content
    while size_of(held) > UPLOADS and len(held) > 1:
        held.popitem(last=False)


def held_out(task: TaskConfig) -> tuple[Batch, float]:
    """The images that are scored while a job trains, and chance on them."""

    def make() -> tuple[Batch, float]:
        batch = watched(task)
        return batch, chance(batch.labels, len(task_of(task).class_names(task)))

    return _kept("rest", ("held out", task), make)


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
    note = own.Note(_job.spec.runs[run].name, "trained", _job.view.created)
    return Result(*own.keep(net, card, note), score, batch_f1)


@st.cache_data(max_entries=1024, show_spinner=False)
def final_f1(job: str, run: int, done: int, owner: str, _task: TaskConfig) -> float:
    """F1 of a run on the 200 fresh images, at the last step of its test."""
    net, _ = pool().model(job, owner, run)
    return f1_by_step(net, _fresh(_task), 1 if net.config.kind == "feedforward" else net.config.steps)[-1]


def _fresh(task: TaskConfig) -> Batch:
    images = few_shot_runs.IMAGES
    return _kept("rest", ("fresh", task, images), lambda: make_batch(task, images, few_shot_runs.EVAL_SEED))


@st.cache_data(max_entries=64, show_spinner=False)
def _own_card(path: str) -> Card:
    return read_card(path)
