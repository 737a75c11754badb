"""What is concluded from the rows of `transfer`, in words; every comparison is one of transfer_rows.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbseg_core.analysis.equivalence import Compared
from fbseg_core.analysis.paired import paired_difference
from fbseg_core.experiments.grouping_rows import FEEDBACK
from fbseg_core.experiments.records import NONE, Finding, Listed, Others, Point, Row
from fbseg_core.experiments.report import answered, mean, over_seeds, words
from fbseg_core.experiments.transfer_rows import (
    ALIKE,
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
    found = {task: _leads(rows, task) for task in BESIDE}
    sources = list(found["grouping"])
    because = [_grouping(found["grouping"]), _shapes(found["shapes"])]
    points = [point for source in sources for point in _changes(rows, source)]
    if ALIKE in found["shapes"]:
        points.append(_alike(rows, found["shapes"][ALIKE]))
    if anew := [source for source in (ALIKE, RETRAINED) if source in found["shapes"]]:
        because.append(_mended(rows, anew[0]))
        points += [point for source in anew for point in _range(rows, source)]
    points += [point for source in sources for point in _steps(rows, source)]
    points += [*_best(rows), *_said_of(rows, sources)]
    behind = _behind(rows, found["shapes"][ALIKE]) if ALIKE in found["shapes"] else ""
    brief = _brief({task: found[task][sources[0]] for task in BESIDE}, behind)
    return Finding("measured", " ".join(because), brief, points=points)


def _leads(rows: Sequence[Row], task: str) -> dict[str, Found]:
    """Of each source that has the task, where feedback and the feedforward model differ."""
    return {source: leads(rows, source, task) for source in OVER if names(rows, source, task)}


def _brief(found: Mapping[str, Found], behind: str) -> str:
    """found: by task. behind: what to add of models trained like checkpoints, if anything."""
    parts = []
    for task, one in found.items():
        changed = _changed(one)
        part = f"in {len(_led(changed))} of {len(changed)} {'' if parts else 'changed conditions '}of {task}"
        if TRAINED in _led(one):
            part += ", as on its own images,"
        lags = len(_led(changed, -1))
        parts.append(part + (f" (behind in {lags})" if lags else ""))
    led = " and ".join(parts).replace(", and ", ", ")
    return f"Feedback leads {led.rstrip(',')}{behind}."


def _behind(rows: Sequence[Row], found: Found) -> str:
    """Where feedback, trained like its checkpoint of shapes, is behind; "" if nowhere."""
    side = next(row.settings["side"] for row in rows if row.settings["source"] == ALIKE)
    lags, changed = _led(_changed(found), -1), _changed(found)
    return f" ({side} px: behind in {len(lags)} of {len(changed)})" if lags else ""


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
    """Shapes under noise far from that of the training; over the seeds of the checkpoints' like, if there."""
    what = f"feedback − {BESIDE['shapes']}"
    if ALIKE not in found:
        told = "; ".join(f"{SHORT[source]} {answered(one[WEAK])}" for source, one in found.items())
        return f"Shapes at {WEAK}, {what}: {told}."
    told = "; ".join(f"{name} {answered(found[ALIKE][name])}" for name in (WEAK, STRONG))
    one_seed = " and ".join(f"{found[SHIPPED][name].difference.mean:+.2f}" for name in (WEAK, STRONG))
    return f"Shapes, {SHORT[ALIKE]}, {what}: {told}; the checkpoints {one_seed.replace('-', '−')}."


def _alike(rows: Sequence[Row], found: Found) -> Listed:
    """What other seeds say of the checkpoints of shapes, of each level of noise."""
    of = next(row.settings for row in rows if row.settings["source"] == ALIKE)
    seeds = {row.settings["seed"] for row in rows if row.settings["source"] == ALIKE}
    return Listed(
        f"Shapes, {SHORT[ALIKE]} ({of['side']} px, {of['updates']} updates) with {len(seeds)} seeds that are "
        f"not theirs, feedback − {BESIDE['shapes']}",
        tuple(f"{name} {answered(one)}" for name, one in found.items()),
    )


def _mended(rows: Sequence[Row], source: str) -> str:
    found = compare(rows, source, "shapes", model(FEEDBACK, RANGE), model(FEEDBACK))
    level = compare(rows, source, "shapes", model(FEEDBACK, RANGE), model(PLAIN, RANGE))
    told = "; ".join(f"{name} {answered(found[name])}" for name in (STRONG, TRAINED))
    then = "; ".join(_sorted(level))
    return f"Feedback, {SHORT[source]}, over a range of σ less at one σ: {told}; then it − {PLAIN} {then}."


def _changes(rows: Sequence[Row], source: str) -> list[Point]:
    """Where the lead on changed images is another than on those as trained; and how F1 itself fares."""
    name = SHORT[source].capitalize()
    told: list[Point] = [
        Listed(
            f"{name}, {task}: feedback − {BESIDE[task]} on changed images less that as trained",
            _sorted(grown(rows, source, task)),
        )
        for task in BESIDE
    ]
    of = {"source": source, "task": "grouping", **model(FEEDBACK)}
    above = marked(rows, source)
    f1 = {name: mean(rows, ("at", name), **of) for name in above}
    worst = min(f1, key=lambda name: f1[name].mean)
    least = min(above, key=lambda name: above[name].difference.mean)
    return [
        *told,
        f"{name}, feedback's F1 in grouping is {words(f1[TRAINED])} as trained, at the least "
        f"{words(f1[worst])} ({worst}); less that of marking every region "
        f"at the least {answered(above[least])} ({least}).",
    ]


def _range(rows: Sequence[Row], source: str) -> list[Listed]:
    """What a range of σ in training changes of each model, and what it leaves between the two."""
    level = compare(rows, source, "shapes", model(FEEDBACK, RANGE), model(PLAIN, RANGE))
    what = f"Shapes, {SHORT[source]}, over a range of σ (a factor {RANGE:g} up and down)"
    told = [
        Listed(
            f"{what} less at one σ, {one}",
            _sorted(compare(rows, source, "shapes", model(one, RANGE), model(one))),
        )
        for one in (FEEDBACK, PLAIN)
    ]
    return [*told, Listed(f"{what}, feedback − {PLAIN}", _sorted(level))]


def _steps(rows: Sequence[Row], source: str) -> list[Listed]:
    return [
        Listed(
            f"{SHORT[source].capitalize()}, feedback run on past T, F1 {what}",
            tuple(f"{task}, {name} {answered(one)}" for (task, name), one in found.items()),
        )
        for what, found in run_on(rows, source).items()
    ]


def _sorted(found: Found) -> tuple[str, ...]:
    """Conditions that differ with their differences, largest first; of the others which answer holds of how
    many."""
    different = sorted(
        ((name, one) for name, one in found.items() if one.different),
        key=lambda item: -item[1].difference.mean,
    )
    parts = [f"{name} {answered(one)}" for name, one in different]
    rest = [one.answer for one in found.values() if not one.different]
    return (*parts, *(f"{answer} in {rest.count(answer)}" for answer in dict.fromkeys(rest)))


def _over_all(rows: Sequence[Row], source: str, task: str, name: str, spread: float = 1.0) -> list[float]:
    """F1 of a model averaged over the changed images, for each seed."""
    changed = [each for each in names(rows, source, task) if each != TRAINED]
    of = {"source": source, "task": task, **model(name, spread)}
    return [sum(each) / len(each) for each in zip(*(over_seeds(rows, ("at", n), **of) for n in changed))]


def _best(rows: Sequence[Row]) -> list[str]:
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
    points = [f"Of these checkpoints, highest mean F1 over all changed images, at T: {', '.join(told)}."]
    for source in (RETRAINED, SHIPPED):
        if any(row.settings["range"] > 1 for row in rows if row.settings["source"] == source):
            more = {
                name: paired_difference(*(_over_all(rows, source, "shapes", name, s) for s in (RANGE, 1.0)))
                for name in (FEEDBACK, PLAIN)
            }
            gains = ", ".join(f"{name} {words(one, sign=True)}" for name, one in more.items())
            points.append(
                f"Shapes, {SHORT[source]}, that mean with a range of σ in training less with one σ: {gains}."
            )
    return points


def _shipped(row: Row, task: str) -> bool:
    return (row.settings["source"], row.settings["task"]) == (SHIPPED, task)


def _said_of(rows: Sequence[Row], sources: Sequence[str]) -> list[str]:
    """What the rows do not say."""
    told = [
        "Checkpoints are of one training seed: intervals are over parts of the test images, and say nothing "
        "of other seeds. Images at another σ are those as trained with their noise rescaled."
    ]
    if RETRAINED in sources:
        settings = {row.settings["task"]: row.settings for row in rows if row.settings["source"] == RETRAINED}
        learned = " and ".join(f"{task} of {one['side']} px" for task, one in settings.items())
        told.append(
            f"Models trained anew learned {learned} in {settings['shapes']['updates']} updates; their curves "
            "and mazes are of 32 px, so that size and kind change at once."
        )
    if WAYS in names(rows, sources[0], "grouping"):
        told.append(f"{WAYS.capitalize()} hardly occur within one side: their images are twice as wide.")
    after = "differences less those as trained, means over all changed images, all comparisons past T, the "
    after += "checkpoints trained over a range of σ"
    if names(rows, ALIKE, "shapes"):
        after += ", and models trained like checkpoints, whose seeds are new"
    return [*told, f"Thought of after looking at the rows, so exploratory: {after}."]
