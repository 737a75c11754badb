"""What the Few-shot lab offers once something was learned: scores, files, rungs, and whether it was luck."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from urllib.parse import urlencode

import streamlit as st

from fbseg_core import Card, ConfigError, ShapesConfig
from fbseg_core.analysis.ideal import ideal_f1
from fbseg_core.analysis.paired import paired_difference
from fbseg_core.evaluate import Score
from fbseg_core.experiments.ladder import Rung
from fbseg_core.experiments.report import words
from fbseg_core.fewshot import open_rungs
from pages.ui import cache, controls, few_shot_figures, own, session
from pages.ui.few_shot_runs import EVAL_SEED, IMAGES, Followed, command, command_differs, curves_csv, shown
from pages.ui.few_shot_view import luck_of, rung_of
from pages.ui.session import Screen
from pages.ui.stability_view import LabView as StabilityView
from pages.ui.view import View

Attempt = Callable[..., None]
POLL = 1.5
MOST_RUNGS = 4


def show(
    screen: Screen, attempt: Attempt, job: Followed, rungs: list[Followed], luck: Followed | None
) -> None:
    """All that follows from a run, from top to bottom."""
    rested = [(one, i) for one in (job, *rungs) if not one.view.active for i in range(len(one.spec.runs))]
    rested = [(one, i) for one, i in rested if one.done(i)]
    if rested:
        st.subheader("What it is worth", anchor=False)
        asked = screen.recalled("scored", frozenset())
        if job.job in asked:
            show_scores(screen, job, rungs, rested)
        else:
            st.button(
                f"Score on {IMAGES} fresh images", type="primary", key="score",
                on_click=lambda: screen.remember("scored", asked | {job.job}),
            )  # fmt: skip
        show_files(job, rungs)
    show_rungs(screen, attempt, job, rungs)
    show_luck(screen, attempt, job, luck)


# ---- scores and files ---------------------------------------------------------------------------------


def show_scores(
    screen: Screen, job: Followed, rungs: list[Followed], rested: Sequence[tuple[Followed, int]]
) -> None:
    """F1 on fresh images with intervals, and a way to take each model along or into Explore."""
    with st.spinner(f"Scoring on {IMAGES} fresh images …"):
        results = [cache.result(one, i, session.owner()) for one, i in rested]
    lines = [shown(one, i, rungs.index(one) if one is not job else None) for one, i in rested]
    limit = show_limit(screen, job)
    chart, table = st.columns([2, 3])
    scores = [(line, one.score) for line, one in zip(lines, results)]
    figure = few_shot_figures.score_figure(scores, limit.f1[0] if limit else None)
    chart.plotly_chart(figure, key="chart-score", width="stretch", config={"displayModeBar": False})
    rows = [_row(line, one) for line, one in zip(lines, results)]
    if limit:
        own_line = f"{limit.f1[0]:.3f} [{limit.low[0]:.3f}, {limit.high[0]:.3f}]"
        rows.append(dict.fromkeys(rows[0], "–") | {"model": "ideal observer", list(rows[0])[2]: own_line})
    table.table(rows)
    table.caption(
        f"Pooled F1 on {IMAGES} fresh images with the 95 % bootstrap interval over images; chance "
        f"{results[0].score.chance:.3f}. One training seed: other seeds differ by more (see below)."
    )
    recurrent = [one for one in results if one.card.model.kind != "feedforward"]
    plain = [one for one in results if one.card.model.kind == "feedforward"]
    for (one, i), result in zip(rested, results):
        run = one.spec.runs[i]
        if result in recurrent:
            pair = {"model": result.name} | ({"beside": plain[0].name} if plain else {})
        else:
            pair = ({"model": recurrent[0].name} if recurrent else {}) | {"beside": result.name}
        row = st.container(horizontal=True)
        row.link_button(f"Open {run.name} in Explore", explore_link(one.spec.task.name, **pair))
        if run.model.kind == "feedback":
            stability = StabilityView(model=result.name).link({})
            row.link_button("In the Stability lab", f"./stability?{urlencode(stability)}")
        row.download_button(
            "Checkpoint (safetensors)", lambda name=result.name: own.content(name),
            own.path_of(result.name).name, "application/octet-stream", key=f"file-{one.job}-{i}",
            on_click="ignore",
        )  # fmt: skip


def show_limit(screen: Screen, job: Followed) -> Score | None:
    """The ideal observer's score on the same images, once it is asked for: it takes about a minute."""
    task = job.spec.task
    if not isinstance(task, ShapesConfig):
        return None
    key, bar = ("limit", task.model_dump_json()), st.empty()

    def look() -> Score:
        return ideal_f1(
            task, IMAGES, EVAL_SEED,
            progress=lambda done: bar.progress(done / IMAGES, f"Ideal observer: image {done} of {IMAGES}"),
        )  # fmt: skip

    wanted = screen.recalled("limits", False)
    score = cache.kept(key, look if wanted else None)
    bar.empty()
    if score is None:
        bar.button(
            "Compute the limit (about a minute)", key="limit", on_click=screen.remember,
            args=("limits", True),
            help="The best F1 that any observer could reach on these images, who knows the family of shapes.",
        )  # fmt: skip
    elif wanted:
        screen.remember("limits", False)  # another task's limit waits for its own click
    return score


def _row(line: few_shot_figures.Shown, result: cache.Result) -> dict[str, str]:
    score, trained = result.score, result.card.updates

    def at(t: int) -> str:
        t = min(t, len(score.f1) - 1)
        return f"{score.f1[t]:.3f} [{score.low[t]:.3f}, {score.high[t]:.3f}]"

    row = {"model": line.name, "updates": str(trained), f"F1 at T = {line.steps}": at(line.steps)}
    row[f"at 2T = {2 * line.steps}"] = at(2 * line.steps) if line.recurrent else "–"
    row["batch statistics"] = "–" if result.batch_f1 is None else f"{result.batch_f1:.3f}"
    return row


def explore_link(task: str, **models: str) -> str:
    """The address of Explore with these checkpoints, from any page."""
    return f"./?{urlencode(View(task=task, **models).link({}))}"


def show_files(job: Followed, rungs: list[Followed]) -> None:
    """Curves, and the commands that learn the same without the app."""
    with st.expander("Take it along: curves, commands"):
        st.download_button(
            "Curves (CSV)", lambda: curves_csv([job, *rungs]), "few-shot-curves.csv", "text/csv",
            key="export-curves", on_click="ignore",
        )  # fmt: skip
        for one in (job, *rungs):
            for i, run in enumerate(one.spec.runs):
                note = command_differs(one, i) or "It learns the very same weights."
                st.markdown(f"**{run.name}** without the app. {note}")
                st.code(command(one.spec, run), language="bash", wrap_lines=True)


def bring_one(screen: Screen, attempt: Attempt) -> None:
    """Load a checkpoint back."""

    def take() -> None:
        file = screen.chosen("checkpoint")
        screen.remember("brought", None)
        if file is not None:
            screen.remember("brought", own.bring(file.getvalue()))

    with st.expander("Load a checkpoint"):
        st.file_uploader(
            "A checkpoint of this page or of the command line", ["safetensors"], key=screen.key("checkpoint"),
            on_change=attempt, args=(take,),
        )  # fmt: skip
        if brought := screen.recalled("brought"):
            name, card = brought
            st.markdown(describe_card(card))
            field = "beside" if card.model.kind == "feedforward" else "model"
            st.link_button("Open it in Explore", explore_link(card.task.name, **{field: name}))


def describe_card(card: Card) -> str:
    """What a checkpoint says of itself, in one sentence."""
    return (
        f"A {card.model.kind.replace('_', ' ')} model for {card.task.name}: {card.protocol}, {card.updates} "
        f"updates; F1 {card.f1[-1]:.3f} on {card.images} fresh images, chance {card.chance:.3f}."
    )


# ---- what closes the gap ------------------------------------------------------------------------------


def show_rungs(screen: Screen, attempt: Attempt, job: Followed, rungs: list[Followed]) -> None:
    """One click trains the feedforward model again, a rung nearer to how the feedback model is treated."""

    def climb(rungs: tuple[str, ...], token: str) -> None:
        pool, view = cache.pool(), screen.view
        made = pool.start(rung_of(job.spec, rungs), session.owner(), token)
        screen.change(rungs=(*view.rungs, made))

    st.subheader("What closes the gap?", anchor=False)
    plain = next(run for run in job.spec.runs if run.model.kind == "feedforward")
    names = open_rungs(plain)
    offers = [(name,) for name in names] + ([names] if len(names) > 1 else [])
    there = {one.spec.runs[0].name for one in rungs}
    st.caption(
        "The two models differ in more than the loop. Train the feedforward model again on the same examples "
        "and seed with one of these differences taken away; its curves join those above."
    )
    row = st.container(horizontal=True)
    for offer in offers:
        row.button(
            "+ all of these" if offer == names and len(names) > 1 else f"+ {offer[0]}",
            key=f"rung-{'-'.join(offer)}", on_click=attempt, args=(climb, offer, uuid.uuid4().hex),
            disabled=len(rungs) >= MOST_RUNGS or " + ".join((plain.name, *offer)) in there,
        )  # fmt: skip


# ---- is it luck? --------------------------------------------------------------------------------------


def show_luck(screen: Screen, attempt: Attempt, job: Followed, luck: Followed | None) -> None:
    """The same comparison over k seeds, and whether the difference may be called one."""

    def begin(token: str) -> None:
        made = cache.pool().start(luck_of(job.spec, screen.view.k), session.owner(), token)
        screen.change(luck=made)

    def end() -> None:
        cache.pool().stop(luck.job, session.owner())

    st.subheader("Is it luck?", anchor=False)
    what = (
        "weights and noise; your examples stay"
        if job.spec.examples is not None
        else "weights, examples, noise"
    )
    st.caption(f"Both models again over k seeds ({what}), k times as long; a pair for each seed.")
    slide, push = st.columns([2, 3], vertical_alignment="bottom")
    with slide:
        controls.slider(screen, "k", "Seeds k", screen.view.k)
    if luck and luck.view.active:
        push.button("Stop", on_click=attempt, args=(end,), key="stop-luck")
    else:
        push.button("Repeat over k seeds", on_click=attempt, args=(begin, uuid.uuid4().hex), key="luck")
    if luck:
        run_every = POLL if luck.view.active else None
        st.fragment(show_seeds, run_every=run_every)(screen, luck.job, luck.view.state)


def show_seeds(screen: Screen, name: str, state: str) -> None:
    """How far the seeds are; once they rest, their spread."""
    luck = screen.recalled("follower").poll(cache.pool(), name, session.owner())
    if luck.view.state != state:
        st.rerun()
    count = len(luck.spec.runs) // 2
    ended = [
        i for i in range(count)
        if all(_ended(luck, index) for index in (i, i + count))
    ]  # fmt: skip
    place = f"waiting in line, place {luck.view.place}; " if luck.view.place else ""
    st.progress(len(ended) / count, f"{place}{len(ended)} of {count} seeds. {luck.view.reason}")
    if luck.view.active or not ended:
        return
    bar = st.empty()
    scores: dict[int, float] = {}
    for at, index in enumerate((*ended, *(i + count for i in ended))):
        bar.progress(at / (2 * len(ended)), f"Scoring each on {IMAGES} fresh images")
        done = luck.done(index)
        scores[index] = cache.final_f1(luck.job, index, done, session.owner(), luck.spec.task)
    bar.empty()
    feedback, plain = ([scores[i + shift] for i in ended] for shift in (0, count))
    first = luck.spec.runs[0].train.seed
    chance = cache.held_out(luck.spec.task)[1]
    figure = few_shot_figures.luck_figure(feedback, plain, first, chance)
    st.plotly_chart(figure, key="chart-luck", width="stretch", config={"displayModeBar": False})
    try:
        st.markdown(few_shot_figures.verdict(paired_difference(feedback, plain)))
    except ConfigError as error:
        st.warning(str(error))


def _ended(job: Followed, index: int) -> bool:
    return index in job.curves.faults or job.done(index) >= job.spec.runs[index].train.total


def say_what_was_found() -> None:
    """Our own measurement of the paper's claim: the shipped result of the ladder, two examples."""
    head, rungs = cache.ladder()
    if not rungs:
        return
    plain, cut, feedback = rungs[0], rungs[-2], rungs[-1]
    closed = next(rung for rung in rungs[1:] if rung.from_feedback.high >= 0)
    with st.expander("What we found: is it the loop?", expanded=True):
        st.table([_rung_row(rung) for rung in rungs])
        told = "a difference" if cut.from_feedback.called else "no difference that can be told from luck"
        st.markdown(
            f"The paper's gap is there: {feedback.f1.mean:.2f} against {plain.f1.mean:.2f}. It is closed at "
            f"“{closed.name}”, before there is any loop. The feedback model with its loop cut scores "
            f"{cut.f1.mean:.2f}: {told}."
        )
        st.caption(
            "`paper` protocol, two examples, 64 px, σ = 0.5; each rung is the one above and one thing more. "
            f"Mean F1 on 200 fresh images over {feedback.f1.k} training seeds with its 95 % interval over "
            f"them; differences are paired by seed; chance {feedback.chance:.2f}. "
            f"Repeat it: `{head['command']}`."
        )


def _rung_row(rung: Rung) -> dict[str, str]:
    return {
        "rung": rung.name.replace("+", "\\+"),  # else Markdown makes a list of it
        "F1": words(rung.f1),
        "batch statistics": "–" if rung.batch is None else f"{rung.batch:.2f}",
        "minus feedback": "–" if rung.name == "feedback" else words(rung.from_feedback, sign=True),
    }
