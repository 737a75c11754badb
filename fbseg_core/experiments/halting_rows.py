"""What the rows of `halting` say: the rule chosen on validation images; what it takes and gives on test
images; and whether rules that read the run go by the image or by the clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fbseg_core.analysis.equivalence import Compared, family, not_worse
from fbseg_core.analysis.paired import Difference, mean_over_seeds
from fbseg_core.experiments.records import NONE, Others, Panel, Row, Series
from fbseg_core.experiments.report import exact, gap, mean, over_seeds, words
from fbseg_core.experiments.stopping import READING
from fbseg_core.experiments.thresholds import FEWEST, FOLLOWED, KEPT, MARGIN, TRACKED
from fbseg_core.rollout.halting import LONGEST, RULES

FEEDBACK = "feedback"
PLAIN = {"feedforward": "feedforward, equal weights", "feedforward-wide": "feedforward, equal compute"}
STEPS = 10  # the models' own T in tests
WHOLE = f"T = {STEPS}"  # what every rule is held against
ONE_PASS = "one pass"  # the only rule of a feedforward model
AS_TRAINED, HELD, SLOWED = "as trained", "held at t = 0", "slowed"
FAMILIES = {"fixed": "fixed T", "update": "‖Δh‖/‖h‖ < ε", "mask": "mask unchanged"}


def best_rule(rows: Sequence[Row], among: Iterable[str] = RULES) -> str:
    """The cheapest rule that keeps the F1 of T = 10 in every task, by validation images alone.

    It keeps it where a one-sided test at 5 % says that it loses less than KEPT: the 90 % interval over seeds
    of its F1 less that of T = 10 stays above −KEPT. Cheapest: fewest multiply-adds as a share of those of
    T = 10, averaged over the tasks. T = 10 itself where none of them keeps it, as with too few seeds for an
    interval.
    """
    tasks = tasks_of(rows)
    able = [name for name in among if all(not_worse(lost(rows, t, name, "validation"), KEPT) for t in tasks)]
    return min(able, key=lambda name: sum(share(rows, t, name, "validation") for t in tasks), default=WHOLE)


def lost(
    rows: Sequence[Row], task: str, rule: str, images: str = "test", model: str = FEEDBACK, of: str = WHOLE
) -> Difference:
    """F1 of a model stopped by a rule less that of the feedback model stopped by another, paired by seed."""
    found = {"model": model}, {"model": FEEDBACK}
    return gap(rows, (images, rule, "f1"), *found, other=(images, of, "f1"), task=task)


def share(rows: Sequence[Row], task: str, rule: str, images: str = "test", model: str = FEEDBACK) -> float:
    """What a rule costs, as a share of T = 10 of the feedback model: mean multiply-adds over the seeds."""
    return mean_of(rows, task, (images, rule, "macs"), model) / mean_of(rows, task, (images, WHOLE, "macs"))


def tasks_of(rows: Sequence[Row]) -> list[str]:
    """The tasks of the rows, in alphabetical order."""
    return sorted({row.settings["task"] for row in rows})


def mean_of(rows: Sequence[Row], task: str, path: tuple[str, ...], model: str = FEEDBACK) -> float:
    """Mean of a measured value over the seeds."""
    values = over_seeds(rows, path, task=task, model=model)
    return sum(values) / len(values)


def clocked(rows: Sequence[Row], task: str, rule: str, key: str, clock: str = AS_TRAINED) -> Difference:
    """A value of `clocks` over the seeds. A rank correlation that is none, as where all images stop at one
    step, counts as 0: the stops then tell nothing of the image."""
    values = over_seeds(rows, ("clocks", clock, rule, key), task=task, model=FEEDBACK)
    return mean_over_seeds([0.0 if value is None else value for value in values])


def spread(rows: Sequence[Row], task: str, rule: str, clock: str = AS_TRAINED) -> str:
    """The steps at which a rule stops, over all seeds and images: "8" or "7 to 12"."""
    least, most = (
        over_seeds(rows, ("clocks", clock, rule, key), task=task, model=FEEDBACK) for key in ("least", "most")
    )
    return f"{min(least)}" if min(least) == max(most) else f"{min(least)} to {max(most)}"


def goes_by(rows: Sequence[Row], task: str, rule: str) -> str:
    """In words that begin with a verb, what the stops of a rule that reads the run go by.

    That a rule on the mask goes by when the mask is done is near to what it is made of, and says nothing of
    the truth. By the clock: a share above FOLLOWED of the images stop within a step of where the clock alone
    would stop them. By the image: the rank correlation with when the mask is done is above TRACKED, or below
    it. Each by a one-sided test at 5 % over the seeds.
    """
    if len(over_seeds(rows, ("clocks", AS_TRAINED, rule, "steps"), task=task, model=FEEDBACK)) < FEWEST:
        return "was run with too few seeds to tell what it goes by"
    low, high = clocked(rows, task, rule, "done").inner
    image, apart = low > TRACKED, high < TRACKED
    if RULES[rule].kind == "update" and clocked(rows, task, rule, "near").inner[0] > FOLLOWED:
        if apart:
            return "only follows the clock"
        also = "and within that step the image" if image else "and perhaps the image within that step"
        return f"follows the clock to within a step, {also}"
    if image:
        return "stops later where the mask is done later"
    return "hardly goes by when the mask is done" if apart else "may or may not go by when the mask is done"


def what_it_goes_by(rows: Sequence[Row], rule: str) -> str:
    """`goes_by` of all tasks, said once where it is the same."""
    told = {task: goes_by(rows, task, rule) for task in tasks_of(rows)}
    if len(told) > 1 and len(set(told.values())) == 1:
        return f"{next(iter(told.values()))} in both tasks"
    return " and ".join(f"{words_of} in {task}" for task, words_of in told.items())


def compared(rows: Sequence[Row], rule: str) -> dict[tuple[str, str], Compared]:
    """On test images, by task and name: F1 of the rule and of each feedforward model less that of T = 10, as
    one family."""
    gaps = {}
    for task in tasks_of(rows):
        if rule != WHOLE:
            gaps[task, rule] = lost(rows, task, rule)
        gaps |= {(task, name): lost(rows, task, ONE_PASS, model=model) for model, name in PLAIN.items()}
    return family(gaps, MARGIN)


def saved(rows: Sequence[Row], rule: str) -> str:
    """What a rule takes and gives in each task, beside T = 10: means over the seeds, no intervals."""
    told = []
    for task in tasks_of(rows):
        steps, f1 = (mean_of(rows, task, ("test", rule, key)) for key in ("steps", "f1"))
        whole = mean_of(rows, task, ("test", WHOLE, "f1"))
        told.append(f"{task} {steps:.1f} steps, F1 {f1:.3f} (at T = 10 {whole:.3f})")
    seeds = len({row.settings["seed"] for row in rows})
    return f"mean of {seeds} smaller models of each task, trained for this: {'; '.join(told)}"


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """For each task F1 against multiply-adds, a line a family of rules; and the step at which a small update
    stops a run, by ε and clock, with what the clock alone would give."""
    found = [_costs(rows, task) for task in tasks_of(rows)]
    return found + [_stops(rows, task) for task in tasks_of(rows)]


def _costs(rows: Sequence[Row], task: str) -> Panel:
    lines = []
    for kind, name in FAMILIES.items():
        points = [rule.name for rule in RULES.values() if rule.kind == kind]
        points.sort(key=lambda rule: mean_of(rows, task, ("test", rule, "macs")))
        lines.append(_series(rows, task, name, "feedback", FEEDBACK, points))
    lines += [_series(rows, task, name, "feedforward", model, [ONE_PASS]) for model, name in PLAIN.items()]
    return Panel(task, "multiply-adds an image, millions, mean", "pooled F1", tuple(lines), logs="x")


def _series(rows: Sequence[Row], task: str, name: str, kind: Any, model: str, rules: Sequence[str]) -> Series:
    return Series(
        name,
        kind,
        tuple(round(mean_of(rows, task, ("test", rule, "macs"), model), 2) for rule in rules),
        tuple(mean(rows, ("test", rule, "f1"), task=task, model=model) for rule in rules),
    )


def _stops(rows: Sequence[Row], task: str) -> Panel:
    rules = sorted((rule for rule in RULES.values() if rule.kind == "update"), key=lambda rule: rule.value)
    x, lines = tuple(rule.value for rule in rules), []
    for clock in (AS_TRAINED, SLOWED, HELD):
        steps = tuple(clocked(rows, task, rule.name, "steps", clock) for rule in rules)
        lines.append(Series(f"clock {clock}", "feedback", x, steps))
        alone = [
            over_seeds(rows, ("clocks", clock, rule.name, "alone"), task=task, model=FEEDBACK)[0]
            for rule in rules
        ]
        steps = tuple(exact(float(step if step > 0 else LONGEST)) for step in alone)
        lines.append(Series(f"by the clock alone, {clock}", "limit", x, steps))
    return Panel(f"{task}: where ‖Δh‖/‖h‖ < ε stops", "ε", "step, mean", tuple(lines), logs="x")


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The rules that read the run, a line for each task and rule: what their stops go by."""
    return [
        {
            "task": task,
            "rule": rule,
            "steps": spread(rows, task, rule),
            "cost of T = 10": f"{share(rows, task, rule):.0%}",
            "F1 − T = 10": words(lost(rows, task, rule), sign=True),
            "rank correlation with when the mask is done": words(clocked(rows, task, rule, "done")),
            "fires with the clock held": f"{clocked(rows, task, rule, 'fired', HELD).mean:.0%}",
            "what it goes by": goes_by(rows, task, rule),
        }
        for task in tasks_of(rows)
        for rule in READING
    ]
