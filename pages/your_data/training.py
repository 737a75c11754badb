"""A training on a visitor's images: its cost, its buttons, and what it answers while it learns."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.jobs import Followed, Follower, JobError, NoSuchJob, Spec, validation_images
from pages.jobs.spec import SHOWN
from pages.ui import notices, pictures, server, visitor
from pages.ui.screen import Screen
from pages.ui.training_pool import STATES, pool

POLL = 1.2  # seconds between two looks at a run
PICTURE, OF_THREE = 130, 110  # px: two, or three, beside each other on a phone


def show_start(screen: Screen, start: Callable[[str], None], spec: Spec, token: str) -> None:
    """The button, and what the run would cost."""
    push, cost = st.columns([1, 3], vertical_alignment="center")
    try:
        spec.check(pool().limits)
        reason = ""
    except JobError as error:
        reason = str(error)
    active = any(job.active for job in pool().jobs(visitor.owner()))
    push.button(
        "Start training", type="primary", width="stretch", key="start", disabled=bool(reason) or active,
        on_click=screen.attempt, args=(start, token),
    )  # fmt: skip
    with cost:
        if reason:
            notices.noted(reason)
        elif active:
            st.caption("A run is under way; stop it to start another.")
        else:
            asking = _told(spec) is None
            st.fragment(_show_cost, run_every=1.0 if asking else None)(spec, asking)


def _told(spec: Spec) -> str | None:
    """What the run would cost on this machine, in words; None until that is measured."""
    try:
        found = pool().estimate(spec)
    except JobError as error:
        return str(error)
    if found is None:
        return None
    most = pool().limits.seconds
    words = f"About **{found.seconds:.0f} s** on this machine, measured."
    return words + (
        f" It will be ended after {most:.0f} s, and keep what it learned." * (found.seconds > most)
    )


def _show_cost(spec: Spec, asking: bool) -> None:
    told = _told(spec)
    if told is not None and asking:
        st.rerun()  # nothing more to ask
    st.caption(told or "Measuring what this costs here …")


def follow(screen: Screen, owner: str) -> Followed:
    """The run on show, read anew. Raises NoSuchJob."""
    if screen.recalled("follower") is None:
        screen.remember("follower", Follower())
    return screen.recalled("follower").poll(pool(), screen.view.job, owner)


def show(screen: Screen, job: Followed) -> None:
    """Its buttons, and what is drawn again and again while it is under way."""
    owner, view = visitor.owner(), job.view
    row = st.container(horizontal=True)
    label, act = ("Resume", pool().resume) if view.resumable else ("Pause", pool().pause)
    row.button(
        label, key="pause", on_click=screen.attempt, args=(lambda: act(job.job, owner),),
        disabled=not view.active and not view.resumable, width=100,
    )  # fmt: skip
    row.button(
        "Stop", key="stop", on_click=screen.attempt, args=(lambda: pool().stop(job.job, owner),),
        disabled=not view.active and view.state != "paused", width=100, help="What was learned is kept.",
    )  # fmt: skip
    st.fragment(_show_run, run_every=POLL if view.active else None)(screen, view.state)


@notices.told
def _show_run(screen: Screen, state: str) -> None:
    owner = visitor.owner()
    try:
        job = follow(screen, owner)
        masks = pool().masks(job.job, owner, 0)
    except NoSuchJob:
        st.rerun()  # deleted meanwhile, which the page tells
    except JobError as error:  # its folder cannot be read just now
        st.caption(notices.plain(str(error)))
        return
    if job.view.state != state:
        st.rerun()  # the buttons change with the state, and the timer
    run, scores = job.spec.runs[0], job.curves.scores.get(0, {})
    words = f"**{STATES[state]}**: {job.done(0)} of {run.train.total} updates"
    if scores:
        last = scores[max(scores)]
        words += f"; on test images F1 {last['f1'][-1]:.2f}, mean IoU {last['iou'][-1]:.2f}"
    st.progress(min(job.done(0) / run.train.total, 1.0), f"{words}.")
    if job.view.reason:
        st.caption(notices.plain(job.view.reason))
    if masks is not None:
        _show_masks(job, masks[1])


def _show_masks(job: Followed, masks) -> None:
    """Test images, their truth, and the answers at the last step; masks (T, SHOWN, H, W)."""
    task = job.spec.task
    batch = server.kept("rest", ("validation", task), lambda: validation_images(task))
    shown = []
    for row in range(min(SHOWN, len(batch))):
        shown += [
            pictures.input_picture(task, batch.x[row]),
            pictures.truth_picture(task, batch.labels[row]),
            pictures.answer_picture(task, masks[-1, row]),
        ]
    names = ["a test image", "its mask", "the answer"] * (len(shown) // 3)
    st.image(shown, caption=names, width=OF_THREE, alt=names)
