"""The ladder on incremental grouping: where the answer at a pixel hangs on pixels far away, what does the
loop bring? Every run reads fresh examples, so that none can fail for want of them.

The climb is feedforward, normalised output, group norm, loop cut, feedback, all with equal updates. Two
rungs stand beside it and are not kept on the way up, each the feedforward model with one thing in place of
the loop: more updates (T times as many), and more depth, that is a wider view in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from fbseg_core.analysis.paired import Difference
from fbseg_core.config import GroupingConfig, ModelConfig
from fbseg_core.experiments import rungs
from fbseg_core.experiments.common import score_at, trained
from fbseg_core.experiments.records import NONE, Experiment, Finding, Others, Panel, Profile, Row, Series
from fbseg_core.experiments.report import gap, mean, words
from fbseg_core.experiments.rungs import RUNGS
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.training.fewshot import BACKBONES, TrainingRun, with_changes
from fbseg_core.training.fit import PROTOCOLS

DEEP = 3  # levels; the grouping backbone has 1
DEEPER = f"depth {DEEP}, no loop"
CLIMB = tuple(rung for rung in RUNGS if rung != "+ more updates")
GRIDS: dict[Profile, dict[str, int]] = {
    "tiny": {"seeds": 2, "side": 16, "steps": 2, "images": 8, "updates": 2},
    "quick": {"seeds": 2, "side": 24, "steps": 6, "images": 100, "updates": 150},
    "full": {"seeds": 8, "side": 24, "steps": 6, "images": 200, "updates": 400},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """rung × seed, at σ = 0.2 a pixel, every model of `steps` steps T in training and in test."""
    grid = GRIDS[profile]
    return [
        {
            "rung": rung, "seed": seed, "sigma": 0.2, "side": grid["side"], "steps": grid["steps"],
            "images": grid["images"], "updates": grid["updates"],
        }
        for rung in (*RUNGS, DEEPER)
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def rung_of(settings: Mapping[str, Any]) -> TrainingRun:
    """The run of one rung: the settling protocol with trajectories of one length and a loss at every step."""
    steps = settings["steps"]
    train = PROTOCOLS["settling"].replace(
        updates=settings["updates"], steps_min=steps, steps_max=steps, loss_from=0.0, seed=settings["seed"]
    )
    feedback = BACKBONES["grouping"].replace(in_channels=2, classes=2, steps=steps)
    plain = feedback.replace(kind="feedforward", norm="batch", delta_norm=False)
    models: dict[str, ModelConfig] = {
        "feedback": feedback,
        "loop cut": feedback.replace(kind="loop_cut"),
        DEEPER: plain.replace(depth=DEEP),
    }
    rung, base = settings["rung"], TrainingRun("feedforward", plain, train)
    if rung in models:
        return TrainingRun(rung, models[rung], train)
    path = (rung,) if rung == "+ more updates" else CLIMB[1 : CLIMB.index(rung) + 1]
    return with_changes(base, *(name.removeprefix("+ ") for name in path))


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train the model of one rung; its scores with their controls, and its number of weights."""
    task = _task(settings)
    model, last = trained(task, rung_of(settings))
    weights = sum(weight.numel() for weight in model.parameters())
    return score_at(model, task, settings["images"]) | last | {"weights": weights}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of one rung, as it is trained and tested."""
    return (of_run(_task(settings), rung_of(settings)),)


def _task(settings: Mapping[str, Any]) -> GroupingConfig:
    return GroupingConfig(side=settings["side"], sigma=settings["sigma"])


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 from rung to rung, with the feedback model's own controls beside its rung."""
    found = rungs.summary(rows, (*RUNGS, DEEPER))
    controls = [
        Series(name, kind, ("feedback",), (mean(rows, key, rung="feedback"),))
        for name, kind, key in (
            ("feedback at t = 1", "other", "f1_first"),
            ("feedback, loop cut at inference", "loop cut", "f1_cut"),
        )
    ]
    return [rungs.panel(f"incremental grouping, {rows[0].settings['side']} px", found, *controls)]


def changes(rows: Sequence[Row]) -> dict[str, Difference]:
    """What each change but depth adds to F1, paired by seed: by the name of the rung that has it.

    In the climb it is added to the rung before, more updates to the feedforward model.
    """
    before = {here: below for below, here in pairwise(CLIMB)} | {"+ more updates": CLIMB[0]}
    return {here: gap(rows, "f1", {"rung": here}, {"rung": below}) for here, below in before.items()}


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Is the loop's gain, feedback over loop cut, there (its interval above zero) and the largest?

    Explained by more updates where the feedforward model that has them is level with feedback; otherwise
    reproduced if the loop's gain is both, partly if some other of `changes` gains more, not reproduced if
    it is not there. That another way to a wide view, a deeper net, may do as well is said and changes no
    word: the claim is that the loop refines, not that nothing else could.
    """
    found = {rung.name: rung for rung in rungs.summary(rows, (*RUNGS, DEEPER))}
    added = changes(rows)
    loop, largest = added.pop("feedback"), max(added, key=lambda name: added[name].mean)
    more, deeper = found["+ more updates"], found[DEEPER]
    times = mean(rows, "weights", rung=DEEPER).mean / mean(rows, "weights", rung="feedback").mean
    because = (
        f"Feedforward {words(found['feedforward'].f1)}, with T times the updates {words(more.f1)}; with the "
        f"loop cut {words(found['loop cut'].f1)}, feedback {words(found['feedback'].f1)}: the loop adds "
        f"{words(loop, sign=True)}, any other change but depth at most "
        f"{words(added[largest], sign=True)} ({largest.removeprefix('+ ')}). Feedback at t = 1: "
        f"{words(mean(rows, 'f1_first', rung='feedback'))}. A feedforward net of depth {DEEP}, with "
        f"{times:.0f} times feedback's weights and no loop: {words(deeper.f1)}, "
        f"{words(deeper.from_feedback, sign=True)} from feedback."
        f"{rungs.loop_elsewhere(others, 'ladder', 'On single shapes (n = 2)', examples=2)}"
    )
    brief = (
        f"feedback − the loop cut: {words(loop, sign=True)}; depth {DEEP} without a loop − feedback: "
        f"{words(deeper.from_feedback, sign=True)}"
    )
    if loop.low <= 0:
        return Finding("not reproduced", because, brief)
    if more.from_feedback.high >= 0:
        return Finding("explained by", because, brief, "more updates")
    return Finding("reproduced" if loop.mean > added[largest].mean else "partly", because, brief)


EXPERIMENT = Experiment(
    name="grouping",
    title="Where the loop is needed",
    claim="Routing output predictions back to the input lets the model refine its representation "
    "iteratively.",
    source="mechanism 1",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    needs=("ladder",),
)
