"""Few-shot lab: train a feedback and a feedforward model on a handful of examples, and watch both learn."""

import hashlib
import uuid

import streamlit as st

from fbseg_core import TASKS, ConfigError
from fbseg_core.experiments.subject import corners
from fbseg_core.tasks import task_of
from pages.few_shot import comparisons, computed, gallery, results, training, uploads
from pages.few_shot.state import (
    FewShotState,
    can_draw,
    can_label,
    check,
    examples,
    fits,
    job_of,
    runs_of,
    subjects,
)
from pages.jobs import Estimate, Followed, Follower, JobError, NoSuchJob, Spec
from pages.ui import controls, notices, pictures, screen, visitor

SCREEN = screen.Screen("few_shot", FewShotState, {}, check)
KINDS = ("labels", "redraw", "drawing", "upload")  # of an example of one's own, as its caption tells


# ---- what the visitor does ----------------------------------------------------------------------------


def take_task() -> None:
    """Callback: another task starts from its own defaults; the runs on show stay."""
    view = SCREEN.view
    kept = {
        key: getattr(view, key) for key in ("job", "ablations", "repeats", "examples", "protocol", "seed")
    }
    SCREEN.show_afresh(FewShotState(task=SCREEN.chosen("task"), **kept))


def take_wish() -> None:
    """Callback of the gallery: another example in a row."""
    view = SCREEN.view
    try:
        wish = gallery.wished()
        if wish.redraw is not None:
            own = view.own_by_row().get(wish.redraw)
            count = (own.redraw if own and own.redraw else 0) % 999 + 1
            new = view.with_own(wish.redraw, f"r.{count}")
        elif wish.back is not None:
            new = view.with_own(wish.back, "")
        elif wish.label is not None:
            new = view.with_own(wish.label.row, f"m.{wish.label.labels}")
        else:
            cue = "" if wish.draw.cue is None else ".{}-{}".format(*wish.draw.cue)
            new = view.with_own(wish.draw.row, f"d.{wish.draw.mask}{cue}")
        examples(new, computed.uploads())
        SCREEN.show(new)
    except ConfigError as error:
        SCREEN.note(f"That example could not be taken: {error}")


def take_upload() -> None:
    """Callback: an image and its mask in the place of an example."""
    image, mask = SCREEN.chosen("image"), SCREEN.chosen("mask")
    task = runs_of(SCREEN.view)[0]
    if image is None or (mask is None and not can_label(task)):
        raise ConfigError("Give both an image and its mask.")
    content = uploads.example(task, image.getvalue(), None if mask is None else mask.getvalue())
    digest = hashlib.sha256(content.clean.numpy().tobytes() + content.labels.numpy().tobytes()).hexdigest()
    computed.keep_upload(digest[:32], content)
    SCREEN.show(SCREEN.view.with_own(SCREEN.chosen("row") - 1, f"u.{digest[:32]}"))


def start(token: str) -> None:
    """Callback: train. The button's own token makes a double click one job."""
    spec = job_of(SCREEN.view, computed.uploads())
    SCREEN.change(job=computed.pool().start(spec, visitor.owner(), token), ablations=(), repeats="")


def show_job() -> None:
    """Callback of the menu of runs."""
    SCREEN.change(job=SCREEN.chosen("job"), ablations=(), repeats="")


# ---- set up -------------------------------------------------------------------------------------------


def choose(view: FewShotState) -> None:
    """The settings of the next run."""
    task, feedback, _ = runs_of(view)
    tasks = [name for name, kind in TASKS.items() if kind.on_its_own]
    st.selectbox(
        "Task", tasks, key=SCREEN.bind("task", view.task), on_change=take_task,
        help="What both models learn to find. A shape shows at a glance; in grouping the mask must "
        "spread from a cue.",
    )  # fmt: skip
    controls.choice(SCREEN, "protocol", "Protocol", view.protocol, ("matched", "paper"))
    controls.slider(SCREEN, "examples", "Examples", view.examples)
    built = TASKS[view.task].config().sigma
    controls.slider(SCREEN, "sigma", "Noise σ", task.sigma, built)
    st.caption(f"Paper σ {task.paper_sigma:.3g}, the same evidence at 512 px.")
    controls.slider(SCREEN, "steps", "Steps T in training", view.steps)
    own_tau = runs_of(view.replace(tau=None))[1].model.tau
    controls.slider(SCREEN, "tau", "τ", feedback.model.tau, own_tau, disabled=not view.decay)
    controls.toggle(SCREEN, "softmax", "Softmax in training", view.softmax)
    controls.toggle(SCREEN, "decay", "Decay in training", view.decay)
    controls.seed(SCREEN, "seed", "Seed", "seed")
    usual = runs_of(view.replace(updates=0))[1].train.total
    controls.slider(SCREEN, "updates", f"Updates (0: the usual {usual})", view.updates)
    most = computed.pool().limits.seconds
    controls.slider(SCREEN, "seconds", f"Seconds at most (0: {most:.0f})", view.seconds)
    st.button("Reset everything", on_click=SCREEN.reset, width="stretch")


def ask_the_puzzle(view: FewShotState) -> None:
    """What there is to find out, before anything is trained."""
    if view.protocol == "paper":
        st.markdown(
            "**A puzzle.** The paper reports that its feedback model learns from two examples where a "
            "feedforward network fails. Train both as the paper does. If you see the gap: the two differ in "
            "more than the loop, so take the differences away one at a time, and find the one that closes it."
        )
    found = "What we found stands at the end of this page, and opens once a run of yours has ended."
    st.caption(f"{corners(subjects(view, {}))} {found}".lstrip())


def show_examples(view: FewShotState, busy: bool) -> None:
    """The training examples, to be redrawn, drawn or uploaded."""
    task, run, _ = runs_of(view)
    kind, content = task_of(task), examples(view, computed.uploads())
    seen = kind.observe(task, content, kind.noise(task, len(content.labels), run.train.seed))
    named = {
        row: next(key for key in KINDS if getattr(own, key) is not None)
        for row, own in view.own_by_row().items()
    }
    own = [named.get(row, "") for row in range(view.examples)]
    st.markdown("**Training examples**: as read once under noise, and the mask to learn")
    drawn, labelled = can_draw(task), can_label(task)
    gallery.gallery(gallery.pack(task, content, seen, own, busy, drawn, labelled), take_wish)
    if not (drawn or labelled):
        st.caption("Masks of this task are not drawn here: redraw an example, or use an image of your own.")
    if told := pictures.legend(task, content.labels):
        st.html(told)
    height, width = task.size
    with st.expander("Use an image of your own"):
        st.caption(
            f"PNG or JPEG up to {uploads.LARGEST} px a side, and a mask of the same size "
            f"{uploads.what_a_mask_holds(task)}; the middle {'square' if height == width else 'part'} is "
            f"brought to {pictures.pixels(task)}, noise is added; transparent parts are white."
            + " Without a mask, draw one over the image."
            * labelled
        )
        which, image, mask = st.columns([1, 2, 2])
        which.number_input("In place of example", 1, view.examples, key=SCREEN.key("row"))
        image.file_uploader("Image", uploads.ENDINGS, key=SCREEN.key("image"))
        mask.file_uploader("Its mask", uploads.ENDINGS, key=SCREEN.key("mask"))
        st.button(
            "Use it", on_click=SCREEN.attempt, args=(take_upload,), kwargs={"box": "upload"}, disabled=busy,
            key="use-upload",
        )  # fmt: skip
        notices.noted(SCREEN.noted_in("upload"))


def cost_of(spec: Spec) -> Estimate | str | None:
    """What the run would cost on this machine, or why that cannot be told; None until there is an answer."""
    try:
        return computed.pool().estimate(spec)
    except JobError as error:
        return str(error)


def show_cost(spec: Spec, asking: bool) -> None:
    """What the run would cost on this machine, measured; asked again until there is an answer."""
    found = cost_of(spec)
    if found is None:
        st.caption("Measuring what this costs here, as soon as a worker is free …")
        return
    if asking:
        st.rerun()  # nothing more to ask
    if isinstance(found, str):
        st.caption(notices.plain(found))
        return
    each = " and ".join(f"{1000 * seconds:.0f}" for seconds in found.per_update)
    limit = spec.seconds or computed.pool().limits.seconds
    total = spec.runs[0].train.total
    words = f"About **{found.seconds:.0f} s** on this machine, measured: {total} updates of {each} ms."
    if found.seconds > limit:
        words += f" It will be ended after {limit:.0f} s, and keep what it learned."
    st.caption(words)


def show_start(view: FewShotState, busy: bool) -> None:
    """The button, and what the run would cost."""
    push, cost = st.columns([1, 3], vertical_alignment="center")
    try:
        spec, reason = job_of(view, computed.uploads()), ""
        spec.check(computed.pool().limits)
    except (JobError, ConfigError) as error:
        spec, reason = None, str(error)
    push.button(
        "Start training", type="primary", width="stretch", key="start", disabled=busy or spec is None,
        on_click=SCREEN.attempt, args=(start, uuid.uuid4().hex),
    )  # fmt: skip
    with cost:
        if spec is None:
            notices.noted(reason)
        elif busy:
            st.caption("A run is under way; stop it to start another.")
        else:
            asking = cost_of(spec) is None
            st.fragment(show_cost, run_every=1.0 if asking else None)(spec, asking)


# ---- the screen ---------------------------------------------------------------------------------------


def take_up() -> tuple[Followed, list[Followed], Followed | None] | None:
    """The jobs on show, read anew; one that is not this visitor's is dropped and told."""
    pool, owner = computed.pool(), visitor.owner()
    if SCREEN.recalled("follower") is None:
        SCREEN.remember("follower", Follower())
    dropped, whose = SCREEN.recalled("dropped", ({}, owner))
    if whose != owner and not SCREEN.view.job:  # whose browser it is was told late
        SCREEN.change(**dropped)
    if SCREEN.recalled("looked") != owner:
        SCREEN.remember("looked", owner)
        if not SCREEN.view.job and (active := [job for job in pool.jobs(owner) if job.active]):
            SCREEN.change(job=active[0].job)  # come back after the tab was closed
    follower, view = SCREEN.recalled("follower"), SCREEN.view
    if not view.job:
        return None
    try:
        jobs = [follower.poll(pool, name, owner) for name in (view.job, *view.ablations)]
        return jobs[0], jobs[1:], follower.poll(pool, view.repeats, owner) if view.repeats else None
    except NoSuchJob:
        SCREEN.remember(
            "dropped", ({key: getattr(view, key) for key in ("job", "ablations", "repeats")}, owner)
        )
        SCREEN.change(job="", ablations=(), repeats="")
        SCREEN.note("The run that this link names is not this browser's or was deleted; its set-up is shown.")
    except JobError as error:  # its folder cannot be read just now; the link goes on naming it
        SCREEN.note(str(error))
    return None


def forget_lost_uploads() -> None:
    """Uploads live as long as the server; a link to one that is gone falls back to the seed's example."""
    view, kept, task = SCREEN.view, computed.uploads(), runs_of(SCREEN.view)[0]
    for row, own in view.own_by_row().items():
        if own.upload and not (own.upload in kept and fits(task, kept[own.upload])):
            view = view.with_own(row, "")
    if view != SCREEN.view:
        SCREEN.show(view)
        SCREEN.note(
            "An example of this link was uploaded elsewhere or too long ago; the seed's stands in for it."
        )


def choose_run(job: Followed | None) -> None:
    """Earlier runs of this browser."""
    pool = computed.pool()
    jobs = pool.jobs(visitor.owner())
    mine = {view.job: view for view in jobs if len(view.names) == 2}  # the others belong to one of these
    if len(mine) > (job is not None):
        names = list(mine) if job else ["", *mine]
        st.selectbox(
            "Your runs", names, key=SCREEN.bind("job", job.job if job else ""), on_change=show_job,
            format_func=lambda name: training.name_of(mine[name]) if name else "choose one",
        )  # fmt: skip


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    st.title("Few-shot lab", anchor=False)
    forget_lost_uploads()
    taken = take_up()
    view, busy = SCREEN.view, bool(taken and taken[0].view.active)
    with st.sidebar:
        choose(view)
        choose_run(taken[0] if taken else None)
    ended = taken is not None and not busy and any(taken[0].done(i) for i in range(len(taken[0].spec.runs)))
    if not taken:
        ask_the_puzzle(view)
    top = st.empty()  # always there: an open box that moved down would close
    notices.noted(SCREEN.noted, top)
    show_examples(view, busy)
    show_start(view, busy)
    if taken:
        job, ablations, repeats = taken
        training.show(SCREEN, job, ablations)
        comparisons.show(SCREEN, job, ablations, repeats)
    comparisons.say_what_was_found(ended)
    results.bring_one(SCREEN)
    visitor.remember_owner()
    SCREEN.write_link()


screen.begin()
try:
    page()
except notices.REFUSED as error:
    notices.refused(error)
