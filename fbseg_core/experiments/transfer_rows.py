"""What the rows of `transfer` say: where feedback and the best model without a loop differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.experiments.grouping_rows import CUT, FEEDBACK
from fbseg_core.experiments.records import NONE, Finding, Kind, Others, Panel, Row, Series
from fbseg_core.experiments.report import gap, mean, words
from fbseg_core.experiments.thresholds import MARGIN

SHIPPED, RETRAINED = "shipped", "retrained"
PLAIN, DEEP = "feedforward", "depth 3, no loop"
TRAINED = "as trained"
CHECKPOINTS = {
    "grouping": {FEEDBACK: "grouping-feedback", CUT: "grouping-loop-cut", DEEP: "grouping-feedforward-deep"},
    "shapes": {FEEDBACK: "shapes-feedback", PLAIN: "shapes-feedforward"},
}
BESIDE = {"grouping": DEEP, "shapes": PLAIN}  # the best model without a loop that there is
RANGE = 8.0  # factor within which σ is drawn where a model is trained over a range of it
STEPS = (10, 20, 40, 60)
LONG = {"grouping": (TRAINED, "curves", "64 px"), "shapes": (TRAINED,)}  # run on to the last of STEPS


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
