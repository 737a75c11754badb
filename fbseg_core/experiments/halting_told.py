"""What is concluded from the rows of `halting`, in words; every number is one of halting_rows.py."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fbseg_core.analysis.equivalence import Compared, family, not_worse
from fbseg_core.experiments.halting_rows import (
    FEEDBACK,
    HELD,
    SLOWED,
    WHOLE,
    best_rule,
    clocked,
    compared,
    lost,
    mean_of,
    share,
    spread,
    tasks_of,
    what_it_goes_by,
)
from fbseg_core.experiments.records import NONE, Finding, Listed, Others, Point, Row
from fbseg_core.experiments.report import answered, mean, over_seeds, words
from fbseg_core.experiments.stopping import READING
from fbseg_core.experiments.thresholds import KEPT, MARGIN
from fbseg_core.rollout.halting import LONGEST, RULES

UPDATES = tuple(name for name, rule in READING.items() if rule.kind == "update")
SMALL = "‖Δh‖/‖h‖ < 0.1"  # what is told of a small update where none of them keeps F1


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """The rule chosen and what it saves; the best one that reads the run, and what it goes by."""
    best, reading, tasks = best_rule(rows), best_rule(rows, READING), tasks_of(rows)
    shares = " and ".join(f"{share(rows, task, best):.0%} of the cost in {task}" for task in tasks)
    family_of = compared(rows, best)
    if best == WHOLE:
        told = [
            f"On validation images no rule cheaper than T = 10 is known to keep F1 within {KEPT:g} of it."
        ]
        brief = f"No rule that was tried is known to cost less and to keep F1 within {KEPT:g}."
    else:
        kept = [task for task in tasks if not_worse(lost(rows, task, best), KEPT)]
        where = "in both tasks" if kept == tasks else f"in {' and '.join(kept) or 'neither task'}"
        told = [
            f"Chosen on validation images, {best} takes {shares}, and on test images is shown to keep F1 "
            f"within {KEPT:g} of T = 10 {where}."
        ]
        brief = f"Stopping early takes {shares}; F1 is shown to stay within {KEPT:g} {where}."
    # what a small update means is told whether or not such a rule is the best
    small = best_rule(rows, UPDATES)
    reads = dict.fromkeys(name for name in (reading, SMALL if small == WHOLE else small) if name != WHOLE)
    told += [
        _against_fixed(rows, name)
        if name == best and RULES[name].kind == "mask"  # that it goes by the mask is what it is made of
        else f"{_named(name, best, reading)} {what_it_goes_by(rows, name)}."
        for name in reads
    ]
    points: list[Point] = [_trained(rows)]
    for task in tasks:
        points += _told(rows, task, family_of)
    points += [_read(rows, task, name) for name in reads for task in tasks]
    return Finding("measured", " ".join(told), brief, points=points)


def _named(rule: str, best: str, reading: str) -> str:
    """A rule that reads the run, as the subject of a sentence."""
    if rule == best:
        return "It"
    return f"The best rule that reads the run, {rule}," if rule == reading else f"The rule {rule}"


def _against_fixed(rows: Sequence[Row], rule: str) -> str:
    """Whether a rule is worth more than the steps it takes."""
    found = _beyond(rows, rule)
    told = {task: f"{one.answer} ({_fixed(rows, task, rule)}) in {task}" for task, one in found.items()}
    return f"Its F1 against a fixed T of about as many steps: {', '.join(told.values())}."


def _trained(rows: Sequence[Row]) -> str:
    """What was trained, in one sentence."""
    settings = {row.settings["task"]: row.settings for row in rows}
    parts = [
        f"{task} at {of['side']} px with {of['updates']} updates" for task, of in sorted(settings.items())
    ]
    seeds = len({row.settings["seed"] for row in rows})
    return f"Trained anew with each of {seeds} seeds: {', '.join(parts)}."


def _told(rows: Sequence[Row], task: str, found: dict[tuple[str, str], Compared]) -> list[Point]:
    """Of one task: what T = 10 takes, F1 of all rules less that; the best for it alone."""
    whole = mean_of(rows, task, ("test", WHOLE, "macs"))
    against = tuple(f"{name} {answered(one)}" for (of, name), one in found.items() if of == task)
    alone = best_rule([row for row in rows if row.settings["task"] == task])
    score = words(mean(rows, ("test", WHOLE, "f1"), task=task, model=FEEDBACK))
    return [
        Listed(
            f"{task.capitalize()}, F1 less that of T = 10, which scores {score} on test images for "
            f"{whole:.0f} M multiply-adds",
            against,
        ),
        f"Chosen for {task} alone: {alone}, {share(rows, task, alone):.0%} of the cost, F1 "
        f"{words(lost(rows, task, alone), sign=True)}.",
    ]


def _read(rows: Sequence[Row], task: str, rule: str) -> Listed:
    """Of one task and a rule that reads the run: its stops, and what they go by; with other clocks too."""
    taken, fixed = mean_of(rows, task, ("test", rule, "steps")), _fixed(rows, task, rule)
    told = [
        f"{taken:.1f} steps ({spread(rows, task, rule)} over seeds and images)",
        f"rank correlation with when the mask is done {words(clocked(rows, task, rule, 'done'))}",
    ]
    if task == "grouping":
        told.append(
            f"rank correlation with the way's length from the cue {words(clocked(rows, task, rule, 'way'))}"
        )
    told.append(f"F1 less that of {fixed}, for about as many steps, {answered(_beyond(rows, rule)[task])}")
    for clock in (HELD, SLOWED):
        fired, f1 = (clocked(rows, task, rule, key, clock) for key in ("fired", "f1"))
        cost = clocked(rows, task, rule, "macs", clock).mean / mean_of(rows, task, ("test", WHOLE, "macs"))
        steps = f"{spread(rows, task, rule, clock)} steps{_alone(rows, task, rule, clock)}"
        told.append(
            f"with the clock {clock} it fires on {fired.mean:.0%} of the images within {LONGEST} steps and "
            f"takes {steps}, {cost:.0%} of the cost of T = 10, for F1 {words(f1)}"
        )
    return Listed(f"{task.capitalize()}, {rule}", tuple(told))


def _alone(rows: Sequence[Row], task: str, rule: str, clock: str) -> str:
    """Where the clock alone would stop it, which is the same for all seeds."""
    step = over_seeds(rows, ("clocks", clock, rule, "alone"), task=task, model=FEEDBACK)[0]
    if step is None:
        return ""
    return f" (by the clock alone: {'never' if step < 0 else step})"


def _fixed(rows: Sequence[Row], task: str, rule: str) -> str:
    """The least fixed T that is not below what a rule takes, to the nearest step."""
    steps = mean_of(rows, task, ("test", rule, "steps"))
    enough = [one for one in RULES.values() if one.kind == "fixed" and one.value >= math.floor(steps + 0.5)]
    return min(enough, key=lambda one: one.value).name


def _beyond(rows: Sequence[Row], rule: str) -> dict[str, Compared]:
    """By task, F1 of a rule less that of as many fixed steps, as one family: what reading the run adds."""
    return family({t: lost(rows, t, rule, of=_fixed(rows, t, rule)) for t in tasks_of(rows)}, MARGIN)
