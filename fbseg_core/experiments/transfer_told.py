"""What is concluded from the rows of `transfer`, in words; every comparison is one of transfer_rows.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbseg_core.analysis.equivalence import Compared
from fbseg_core.analysis.paired import paired_difference
from fbseg_core.experiments.grouping_rows import FEEDBACK
from fbseg_core.experiments.records import NONE, Finding, Others, Row
from fbseg_core.experiments.report import answered, mean, over_seeds, words
from fbseg_core.experiments.transfer_rows import (
    BESIDE,
    CHECKPOINTS,
    OVER,
    PLAIN,
    RANGE,
    RETRAINED,
    SHIPPED,
    TRAINED,
    compare,
    file_of,
    grown,
    leads,
    marked,
    model,
    names,
    run_on,
)

WEAK, STRONG = "σ × 0.15", "σ × 2"  # noise far from that of the training: what the question was asked of
WAYS = "ways of 2.25 sides"
SHORT = {source: text.partition(",")[0] for source, text in OVER.items()}
Found = Mapping[str, Compared]


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Where feedback and the feedforward model differ; what a range of σ, more steps and a slow clock change.

    The paper claims nothing of it, so it is measured. The brief goes by models trained anew, where there are
    such: intervals are over seeds then.
    """
    sources = [source for source in (RETRAINED, SHIPPED) if names(rows, source, "grouping")]
    found = {(source, task): leads(rows, source, task) for source in sources for task in BESIDE}
    because = [_grouping({source: found[source, "grouping"] for source in sources})]
    because.append(_shapes({source: found[source, "shapes"] for source in sources}))
    details = [_changes(rows, source) for source in sources]
    if RETRAINED in sources:
        because.append(_mended(rows))
        details.append(_range(rows))
    details += [_steps(rows, source) for source in sources]
    details += [_best(rows), _said_of(rows, sources)]
    brief = _brief({task: found[sources[0], task] for task in BESIDE})
    return Finding("measured", " ".join(because), brief, details="\n\n".join(details))


def _brief(found: Mapping[str, Found]) -> str:
    parts = []
    for task, one in found.items():
        changed = _changed(one)
        part = f"in {len(_led(changed))} of {len(changed)} conditions of {task}"
        if TRAINED in _led(one):
            part += ", as on its own images,"
        behind = len(_led(changed, -1))
        parts.append(part + (f" (behind in {behind})" if behind else ""))
    return f"On changed images feedback leads {' and '.join(parts).rstrip(',')}."


def _changed(found: Found) -> dict[str, Compared]:
    return {name: one for name, one in found.items() if name != TRAINED}


def _led(found: Found, sign: int = 1) -> list[str]:
    """The conditions under which feedback differs that way, by more than the margin lets pass."""
    return [n for n, one in found.items() if one.answer == "different" and sign * one.difference.mean > 0]


def _grouping(found: Mapping[str, Found]) -> str:
    told = []
    for source, one in found.items():
        changed = _changed(one)
        means = [each.difference.mean for each in changed.values()]
        different = f"in {sum(each.different for each in changed.values())} of {len(changed)}"
        if told:
            told.append(f"{SHORT[source]}, {one[TRAINED].answer} as trained, {different}")
        else:
            lead = words(one[TRAINED].difference, sign=True)
            span = f"{_span(means)} on changed images"
            told.append(f"{SHORT[source]} {lead} as trained, {span}, different {different}")
    return f"Grouping, feedback − {BESIDE['grouping']}: {'; '.join(told)}."


def _span(means: Sequence[float]) -> str:
    return " to ".join(f"{end:+.2f}".replace("-", "−") for end in (min(means), max(means)))


def _shapes(found: Mapping[str, Found]) -> str:
    told = "; ".join(f"{SHORT[source]} {answered(one[WEAK])}" for source, one in found.items())
    return f"Shapes at {WEAK}, feedback − {BESIDE['shapes']}: {told}."


def _mended(rows: Sequence[Row]) -> str:
    found = compare(rows, RETRAINED, "shapes", model(FEEDBACK, RANGE), model(FEEDBACK))
    told = "; ".join(f"{name} {answered(found[name])}" for name in (WEAK, STRONG, TRAINED))
    return f"Feedback trained over a range of σ less at one σ: {told}."


def _changes(rows: Sequence[Row], source: str) -> str:
    """Where the lead on changed images is another than on those as trained; and how F1 itself fares."""
    told = " ".join(f"{task.capitalize()}: {_sorted(grown(rows, source, task))}." for task in BESIDE)
    of = {"source": source, "task": "grouping", **model(FEEDBACK)}
    above = marked(rows, source)
    f1 = {name: mean(rows, ("at", name), **of) for name in above}
    worst = min(f1, key=lambda name: f1[name].mean)
    least = min(above, key=lambda name: above[name].difference.mean)
    return (
        f"{SHORT[source].capitalize()}, feedback − feedforward on changed images less that as trained. "
        f"{told} Feedback's F1 in grouping is {words(f1[TRAINED])} as trained, at the least "
        f"{words(f1[worst])} ({worst}); less that of marking every region "
        f"at the least {answered(above[least])} ({least})."
    )


def _range(rows: Sequence[Row]) -> str:
    """What a range of σ in training changes of each model, and what it leaves between the two."""
    found = {
        one: compare(rows, RETRAINED, "shapes", model(one, RANGE), model(one)) for one in (FEEDBACK, PLAIN)
    }
    told = " ".join(f"{one.capitalize()}: {_sorted(each)}." for one, each in found.items())
    level = compare(rows, RETRAINED, "shapes", model(FEEDBACK, RANGE), model(PLAIN, RANGE))
    return (
        f"Shapes, {SHORT[RETRAINED]}, over a range of σ (a factor {RANGE:g} up and down) less at one σ. "
        f"{told} Both over a range, feedback − {PLAIN}: {_sorted(level)}."
    )


def _steps(rows: Sequence[Row], source: str) -> str:
    told = " ".join(f"F1 {what}: {_listed(found)}." for what, found in run_on(rows, source).items())
    return f"{SHORT[source].capitalize()}, feedback run on past T. {told}"


def _listed(found: Mapping[tuple[str, str], Compared]) -> str:
    return "; ".join(f"{task}, {name} {answered(one)}" for (task, name), one in found.items())


def _sorted(found: Found) -> str:
    """Conditions that differ with their differences, largest first; of the others which answer holds of how
    many."""
    different = sorted(
        ((name, one) for name, one in found.items() if one.different),
        key=lambda item: -item[1].difference.mean,
    )
    parts = [f"{name} {answered(one)}" for name, one in different]
    rest = [one.answer for one in found.values() if not one.different]
    parts += [f"{answer} in {rest.count(answer)}" for answer in dict.fromkeys(rest)]
    return "; ".join(parts)


def _over_all(rows: Sequence[Row], source: str, task: str, name: str, spread: float = 1.0) -> list[float]:
    """F1 of a model averaged over the changed images, for each seed."""
    changed = [each for each in names(rows, source, task) if each != TRAINED]
    of = {"source": source, "task": task, **model(name, spread)}
    return [sum(each) / len(each) for each in zip(*(over_seeds(rows, ("at", n), **of) for n in changed))]


def _best(rows: Sequence[Row]) -> str:
    """Of each task the checkpoint with the highest mean F1 on changed images, and its lead over the next;
    and what training over a range of σ changes of that mean."""
    told = []
    for task, models in CHECKPOINTS.items():
        spreads = sorted({row.settings["range"] for row in rows if _shipped(row, task)})
        scores = {
            file_of(task, name, spread): _over_all(rows, SHIPPED, task, name, spread)
            for spread in spreads
            for name in models
        }
        best, second, *_ = sorted(scores, key=lambda file: -sum(scores[file]))
        ahead = words(paired_difference(scores[best], scores[second]), sign=True)
        f1 = sum(scores[best]) / len(scores[best])
        told.append(f"{best} ({f1:.2f}, less {second} {ahead})")
    text = f"Of these checkpoints, highest mean F1 over all changed images, at T: {', '.join(told)}."
    for source in (RETRAINED, SHIPPED):
        if any(row.settings["range"] > 1 for row in rows if row.settings["source"] == source):
            more = {
                name: paired_difference(*(_over_all(rows, source, "shapes", name, s) for s in (RANGE, 1.0)))
                for name in (FEEDBACK, PLAIN)
            }
            gains = ", ".join(f"{name} {words(one, sign=True)}" for name, one in more.items())
            text += (
                f" Shapes, {SHORT[source]}, the same mean over a range of σ in training less at one σ: "
                f"{gains}."
            )
    return text


def _shipped(row: Row, task: str) -> bool:
    return (row.settings["source"], row.settings["task"]) == (SHIPPED, task)


def _said_of(rows: Sequence[Row], sources: Sequence[str]) -> str:
    """What the rows do not say."""
    text = (
        "Checkpoints are of one training seed: intervals are over parts of the test images, and say nothing "
        "of other seeds. Images at another σ are those as trained with their noise rescaled. "
    )
    if RETRAINED in sources:
        settings = {row.settings["task"]: row.settings for row in rows if row.settings["source"] == RETRAINED}
        learned = " and ".join(f"{task} of {one['side']} px" for task, one in settings.items())
        text += (
            f"Models trained anew learned {learned} in {settings['shapes']['updates']} updates; their curves "
            "and mazes are of 32 px, so that size and kind change at once. "
        )
    if WAYS in names(rows, sources[0], "grouping"):
        text += f"{WAYS.capitalize()} hardly occur within one side: their images are twice as wide. "
    return text + (
        "Thought of after looking at the rows, so exploratory: differences less those as trained, means over "
        "all changed images, all comparisons past T, and the checkpoints trained over a range of σ."
    )
