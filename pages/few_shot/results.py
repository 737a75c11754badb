"""What the Few-shot lab's models are worth: scores on fresh images, the ideal observer, checkpoint files."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fbseg_core import ShapesConfig
from fbseg_core.analysis.ideal import ideal_f1
from fbseg_core.config import EVAL_SEED, TaskConfig
from fbseg_core.models.registry import traits_of
from fbseg_core.scores.evaluate import Score
from fbseg_core.tasks import task_of
from pages import menu
from pages.few_shot import computed, figures
from pages.few_shot.followed_runs import (
    IMAGES,
    command,
    command_differs,
    curves_csv,
    shown,
)
from pages.jobs import Followed
from pages.ui import confusion, notices, own_models, pictures, server, visitor
from pages.ui.models import describe_card
from pages.ui.pace import Pace
from pages.ui.plotly_style import chart
from pages.ui.screen import Screen


def show_scores(
    screen: Screen, job: Followed, ablations: list[Followed], rested: Sequence[tuple[Followed, int]]
) -> None:
    """F1 on fresh images with intervals, and a way to take each model along or into Explore."""
    with st.spinner(f"Scoring on {IMAGES} fresh images …"):
        results = [computed.result(one, i, visitor.owner()) for one, i in rested]
    lines = [shown(one, i, ablations.index(one) if one is not job else None) for one, i in rested]
    limit = show_limit(screen, job)
    picture, table = st.columns([2, 3])
    scores = [(line, one.score) for line, one in zip(lines, results)]
    levels = computed.levels(job.spec.task, results[0].score.chance, results[0].score.trivial)
    figure = figures.score_figure(scores, levels, limit.f1[0] if limit else None)
    with picture:
        chart(figure, key="chart-score")
    rows = [_row(line, one) for line, one in zip(lines, results)]
    if limit:
        own_line = f"{limit.f1[0]:.3f} [{limit.low[0]:.3f}, {limit.high[0]:.3f}]"
        rows.append(dict.fromkeys(rows[0], "–") | {"model": "ideal observer", list(rows[0])[2]: own_line})
    table.table(rows)
    table.caption(
        f"Pooled F1 on {IMAGES} fresh images with the 95 % bootstrap interval over images; "
        f"{', '.join(f'{name} {f1:.3f}' for name, f1 in levels.items())}. One training seed: other seeds "
        "differ by more (see below)."
    )
    if not pictures.of_two(job.spec.task):
        table.table([_by_class(job.spec.task, line, score) for line, score in scores])
        table.caption("F1 of each class at T. The score above is their mean, without the background.")
        told = "of the pixels of each class, % answered as which at T"
        matrices = [
            confusion.table(job.spec.task, one.table, f"{line.name}: {told}")
            for line, one in zip(lines, results)
        ]
        st.html("".join(matrices))
    recurrent = [one for one in results if traits_of(one.card.model).takes_steps]
    baseline = [one for one in results if not traits_of(one.card.model).takes_steps]
    for (one, i), result in zip(rested, results):
        run = one.spec.runs[i]
        if result in recurrent:
            pair = {"model": result.name} | ({"comparison": baseline[0].name} if baseline else {})
        else:
            pair = ({"model": recurrent[0].name} if recurrent else {}) | {"comparison": result.name}
        row = st.container(horizontal=True)
        look = {} if pictures.of_two(one.spec.task) else {"layer": "mask"}
        there = menu.link("explore", task=one.spec.task.name, **pair, **look)
        row.link_button(f"Open {run.name} in Explore", there)
        row.link_button("Live", menu.link("live", world=one.spec.task.name, shown=tuple(pair.values())))
        if traits_of(run.model).has_loop:
            row.link_button("In the Stability lab", menu.link("stability", model=result.name))
        row.download_button(
            "Checkpoint (safetensors)", lambda name=result.name: own_models.content(name),
            own_models.path_of(result.name).name, "application/octet-stream", key=f"file-{one.job}-{i}",
            on_click="ignore",
        )  # fmt: skip


def show_limit(screen: Screen, job: Followed) -> Score | None:
    """The ideal observer's score on the same images, once it is asked for: it takes long."""
    task = job.spec.task
    if not isinstance(task, ShapesConfig):
        return None
    key, bar = ("limit", task.model_dump_json()), st.empty()

    def look() -> Score:
        pace = Pace()

        def tell(done: int) -> None:
            left = pace.left(done / IMAGES)
            bar.progress(done / IMAGES, f"Ideal observer: image {done} of {IMAGES}{left}")

        return ideal_f1(task, IMAGES, EVAL_SEED, progress=tell)

    wanted = screen.recalled("limits", False)
    score = server.known_or(key, look if wanted else None)
    bar.empty()
    if score is None:
        bar.button(
            "Compute the ideal observer", key="limit", on_click=screen.remember, args=("limits", True),
            help="The best F1 of an observer that knows the family of shapes; no model can beat it. "
            "The time left is told once it is under way.",
        )  # fmt: skip
    elif wanted:
        screen.remember("limits", False)  # another task's limit waits for its own click
    return score


def _row(line: figures.Shown, result: computed.Scored) -> dict[str, str]:
    score, trained = result.score, result.card.updates

    def at(t: int) -> str:
        t = min(t, len(score.f1) - 1)
        return f"{score.f1[t]:.3f} [{score.low[t]:.3f}, {score.high[t]:.3f}]"

    row = {"model": line.name, "updates": str(trained), f"F1 at T = {line.steps}": at(line.steps)}
    row[f"at 2T = {2 * line.steps}"] = at(2 * line.steps) if line.recurrent else "–"
    row["batch statistics"] = "–" if result.batch_f1 is None else f"{result.batch_f1:.3f}"
    return row


def _by_class(task: TaskConfig, line: figures.Shown, score: Score) -> dict[str, str]:
    """F1 of each class at T, for a table; a class is left open where neither truth nor answer has it."""
    found = score.class_f1[min(line.steps, len(score.f1) - 1)]
    told = ["–" if value is None else f"{value:.3f}" for value in found]
    return {"model": line.name} | dict(zip(task_of(task).class_names(task), told))


def show_files(job: Followed, ablations: list[Followed]) -> None:
    """Curves, and the commands that learn the same without the app."""
    with st.expander("Take it along: curves, commands"):
        st.download_button(
            "Curves (CSV)", lambda: curves_csv([job, *ablations]), "few-shot-curves.csv", "text/csv",
            key="export-curves", on_click="ignore",
        )  # fmt: skip
        for one in (job, *ablations):
            for i, run in enumerate(one.spec.runs):
                note = command_differs(one, i) or "It learns the very same weights."
                st.markdown(f"**{run.name}** without the app. {note}")
                st.code(command(one.spec, run), language="bash", wrap_lines=True)


def bring_one(screen: Screen) -> None:
    """Load a checkpoint back."""

    def take() -> None:
        file = screen.chosen("checkpoint")
        screen.remember("brought", None)
        if file is not None:
            screen.remember("brought", own_models.bring(file.getvalue(), visitor.owner()))

    with st.expander("Load a checkpoint"):
        st.file_uploader(
            "A checkpoint of this page or of the command line", ["safetensors"], key=screen.key("checkpoint"),
            on_change=screen.attempt, args=(take,), kwargs={"box": "checkpoint"},
        )  # fmt: skip
        notices.noted(screen.noted_in("checkpoint"))
        if brought := screen.recalled("brought"):
            name, card = brought
            st.markdown(describe_card(card))
            field = "model" if traits_of(card.model).takes_steps else "comparison"
            ways = st.container(horizontal=True)
            ways.link_button("Open it in Explore", menu.link("explore", task=card.task.name, **{field: name}))
            ways.link_button("Live", menu.link("live", world=card.task.name, shown=(name,)))
