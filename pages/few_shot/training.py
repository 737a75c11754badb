"""The run on show in the Few-shot lab: its buttons, its curves, and the masks as they are learned."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

import streamlit as st

from pages.few_shot import computed, figures, live_charts
from pages.few_shot.followed_runs import shown
from pages.jobs import Followed, JobError, JobView, NoSuchJob, Spec
from pages.jobs.spec import SHOWN, VALIDATED
from pages.ui import notices, pictures, visitor
from pages.ui.plotly_style import chart
from pages.ui.screen import Screen
from pages.ui.training_pool import STATES
from pages.ui.visitor import clock

FIRST, POLL = 0.5, 1.2  # seconds between two looks at a run: until its first masks, and from then on
FACTORS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 1e6)


def name_of(view: JobView) -> str:
    """A job in a menu, by the visitor's own clock. No two share a name, and none ever changes."""
    return f"{datetime.fromtimestamp(view.created, clock()):%d %b, %H:%M:%S} · {view.job[:4]}"


def show(screen: Screen, job: Followed, ablations: Sequence[Followed]) -> None:
    """The run, and its ablation steps."""
    st.caption(f"This run: {describe(job.spec)}")
    steer(screen, job)
    names = tuple(one.job for one in (job, *ablations))
    signs = tuple(_sign(one) for one in (job, *ablations))
    moving = [begun for one, (_, begun) in zip((job, *ablations), signs) if one.view.active]
    every = (POLL if all(moving) else FIRST) if moving else None
    st.fragment(show_run, run_every=every)(screen, names, signs)


def _sign(job: Followed) -> tuple[str, bool]:
    """What the page around a run hangs on: its state, and whether there are masks to see."""
    return job.view.state, bool(job.curves.scores)


def steer(screen: Screen, job: Followed) -> None:
    """The buttons of the run on show, outside of what is redrawn, so that none moves under the pointer."""
    view, pool, owner = job.view, computed.pool(), visitor.owner()

    def restart(token: str) -> None:
        screen.change(job=pool.restart(job.job, owner, token), ablations=(), repeats="")

    def rate() -> None:
        pool.rate(job.job, owner, screen.chosen("factor"))
        screen.remember("factor", (job.job, screen.chosen("factor")))

    def button(label: str, key: str, width: int, act: Callable[[], object], **more) -> None:
        row.button(label, on_click=screen.attempt, args=(act,), key=key, width=width, **more)

    row = st.container(horizontal=True, vertical_alignment="bottom")
    # One button of one width for both, so that none slips from under the pointer when the state changes.
    label, act = ("Resume", pool.resume) if view.resumable else ("Pause", pool.pause)
    fixed = not view.active and not view.resumable
    button(label, "pause", 100, lambda: act(job.job, owner), disabled=fixed)
    still = not view.active and view.state != "paused"
    words = "What was learned is kept."
    button("Stop", "stop", 100, lambda: pool.stop(job.job, owner), disabled=still, help=words)
    token = uuid.uuid4().hex
    words = "Learns the very same weights again."
    button("Restart, same seed", "restart", 170, lambda: restart(token), disabled=view.active, help=words)
    made = [factor for _, _, factor in job.curves.changes]
    known = made[-1] if made else 1.0
    chosen, factor = screen.recalled("factor", ("", known))
    now = factor if chosen == job.job else known
    row.select_slider(
        "Learning rate ×", FACTORS, key=screen.bind("factor", now if now in FACTORS else 1.0),
        on_change=screen.attempt, args=(rate,), format_func=lambda value: f"{value:g}", width=280,
        disabled=view.state != "running",
        help="Multiplies the scheduled rate of both from the next update on; a million breaks them.",
    )  # fmt: skip


def show_run(screen: Screen, names: tuple[str, ...], signs: tuple[tuple[str, bool], ...]) -> None:
    """What a run looks like now; drawn again and again while one is under way."""
    follower, pool, owner = screen.recalled("follower"), computed.pool(), visitor.owner()
    try:
        jobs = [follower.poll(pool, name, owner) for name in names]
        masks = [(job, index) for job in jobs for index in range(len(job.spec.runs))]
        found = [pool.masks(job.job, owner, index) for job, index in masks]
    except NoSuchJob:
        st.rerun()  # deleted meanwhile, which the page tells
    except JobError as error:  # its folder cannot be read just now
        st.caption(notices.plain(str(error)))
        return
    if tuple(map(_sign, jobs)) != signs:
        st.rerun()  # the buttons change with the state, and the timer
    main = jobs[0]
    lines = [shown(main, index) for index in range(len(main.spec.runs))]
    lines += [shown(job, 0, i) for i, job in enumerate(jobs[1:])]
    say_state(jobs)
    batch, levels = computed.validation(main.spec.task)
    st.html(figures.legend(lines, levels))
    drawn = (
        figures.loss_figure(lines),
        figures.f1_figure(lines, levels, VALIDATED),
        figures.gradient_figure(lines),
    )
    if any(job.view.active for job in jobs):
        live_charts.charts(drawn, key="live")
    else:
        for column, name, figure in zip(st.columns(3), ("loss", "f1", "gradient"), drawn):
            with column:
                chart(figure, key=f"chart-{name}")
    task, truth = main.spec.task, batch.labels[:SHOWN]
    picture, width = figures.strip(
        task,
        batch.x[:SHOWN],
        truth,
        [(line, None if one is None else one[1]) for line, one in zip(lines, found)],
    )
    st.image(picture, width=width, alt="Test images, truth and the masks of each run at t = 1 to T")
    at = " / ".join(str(one[0]) if one else "–" for one in found)
    what = "P(shape)" if pictures.of_two(task) else "Classes"
    st.caption(f"{what} of {SHOWN} test images after {at} updates.")
    if told := pictures.legend(task, truth):
        st.html(told)


def say_state(jobs: list[Followed]) -> None:
    """State, place in line, progress and time left, of the job that moves if one does."""
    job = next((one for one in jobs if one.view.active), jobs[0])
    view, curves = job.view, job.curves
    done = sum(job.done(index) for index in range(len(job.spec.runs)))
    total = sum(run.train.total for run in job.spec.runs)
    words = f"**{STATES[view.state]}**"
    if view.place:
        words += f", place {view.place}"
    words += ": " + ", ".join(
        f"{run.name} {job.done(i)} of {run.train.total} updates" for i, run in enumerate(job.spec.runs)
    )
    latest = [records[max(records)] for records in curves.updates.values() if records]
    if view.active:
        newest = max(latest, key=lambda record: record["seconds"], default={"left": None})
        words += "; about … s left" if newest["left"] is None else f"; about {newest['left']:.0f} s left"
    else:
        words += f"; {curves.seconds:.1f} s of training"
    st.progress(min(done / total, 1.0), f"{words}.")
    st.caption(notices.plain(view.reason) or "​")  # the line stays, so that nothing below it moves


def describe(spec: Spec) -> str:
    """What the run on show was asked to do, in one line."""
    run, baseline = spec.runs[0], spec.runs[-1]
    own = ", some examples replaced" if spec.examples is not None else ""
    built = {"softmax": run.model.projection, "decay": run.model.decay}
    off = [name for name, kind in built.items() if kind == "none"]
    without = f", trained without {' and '.join(off)}" if off else ""
    return (
        f"{spec.task.name}, {run.train.examples} examples{own}, σ = {spec.task.sigma:g} at "
        f"{pictures.pixels(spec.task)}, T = {run.train.steps_max}, τ = {run.model.tau:g}, seed "
        f"{run.train.seed}{without}; norm in the network: {run.model.norm} (feedback), {baseline.model.norm} "
        "(feedforward)."
    )
