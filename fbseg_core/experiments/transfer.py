"""Beyond the training images: the same models on what they were not trained on.

Two sources, which are kept apart. The checkpoints that ship: one training seed, tested on parts of the
images, so intervals are over images and say nothing of other seeds. And models trained anew, smaller and more
briefly, each seed tested on images of its own: intervals over seeds, which hold the images' share as well. A
cell is one model, tested under every condition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.checkpoint import load, read_card
from fbseg_core.config import EVAL_SEED, GroupingConfig, ModelConfig, ShapesConfig, Switches, TaskConfig
from fbseg_core.experiments.common import trained
from fbseg_core.experiments.grouping import CUT, FEEDBACK, RIVAL, model_of
from fbseg_core.experiments.records import (
    NONE,
    Experiment,
    Finding,
    Kind,
    Others,
    Panel,
    Profile,
    Row,
    Series,
)
from fbseg_core.experiments.report import gap, mean, words
from fbseg_core.experiments.subject import Subject, of_card, of_run
from fbseg_core.experiments.thresholds import MARGIN
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.scores.evaluate import f1_by_step, trivial_f1
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS

SHIPPED, RETRAINED = "shipped", "retrained"
PLAIN, DEEP = "feedforward", "depth 3, no loop"
TRAINED = "as trained"
CHECKPOINTS = {
    "grouping": {FEEDBACK: "grouping-feedback", CUT: "grouping-loop-cut", DEEP: "grouping-feedforward-deep"},
    "shapes": {FEEDBACK: "shapes-feedback", PLAIN: "shapes-feedforward"},
}
BESIDE = {"grouping": DEEP, "shapes": PLAIN}  # the best model without a loop that there is
RANGE = 8.0  # factor within which σ is drawn where a model is trained over a range of it
NOISE = (0.0, 0.15, 0.5, 1.5, 2.0)  # times the training σ
SIZES = {SHIPPED: (32, 64, 96, 128), RETRAINED: (32, 48, 64)}
STEPS = (10, 20, 40, 60)
SLOW = 5.0  # times the τ of training
LONG = {"grouping": (TRAINED, "curves", "64 px"), "shapes": (TRAINED,)}  # run on to the last of STEPS
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"parts": 2, "part": 1, "seeds": 2, "images": 1, "updates": 2, "sides": (32, 32)},
    "quick": {"parts": 2, "part": 2, "seeds": 0, "images": 0, "updates": 0, "sides": (24, 32)},
    "full": {"parts": 8, "part": 10, "seeds": 8, "images": 40, "updates": 400, "sides": (24, 32)},
}  # fmt: skip


def cells(profile: Profile) -> list[dict[str, Any]]:
    """The checkpoints × part of the images; models trained anew × seed, on shapes at one σ and over a range.

    images: under each condition. part and seed are both called "seed": what intervals are taken over.
    """
    grid = GRIDS[profile]
    found = [
        {"source": SHIPPED, "task": task, "model": model, "range": 1.0, "seed": part, "side": 0, "updates": 0,
         "images": grid["part"]}
        for task, models in CHECKPOINTS.items()
        for model in models
        for part in range(grid["parts"])
    ]  # fmt: skip
    return found + [
        {"source": RETRAINED, "task": task, "model": model, "range": spread, "seed": seed, "side": side,
         "updates": grid["updates"], "images": grid["images"]}
        for (task, models), side in zip(CHECKPOINTS.items(), grid["sides"])
        for model in models
        for spread in ((1.0, RANGE) if task == "shapes" else (1.0,))
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def conditions(task: TaskConfig, source: str) -> dict[str, TaskConfig]:
    """The images of each condition by name: what differs from those of the training."""
    found = {TRAINED: task}
    found |= {f"{side} px": task.replace(side=side) for side in SIZES[source] if side != task.side}
    if isinstance(task, GroupingConfig):
        found |= {
            "ways of 1.5 sides": task.replace(winding=1.5),
            "thin": task.replace(scale=1.5),
            "sparse": task.replace(coverage=0.35),
        }
        wider = task.replace(side=max(task.side, 32))
        found |= {
            "curves": wider.replace(regions="curves", coverage=0.4),
            "thin curves": wider.replace(regions="curves", coverage=0.4, scale=1.5),
            "maze": wider.replace(regions="maze", scale=2.0 if task.side < 48 else task.scale),
        }
    return found | {f"σ × {factor:g}": task.replace(sigma=factor * task.sigma) for factor in NOISE}


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The training of a cell: as in `grouping`, or the matched protocol on fresh shapes of paper sigma 8."""
    train = {"updates": settings["updates"], "seed": settings["seed"], "sigma_range": settings["range"]}
    name, side = settings["model"], settings["side"]
    if settings["task"] == "grouping":
        model = model_of(RIVAL if name == DEEP else name, 6)
        whole = PROTOCOLS["settling"].replace(steps_min=6, steps_max=6, loss_from=0.0, **train)
        return GroupingConfig(side=side), TrainingRun(name, model, whole)
    model = ModelConfig(kind=name, steps=10)
    whole = PROTOCOLS["matched"].replace(examples=0, batch=8, **train)
    return ShapesConfig(side=side, sigma=side / 64), TrainingRun(name, model, whole)


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """at: pooled F1 by condition, at the model's own T; trivial: of the trivial baseline, where there is one.

    long: F1 at STEPS under the conditions of LONG, with the clock as trained and slowed; of a model that
    takes steps.
    """
    if settings["source"] == SHIPPED:
        model, card = load(CHECKPOINTS[settings["task"]][settings["model"]])
        task = card.task
    else:
        task, run = run_of(settings)
        model, _ = trained(task, run)
    found: dict[str, Any] = {"at": {}, "trivial": {}, "long": {}}
    for name, shifted in conditions(task, settings["source"]).items():
        batch = make_batch(shifted, settings["images"], EVAL_SEED + settings["seed"], "test")
        found["at"][name] = round(f1_by_step(model, batch, model.steps)[-1], 4)
        trivial = trivial_f1(batch, model.classes)
        if trivial is not None:
            found["trivial"][name] = round(trivial, 4)
        if name in LONG[settings["task"]] and model.has_loop():
            found["long"][name] = _long(model, batch)
    return found


def _long(model: Model, batch) -> dict[str, list[float]]:
    clocks = {"as trained": AS_BUILT, "slowed": Switches(tau=SLOW * model.config.tau)}
    curves = {name: f1_by_step(model, batch, STEPS[-1], switches) for name, switches in clocks.items()}
    return {name: [round(curve[t], 4) for t in STEPS] for name, curve in curves.items()}


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell on the images of each condition."""
    if settings["source"] == SHIPPED:
        card = read_card(CHECKPOINTS[settings["task"]][settings["model"]])
        return tuple(of_card(card, task) for task in conditions(card.task, SHIPPED).values())
    task, run = run_of(settings)
    own = of_run(task, run)
    return tuple(
        Subject(each, own.model, own.steps, own.trained, own.train)
        for each in conditions(task, RETRAINED).values()
    )


def compare(rows: Sequence[Row], source: str, task: str, of: Mapping[str, Any], other: Mapping[str, Any]):
    """Of each condition, one model less another, as one family: name -> Compared."""
    of, other = dict(of), dict(other)
    gaps = {
        name: gap(rows, ("at", name), of, other, source=source, task=task)
        for name in _names(rows, source, task)
    }
    return family(gaps, MARGIN)


def _names(rows: Sequence[Row], source: str, task: str) -> list[str]:
    """The conditions of a source and a task, in their order."""
    return next((list(row.result["at"]) for row in rows if _is(row, source, task)), [])


def _is(row: Row, source: str, task: str) -> bool:
    return (row.settings["source"], row.settings["task"]) == (source, task)


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 condition by condition, of each source and task; and over steps, of the checkpoint with a loop."""
    return [*_by_condition(rows), *_over_steps(rows)]


def _by_condition(rows: Sequence[Row]) -> Iterator[Panel]:
    kinds: dict[str, Kind] = {
        FEEDBACK: "feedback",
        CUT: "loop cut",
        DEEP: "feedforward",
        PLAIN: "feedforward",
    }
    for source in (SHIPPED, RETRAINED):
        for task, models in CHECKPOINTS.items():
            names = tuple(_names(rows, source, task))
            ranges = sorted({row.settings["range"] for row in rows if _is(row, source, task)})
            lines = [
                Series(
                    model + (", trained over a range of σ" if spread > 1 else ""),
                    kinds[model],
                    names,
                    tuple(
                        mean(rows, ("at", name), source=source, task=task, model=model, range=spread)
                        for name in names
                    ),
                )
                for model in models
                for spread in ranges
            ]
            if names and task == "grouping":
                of = {"source": source, "task": task, "model": FEEDBACK}
                levels = tuple(mean(rows, ("trivial", name), **of) for name in names)
                lines.append(Series("mark every region", "trivial", names, levels))
            if names:
                over = "images" if source == SHIPPED else "seeds"
                yield Panel(f"{task}, {source}: intervals over {over}", "", "pooled F1", tuple(lines))


def _over_steps(rows: Sequence[Row]) -> Iterator[Panel]:
    for task in CHECKPOINTS:
        wanted = {"source": SHIPPED, "task": task, "model": FEEDBACK}
        lines = [
            Series(
                f"{name}, clock {clock}",
                "other",
                STEPS,
                tuple(
                    mean(rows, lambda row, n=name, c=clock, i=i: row.result["long"][n][c][i], **wanted)
                    for i in range(len(STEPS))
                ),
            )
            for name in LONG[task]
            for clock in ("as trained", "slowed")
        ]
        yield Panel(f"{task}, {SHIPPED}: run on past T", "steps", "pooled F1", tuple(lines))


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Where feedback and the best model without a loop differ, source by source, and what a range of σ mends.

    The paper claims nothing of it, so it is measured. A family is the conditions of one source and one task.
    """
    told, wins = [], []
    for source, over in ((SHIPPED, "one seed, intervals over images"), (RETRAINED, "intervals over seeds")):
        for task, rival in BESIDE.items():
            if _names(rows, source, task):
                found = compare(rows, source, task, _model(FEEDBACK), _model(rival))
                told.append(f"{task.capitalize()}, {source} ({over}), feedback − {rival}: {_sorted(found)}.")
                ahead, behind = _wins(found), _wins(found, -1)
                wins.append((source, task, rival, f"ahead in {ahead}, behind in {behind} of {len(found)}"))
    if _names(rows, RETRAINED, "shapes"):
        mended = compare(rows, RETRAINED, "shapes", _model(FEEDBACK, RANGE), _model(FEEDBACK))
        told.append(f"Feedback trained over a range of σ − at one σ: {_sorted(mended)}.")
        level = compare(rows, RETRAINED, "shapes", _model(FEEDBACK, RANGE), _model(PLAIN, RANGE))
        told.append(f"Both trained over a range, feedback − {PLAIN}: {_sorted(level)}.")
    told.append(_best(rows))
    last = wins[-1][0]  # over seeds where models were trained anew
    because = " ".join(
        f"{task.capitalize()}, {source}: against {rival} feedback is {count} conditions."
        for source, task, rival, count in wins
        if source == last
    )
    brief = "Of the changed images, feedback is " + "; ".join(
        f"{count} on {task}" for source, task, _, count in wins if source == last
    )
    return Finding("measured", because, f"{brief}.", details=" ".join(told))


def _model(name: str, spread: float = 1.0) -> dict[str, Any]:
    return {"model": name, "range": spread}


def _wins(found: Mapping[str, Compared], sign: int = 1) -> int:
    """In how many conditions feedback differs that way."""
    return sum(one.different and sign * one.difference.mean > 0 for one in found.values())


def _sorted(found: Mapping[str, Compared]) -> str:
    """The conditions that differ, with their differences; of the others their number, by what may be said."""
    different = {name: one for name, one in found.items() if one.different}
    parts = [
        f"{name} {words(one.difference, sign=True)}"
        for name, one in sorted(different.items(), key=lambda item: -item[1].difference.mean)
    ]
    rest = [one.answer for name, one in found.items() if name not in different]
    parts += [f"{answer} in {rest.count(answer)}" for answer in dict.fromkeys(rest)]
    return "; ".join(parts)


def _best(rows: Sequence[Row]) -> str:
    """The checkpoint of each task with the highest mean F1 over all conditions but its own."""
    found = []
    for task, models in CHECKPOINTS.items():
        names = [name for name in _names(rows, SHIPPED, task) if name != TRAINED]
        scores = {
            file: sum(mean(rows, ("at", n), source=SHIPPED, task=task, model=m).mean for n in names)
            / len(names)
            for m, file in models.items()
        }
        best = max(scores, key=scores.__getitem__)
        found.append(f"{best} ({scores[best]:.2f})")
    return f"The checkpoint with the highest mean over the shifted conditions: {', '.join(found)}."


EXPERIMENT = Experiment(
    name="transfer",
    title="Beyond the training images",
    claim="Does a loop carry what it learned to larger images, longer ways, other regions and other noise "
    "better than a model without one?",
    source="a question of ours",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
    over="training seeds, or parts of the images of checkpoints",
    checkpoints=tuple(name for models in CHECKPOINTS.values() for name in models.values()),
)
