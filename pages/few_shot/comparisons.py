"""What the Few-shot lab offers after a run: scores, ablation steps, and the same over several seeds."""

from __future__ import annotations

import uuid

import streamlit as st

from fbseg_core import ConfigError
from fbseg_core.analysis.paired import paired_difference
from fbseg_core.experiments.factorial import Step
from fbseg_core.experiments.report import answered, words
from fbseg_core.models.registry import traits_of
from fbseg_core.training.fewshot import open_changes
from pages import menu
from pages.few_shot import computed, figures, results
from pages.few_shot.followed_runs import IMAGES
from pages.few_shot.state import ablation_of, repeats_of
from pages.jobs import Followed
from pages.ui import controls, notices, shipped, visitor
from pages.ui.plotly_style import chart
from pages.ui.screen import Screen

POLL = 1.5
MOST_ABLATIONS = 4


def show(screen: Screen, job: Followed, ablations: list[Followed], repeats: Followed | None) -> None:
    """All that follows from a run, from top to bottom."""
    rested = [(one, i) for one in (job, *ablations) if not one.view.active for i in range(len(one.spec.runs))]
    rested = [(one, i) for one, i in rested if one.done(i)]
    if rested:
        st.subheader("What it is worth", anchor=False)
        asked = screen.recalled("scored", frozenset())
        if job.job in asked:
            results.show_scores(screen, job, ablations, rested)
        else:
            st.button(
                f"Score on {IMAGES} fresh images", type="primary", key="score",
                on_click=lambda: screen.remember("scored", asked | {job.job}),
            )  # fmt: skip
        results.show_files(job, ablations)
    show_ablations(screen, job, ablations)
    show_repeats(screen, job, repeats)


# ---- what closes the gap ------------------------------------------------------------------------------


def show_ablations(screen: Screen, job: Followed, ablations: list[Followed]) -> None:
    """One click trains the feedforward model again, one ablation step nearer to the feedback model."""

    def add(changes: tuple[str, ...], token: str) -> None:
        pool, view = computed.pool(), screen.view
        made = pool.start(ablation_of(job.spec, changes), visitor.owner(), token)
        screen.change(ablations=(*view.ablations, made))

    st.subheader("What closes the gap?", anchor=False)
    baseline = next(run for run in job.spec.runs if not traits_of(run.model).takes_steps)
    names = open_changes(baseline)
    offers = [(name,) for name in names] + ([names] if len(names) > 1 else [])
    there = {one.spec.runs[0].name for one in ablations}
    st.caption(
        "The two models differ in more than the loop. Train the feedforward model again on the same examples "
        "and seed with one of these differences taken away; its curves join those above."
    )
    row = st.container(horizontal=True)
    for offer in offers:
        row.button(
            "+ all of these" if offer == names and len(names) > 1 else f"+ {offer[0]}",
            key=f"ablation-{'-'.join(offer)}", on_click=screen.attempt, args=(add, offer, uuid.uuid4().hex),
            disabled=len(ablations) >= MOST_ABLATIONS or " + ".join((baseline.name, *offer)) in there,
        )  # fmt: skip


# ---- how much does the seed decide? --------------------------------------------------------------------


def show_repeats(screen: Screen, job: Followed, repeats: Followed | None) -> None:
    """The same comparison over k seeds, and whether the difference may be called one."""

    def begin(token: str) -> None:
        made = computed.pool().start(repeats_of(job.spec, screen.view.k), visitor.owner(), token)
        screen.change(repeats=made)

    def end() -> None:
        computed.pool().stop(repeats.job, visitor.owner())

    st.subheader("How much does the seed decide?", anchor=False)
    what = (
        "weights and noise; your examples stay"
        if job.spec.examples is not None
        else "weights, examples, noise"
    )
    cost = cost_of_repeats(job, screen.view.k, computed.pool().limits.seconds)
    st.caption(f"Both models again over k seeds ({what}); a pair for each seed. {cost}")
    slide, push = st.columns([2, 3], vertical_alignment="bottom")
    with slide:
        controls.slider(screen, "k", "Seeds k", screen.view.k)
    if repeats and repeats.view.active:
        push.button("Stop", on_click=screen.attempt, args=(end,), key="stop-repeats")
    else:
        push.button(
            "Repeat over k seeds", on_click=screen.attempt, args=(begin, uuid.uuid4().hex), key="repeats"
        )
    if repeats:
        run_every = POLL if repeats.view.active else None
        st.fragment(show_seeds, run_every=run_every)(screen, repeats.job, repeats.view.state)


def cost_of_repeats(job: Followed, k: int, most: float) -> str:
    """What k seeds of a job would take on this machine, by what it took itself; "" where it did not end.

    most: seconds a job may take.
    """
    if not all(_ended(job, index) for index in range(len(job.spec.runs))) or job.curves.faults:
        return ""
    seconds = k * job.curves.seconds
    words = f"About {seconds:.0f} s on this machine, by the {job.curves.seconds:.1f} s that this run took."
    if seconds > most:
        words += f" It will be ended after {most:.0f} s, and keep what it learned."
    return words


@notices.told
def show_seeds(screen: Screen, name: str, state: str) -> None:
    """How far the seeds are; once they have ended, their spread."""
    repeats = screen.recalled("follower").poll(computed.pool(), name, visitor.owner())
    if repeats.view.state != state:
        st.rerun()
    count = len(repeats.spec.runs) // 2
    ended = [
        i for i in range(count)
        if all(_ended(repeats, index) for index in (i, i + count))
    ]  # fmt: skip
    place = f"waiting in line, place {repeats.view.place}; " if repeats.view.place else ""
    reason = notices.plain(repeats.view.reason)
    st.progress(len(ended) / count, f"{place}{len(ended)} of {count} seeds. {reason}")
    if repeats.view.active or not ended:
        return
    bar = st.empty()
    scores: dict[int, float] = {}
    for at, index in enumerate((*ended, *(i + count for i in ended))):
        bar.progress(at / (2 * len(ended)), f"Scoring each on {IMAGES} fresh images")
        done = repeats.done(index)
        scores[index] = computed.final_f1(repeats.job, index, done, visitor.owner(), repeats.spec.task)
    bar.empty()
    feedback, baseline = ([scores[i + shift] for i in ended] for shift in (0, count))
    first = repeats.spec.runs[0].train.seed
    levels = computed.validation(repeats.spec.task)[1]
    figure = figures.seeds_figure(feedback, baseline, first, levels)
    chart(figure, key="chart-seeds")
    try:
        st.markdown(figures.verdict(paired_difference(feedback, baseline)))
    except ConfigError as error:
        notices.noted(str(error))


def _ended(job: Followed, index: int) -> bool:
    return index in job.curves.faults or job.done(index) >= job.spec.runs[index].train.total


def say_what_was_found(ended: bool) -> None:
    """Our own measurement of the paper's claim: the shipped result of the ladder, two examples.

    ended: a run of the visitor's own has, and it is no longer a puzzle.
    """
    steps, updates = shipped.ladder()
    found = shipped.measured("ladder")
    if not steps or found is None:
        return
    first, cut, last = steps[0], steps[-2], steps[-1]
    with st.expander("What we found: is it the loop?", expanded=ended):
        st.table([_row(step) for step in steps])
        st.markdown(
            f"The paper's gap: feedback {last.f1.mean:.2f}, feedforward {first.f1.mean:.2f}, each after "
            f"{updates} updates. Verdict: **{found.finding.verdict}**. With its loop cut the feedback model "
            f"scores {cut.f1.mean:.2f}: {cut.from_feedback.answer}."
        )
        st.caption(
            "`paper` protocol, two examples, 64 px, σ = 0.5. Mean F1 on fresh images for each of "
            f"{last.f1.k} training seeds, with its 95 % interval over {last.f1.over}; differences are "
            f"paired by seed, p values corrected by Holm's rule. Repeat it: `{found.head['command']}`."
        )
        if other := shipped.measured("grouping"):
            st.markdown(
                f"Fair controls on grouping, where pixels far away decide: **{other.finding.verdict}**. "
                f"{other.finding.brief} ({other.seeds} seeds)"
            )
        row = st.container(horizontal=True)
        row.link_button("All of it, in Evidence", menu.link("evidence", claim="ladder"))
        row.link_button("Fair controls on grouping", menu.link("evidence", claim="grouping"))


def _row(step: Step) -> dict[str, str]:
    return {
        "model": step.name,
        "F1": words(step.f1),
        "batch statistics": "–" if step.batch is None else words(step.batch),
        "minus feedback": "–" if step.from_feedback is None else answered(step.from_feedback),
    }
