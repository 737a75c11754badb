"""Your images: a zip of images and masks, or a folder, to a trained model and its masks on new images."""

import uuid

import streamlit as st

from fbseg_core import ConfigError
from fbseg_core.config import FolderConfig
from fbseg_core.tasks import task_of
from fbseg_core.tasks.archive import MOST_PACKED
from fbseg_core.tasks.folder import Scan
from pages.jobs import NoSuchJob
from pages.ui import controls, notices, own_images, pictures, screen, visitor
from pages.ui.own_images import UPLOAD
from pages.ui.training_pool import pool
from pages.your_data import result, training
from pages.your_data.state import YourDataState, check, job_of, task_for

SCREEN = screen.Screen("your_data", YourDataState, {}, check)
SHOWN = 4  # images of the preview
TOLD = 8  # files left out that are named


def take_zip() -> None:
    """Callback of the uploader: the zip in place of what was there."""
    file = SCREEN.chosen("zip")
    if file is not None:
        own_images.keep(visitor.owner(), file)
        SCREEN.change(source=UPLOAD)


def forget() -> None:
    """Callback: delete what the visitor sent."""
    own_images.forget(visitor.owner())
    SCREEN.change(source="")


def start(token: str) -> None:
    """Callback: train. The button's own token makes a double click one job."""
    task, _ = task_for(SCREEN.view, own_images.chosen(SCREEN.view.source, visitor.owner()))
    SCREEN.change(job=pool().start(job_of(SCREEN.view, task), visitor.owner(), token))


def choose_source(view: YourDataState) -> None:
    """Where the images come from."""
    listed = list(own_images.listed())
    if listed:
        options = ["", UPLOAD, *listed]
        told = {"": "choose one", UPLOAD: "a zip of your own"}
        st.selectbox(
            "Images from", options, key=SCREEN.bind("source", view.source), on_change=SCREEN.take,
            args=("source",), format_func=lambda name: told.get(name, name), 
            help="Folders that were opened when the app was started, or the zip that you send.",
        )  # fmt: skip
    st.file_uploader(
        f"A zip of images and masks, up to {MOST_PACKED >> 20} MB", ["zip"], key=SCREEN.key("zip"),
        on_change=SCREEN.attempt, args=(take_zip,), max_upload_size=MOST_PACKED >> 20,
        help="Folders images/ and masks/ with files of the same names; or the layout of Pascal VOC, "
        "Cityscapes or Data Science Bowl 2018. Masks hold class numbers from 0; 255 is void, or, where masks "
        "hold nothing else but 0, what is marked.",
    )  # fmt: skip
    st.caption(
        "Your images stay on this server, for you alone, and are deleted "
        f"{own_images.KEPT / 3600:g} hours after your last visit."
    )


def show_found(task: FolderConfig, found: Scan) -> None:
    """What was recognised."""
    train, test = (len(found.rows(split)) for split in ("train", "test"))
    kind = task_of(task)
    names = notices.plain(", ".join(found.classes))
    split = "as the layout says" if found.pairs and found.pairs[0].split else "chosen by a seed"
    st.markdown(
        f"**{found.title}**: {train} images to learn from, {test} to test on ({split}); "
        f"{len(found.classes)} classes: {names}."
    )
    if found.problems:
        with st.expander(f"{len(found.problems)} file{'s' * (len(found.problems) > 1)} left out"):
            for sentence in found.problems[:TOLD]:
                st.text(sentence)
            if len(found.problems) > TOLD:
                st.caption(f"and {len(found.problems) - TOLD} more")
    if not train:
        raise ConfigError("There is no sound image to learn from.")
    content = kind.content(task, min(SHOWN, train), 0)
    shown = []
    for image, labels in zip(content.clean, content.labels):
        shown.append(pictures.input_picture(task, kind.normalise(task, image[None])[0]))
        shown.append(pictures.truth_picture(task, labels))
    alt = ["An image as it is learned from", "Its mask"] * len(content.labels)
    st.image(shown, width=training.PICTURE, alt=alt)
    if told := pictures.legend(task, content.labels):
        st.html(told)
    st.caption(
        f"The middle of each image, brought to {pictures.pixels(task)} (labels by the nearest pixel) and to "
        "mean 0 and deviation 1. In training, images are flipped, turned by quarters, and lit otherwise."
    )


def choose(view: YourDataState, found: Scan) -> None:
    """The settings of the training."""
    left, middle, right = st.columns(3)
    with left:
        controls.choice(SCREEN, "kind", "Model", view.kind, ("feedback", "feedforward"))
        controls.slider(SCREEN, "updates", "Updates", view.updates)
    with middle:
        controls.slider(SCREEN, "side", "Side", view.side)
        controls.slider(SCREEN, "rare", "Weight of rare classes", view.rare)
    with right:
        controls.toggle(SCREEN, "colour", "In colour", view.colour)
        if found.layout == "nuclei":
            controls.toggle(SCREEN, "border", "Border as a class", view.border)
        controls.seed(SCREEN, "seed", "Seed", "seed")


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    st.title("Your images", anchor=False)
    st.markdown("From images and masks of your own to a trained model, and its masks on new images.")
    notices.noted(SCREEN.noted)
    view, owner = SCREEN.view, visitor.owner()
    st.subheader("1 · Images and masks", anchor=False)
    choose_source(view)
    folder = own_images.chosen(view.source, owner)
    if view.source == UPLOAD and folder is None:
        st.caption("The images of this link are not kept here: send the zip again.")
    if folder is not None:
        task, found = task_for(view, folder)
        show_found(task, found)
        if view.source == UPLOAD:
            st.button("Delete my images", on_click=SCREEN.attempt, args=(forget,))
        st.subheader("2 · Train", anchor=False)
        choose(view, found)
        training.show_start(SCREEN, start, job_of(view, task), uuid.uuid4().hex)
    if view.job:
        try:
            followed = training.follow(SCREEN, owner)
        except NoSuchJob:
            st.caption("The run that this link names is not this browser's, or was deleted.")
        else:
            training.show(SCREEN, followed)
            if not followed.view.active and followed.done(0):
                st.subheader("3 · What it learned", anchor=False)
                result.show(SCREEN, followed, owner)
    visitor.remember_owner()
    SCREEN.write_link()


screen.begin()
try:
    page()
except notices.REFUSED as error:
    notices.refused(error)
    SCREEN.write_link()
