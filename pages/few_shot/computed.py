"""What the Few-shot lab keeps and computes once: the training jobs, uploads, and scores on fresh images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fbseg_core import Card
from fbseg_core.config import EVAL_SEED, Switches, TaskConfig
from fbseg_core.scores.evaluate import Score, evaluate, f1_by_step, trivial_f1
from fbseg_core.scores.matrix import confusion_matrix
from fbseg_core.scores.metrics import chance
from fbseg_core.tasks import Batch, Content, make_batch, task_of
from fbseg_core.tasks.batches import Batches
from pages.few_shot import followed_runs, kept_uploads
from pages.jobs import Followed, validation_images
from pages.ui import own_models, pictures, server, visitor
from pages.ui.once import recent
from pages.ui.training_pool import pool

Levels = dict[str, float]
KEPT = 32 * 2**20  # bytes of fresh images, at most, that are kept; of more, each is drawn when it is scored


def uploads() -> Mapping[str, Content]:
    """The examples that this visitor uploaded, by the digest of their files."""
    return kept_uploads.kept().of(visitor.owner())


def keep_upload(digest: str, content: Content) -> None:
    """Keep an example of this visitor for as long as there is room."""
    kept_uploads.kept().keep(visitor.owner(), digest, content)


def validation(task: TaskConfig) -> tuple[Batch, Levels]:
    """The validation images, which are scored while a job trains, and what is to be beaten on them."""

    def make() -> tuple[Batch, Levels]:
        batch, classes = validation_images(task), len(task_of(task).class_names(task))
        return batch, levels(task, chance(batch.labels, classes), trivial_f1(batch, classes))

    return server.kept("rest", ("validation", task), make)


def levels(task: TaskConfig, chance: float, trivial: float | None) -> Levels:
    """F1 by name of what learns nothing of a task: chance, and its trivial baseline where it has one."""
    return {"chance": chance} | ({} if trivial is None else {task_of(task).trivial_name(task): trivial})


@dataclass(frozen=True)
class Scored:
    """A trained model's score on fresh images, and the name under which its checkpoint is kept.

    batch_f1: F1 at the last step with each batch's own statistics, for a model with batch norm. table: the
    confusion matrix at T, truth by answer, of more than two classes.
    """

    name: str
    card: Card
    score: Score
    batch_f1: float | None
    table: np.ndarray | None


def result(job: Followed, run: int, owner: str) -> Scored:
    """Score a run on 200 fresh images and keep its checkpoint. Raises JobError or CheckpointError."""
    return _result(job.job, run, job.done(run), owner, job)


@recent(256)
def _result(name: str, run: int, done: int, owner: str, _job: Followed) -> Scored:
    net, updates = pool().model(name, owner, run)
    fresh = _fresh(_job.spec.task)
    score = evaluate(net, fresh, net.steps)
    batch_f1 = None
    if net.config.norm == "batch":
        batch_f1 = evaluate(net, fresh, net.steps, Switches(batch_statistics=True)).f1[-1]
    at = min(_job.spec.runs[run].train.steps_max, net.steps)
    table = None if pictures.of_two(_job.spec.task) else confusion_matrix(net, fresh, at)
    card = followed_runs.card(_job, run, updates, score)
    note = own_models.Note(_job.spec.runs[run].name, "trained", _job.view.created)
    return Scored(*own_models.keep(net, card, note, owner), score, batch_f1, table)


@recent(1024)
def final_f1(job: str, run: int, done: int, owner: str, _task: TaskConfig) -> float:
    """F1 of a run on the 200 fresh images, at the last step of its test."""
    net, _ = pool().model(job, owner, run)
    return f1_by_step(net, _fresh(_task), net.steps)[-1]


def _fresh(task: TaskConfig) -> Batch | Batches:
    images = followed_runs.IMAGES
    drawn = Batches(task, images, EVAL_SEED, "test")
    if drawn.nbytes > KEPT:
        return drawn
    return server.kept("rest", ("fresh", task, images), lambda: make_batch(task, images, EVAL_SEED, "test"))
