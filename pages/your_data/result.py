"""What a model learned of a visitor's images: scores, who is taken for whom, its masks on new images."""

from __future__ import annotations

import dataclasses

import streamlit as st

from fbseg_core.checkpoint import Card, measured
from fbseg_core.models.base import Model
from fbseg_core.scores.evaluate import Score, evaluate
from fbseg_core.scores.matrix import confusion_matrix
from fbseg_core.tasks import task_of
from pages import menu
from pages.jobs import Followed
from pages.ui import confusion, notices, own_images, own_models, pictures, server
from pages.ui.screen import Screen
from pages.ui.training_pool import pool
from pages.your_data import answers
from pages.your_data.training import PICTURE

ENDINGS = ["png", "jpg", "jpeg", "tif", "tiff"]
MOST_NEW = 12  # new images at once


@dataclasses.dataclass(frozen=True)
class Learned:
    """A trained model, its score and its confusion matrix on the test images, and where it is kept."""

    model: Model
    score: Score
    table: object
    name: str


def learned(job: Followed, owner: str) -> Learned:
    """Score a run on the test images and keep its checkpoint.

    Raises JobError, ConfigError, CheckpointError.
    """

    def make() -> Learned:
        model, updates = pool().model(job.job, owner, 0)
        task, run = job.spec.task, job.spec.runs[0]
        images = answers.tested(task)
        score = evaluate(model, images, model.steps)
        # where the images lie on this server is nobody's business: the file may be passed on
        told = task.replace(folder="")
        card = Card(
            model=run.model, task=told, train=run.train, updates=updates, protocol="own images",
            eval_seed=0, **measured(score, model.steps),
        )  # fmt: skip
        note = own_models.Note(run.name, "trained", job.view.created)
        name, _ = own_models.keep(model, card, note, owner)
        return Learned(model, score, confusion_matrix(model, images, model.steps), name)

    return server.kept("rest", ("own", job.job, job.done(0)), make)


def show(screen: Screen, job: Followed, owner: str) -> None:
    """Scores by class, the confusion matrix, and masks on new images."""
    with st.spinner("Scoring on the test images …"):
        found = learned(job, owner)
    task = job.spec.task
    names = [notices.plain(name) for name in task_of(task).class_names(task)]
    last = found.model.steps
    st.markdown(
        f"On {found.score.images} test images: mean F1 **{found.score.f1[last]:.3f}**, mean IoU "
        f"**{found.score.iou[last]:.3f}**, without {names[0]}; the better constant answer has F1 "
        f"{found.score.chance:.3f}. One training seed."
    )
    left, right = st.columns([2, 3])
    by_class = answers.scores_by_class(found.table)
    left.table([
        {"class": name, "F1": _number(one, 0), "IoU": _number(one, 1)} for name, one in zip(names, by_class)
    ])  # fmt: skip
    right.html(confusion.table(task, found.table, "Of the pixels of each class, % answered as which"))
    show_new(screen, found.model, task)
    ways = st.container(horizontal=True)
    if found.model.traits.takes_steps and str(own_images.chosen(screen.view.source, owner)) == task.folder:
        there = {"source": screen.view.source, "model": found.name, "layer": "mask"}
        ways.link_button("Open it in Explore", menu.link("explore", task=task.name, **there))
    ways.download_button(
        "Checkpoint (safetensors)", lambda: own_models.content(found.name),
        own_models.path_of(found.name).name, "application/octet-stream", key="checkpoint", on_click="ignore",
    )  # fmt: skip


def _number(pair: tuple[float, float] | None, at: int) -> str:
    return "–" if pair is None else f"{pair[at]:.3f}"


def show_new(screen: Screen, model: Model, task) -> None:
    """Images that it has never seen, and its masks."""
    st.markdown("**Masks on new images**")
    files = st.file_uploader(
        "Images without masks", ENDINGS, accept_multiple_files=True, key=screen.key("new"),
        help="PNG, JPEG or TIFF; the middle of each is brought to the size of the training images.",
    )  # fmt: skip
    found = [answers.answer(model, task, file.name, file) for file in files[:MOST_NEW]]
    if len(files) > MOST_NEW:
        st.caption(f"The first {MOST_NEW} are shown.")
    if not found:
        return
    shown, names = [], []
    for one in found:
        shown += [pictures.input_picture(task, one.x), pictures.truth_picture(task, one.mask)]
        names += [one.name, f"mask of {one.name}"]
    st.image(shown, caption=[notices.plain(name) for name in names], width=PICTURE, alt=names)
    st.download_button(
        "All masks (zip)", answers.masks_zip(task, found), "masks.zip", "application/zip", key="masks",
        on_click="ignore",
    )  # fmt: skip
