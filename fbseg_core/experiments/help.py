"""Who needs fewer examples: feedback, or augmentation, weight decay, and a loss on every step?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fbseg_core.analysis.equivalence import family, not_better
from fbseg_core.config import ShapesConfig, TaskConfig, pixel_sigma
from fbseg_core.experiments.common import setup_of, train_and_score
from fbseg_core.experiments.records import NONE, Experiment, Finding, Others, Panel, Profile, Row, Series
from fbseg_core.experiments.report import answered, gap, mean
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.experiments.thresholds import MARGIN
from fbseg_core.training.fewshot import TrainingRun, few_shot
from fbseg_core.training.fit import PROTOCOLS

# name -> what it changes of the matched protocol with every help taken off.
HELPS: dict[str, dict[str, Any]] = {
    "none": {},
    "flips and turns": {"flips": True},
    "weight decay": {"optimiser": "adamw", "weight_decay": 0.01},
    "loss on the last step only": {"loss": "final"},
}
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"examples": (2,), "seeds": 2, "side": 16, "images": 8, "updates": 2},
    "quick": {"examples": (2,), "seeds": 2, "side": 32, "images": 100, "updates": 0},
    "full": {"examples": (2, 10), "seeds": 8, "side": 64, "images": 100, "updates": 0},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """number of examples × model × help × seed, at paper sigma 4. A plain model has one step and one loss."""
    grid = GRIDS[profile]
    return [
        {
            "examples": n, "model": model, "help": help, "seed": seed,
            "sigma": pixel_sigma(4.0, grid["side"]), "side": grid["side"], "images": grid["images"],
            "updates": grid["updates"],
        }
        for n in grid["examples"]
        for model in ("feedback", "loop cut", "feedforward")
        for help in HELPS
        if not (model == "feedforward" and HELPS[help].get("loss"))
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The task and the run of a cell: one help, or none."""
    setup = setup_of(settings, "matched")
    task, feedback, plain = few_shot(ShapesConfig(side=settings["side"], sigma=settings["sigma"]), setup)
    cut = TrainingRun("loop cut", feedback.model.replace(kind="loop_cut"), feedback.train)
    run = {"feedback": feedback, "loop cut": cut, "feedforward": plain}[settings["model"]]
    bare = run.train.replace(flips=False, weight_decay=0.0)
    return task, TrainingRun(run.name, run.model, bare.replace(**HELPS[settings["help"]]))


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one model with one help, or none, and score it with its controls."""
    return train_and_score(*run_of(settings), settings["images"], settings["seed"])


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, as it is trained and tested."""
    return (of_run(*run_of(settings)),)


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 of each model with each help, for each number of examples."""
    return [_panel(rows, n) for n in sorted({row.settings["examples"] for row in rows})]


def _panel(rows: Sequence[Row], examples: int) -> Panel:
    def series(model, key: str = "f1", name: str = "") -> Series:
        helps = [help for help in HELPS if not (model == "feedforward" and HELPS[help].get("loss"))]
        y = [mean(rows, key, model=model, examples=examples, help=help) for help in helps]
        return Series(name or model, model if key == "f1" else "other", tuple(helps), tuple(y))

    lines = [series("feedback"), series("feedback", "f1_first", "feedback at t = 1")]
    lines += [series("loop cut"), series("feedforward")]
    chance = [mean(rows, "chance", model="feedback", examples=examples, help=help) for help in HELPS]
    lines.append(Series("chance", "chance", tuple(HELPS), tuple(chance)))
    return Panel(f"{examples} examples", "the only help", "pooled F1", tuple(lines))


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """With the fewest examples: does the loss on every step help, and is it the loop that it helps?

    Reproduced: both, told by a test. Partly: one of them. Not reproduced: neither helps by more than MARGIN.
    Undecided otherwise.
    """
    n = min(row.settings["examples"] for row in rows)
    bare, last = {"help": "none"}, {"help": "loss on the last step only"}
    plain = {"model": "feedforward", "examples": n}
    found = family(
        {
            "path": gap(rows, "f1", bare, last, model="feedback", examples=n),
            "loop": gap(rows, "f1", plain | {"model": "feedback"}, plain, help="none"),
            "turned": gap(rows, "f1", {"help": "flips and turns"}, bare, **plain),
            "decayed": gap(rows, "f1", {"help": "weight decay"}, bare, **plain),
        },
        MARGIN,
    )
    path, loop = found["path"], found["loop"]
    because = (
        f"With n = {n} examples, trained alike, a loss at every step and not at the last alone "
        f"changes feedback's F1 by {answered(path)}. Feedback less feedforward is {answered(loop)}."
    )
    points = [
        f"Flips and turns change feedforward's F1 by {answered(found['turned'])}, weight decay by "
        f"{answered(found['decayed'])}.",
        "The models of this card learn from the whole trajectory or its last step; the grouping models that "
        f"ship leave the first {PROTOCOLS['settling'].loss_from:.0%} of it out of the loss (settling "
        "protocol).",
    ]
    helps = [one.different and one.difference.mean > 0 for one in (path, loop)]
    if all(helps):
        brief = "A loss at every step helps the loop, and the loop beats one pass."
        return Finding("reproduced", because, brief, points=points)
    if helps[0]:
        brief = "A loss at every step helps the loop, which is not seen to beat one pass."
        return Finding("partly", because, brief, points=points)
    if helps[1]:
        brief = "The loop beats one pass, but a loss at every step is not seen to help it."
        return Finding("partly", because, brief, points=points)
    if all(not_better(one.difference, MARGIN) for one in (path, loop)):
        brief = f"Neither a loss at every step nor the loop helps by more than {MARGIN:g} F1."
        return Finding("not reproduced", because, brief, points=points)
    brief = "Whether a loss at every step or the loop helps is not told apart from chance."
    return Finding("undecided", because, brief, points=points)


EXPERIMENT = Experiment(
    name="help",
    title="Learning the whole trajectory",
    claim="Optimising the full trajectory enables generalisation from significantly fewer labelled examples.",
    source="mechanism 3, section 6",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
)
