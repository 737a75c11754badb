"""What the rows of `resting` say: the ε chosen on validation images, what it takes and gives on others, and
whether the steps it takes grow with the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fbseg_core.analysis.equivalence import Compared, family, not_worse
from fbseg_core.analysis.paired import Difference, mean_over_seeds
from fbseg_core.experiments.records import NONE, Finding, Listed, Others, Panel, Point, Row, Series
from fbseg_core.experiments.report import answered, gap, mean, over_seeds, words
from fbseg_core.experiments.thresholds import FEWEST, KEPT, MARGIN, TRACKED

EPSILONS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
FIXED = (5, 7, 10, 15, 20, 30, 40, 60, 80, 100)  # T of rules that read nothing
ALL = "whole run"
WIDTH = 20  # px of way that a point of the steps against the way gathers


def names(rows: Sequence[Row]) -> list[str]:
    """The ε of the rows, the largest first."""
    return sorted(rows[0].result["taken"], key=float, reverse=True)


def lost(rows: Sequence[Row], rule: str, images: str = "test", of: str = ALL) -> Difference:
    """F1 of a rule less that of another on the same images, paired by part."""
    return gap(rows, (images, rule, "f1"), {}, {}, other=(images, of, "f1"))


def chosen(rows: Sequence[Row]) -> str | None:
    """The largest ε that keeps F1 on validation images: a one-sided test at 5 % says that it loses less than
    KEPT to the whole run. None where none is known to, as with too few parts."""
    return next((name for name in names(rows) if not_worse(lost(rows, name, "validation"), KEPT)), None)


def steps(rows: Sequence[Row], rule: str) -> Difference:
    """Mean steps on test images."""
    return mean_over_seeds(over_seeds(rows, ("test", rule, "steps")))


def fixed_near(rows: Sequence[Row], rule: str) -> str:
    """The least fixed T that is not below what a rule takes, to the nearest step; else the largest."""
    taken = round(steps(rows, rule).mean)
    known = sorted((name for name in rows[0].result["test"] if name.startswith("T = ")), key=_steps_of)
    return next((name for name in known if _steps_of(name) >= taken), known[-1])


def _steps_of(rule: str) -> int:
    return int(rule.removeprefix("T = "))


def with_way(rows: Sequence[Row], rule: str) -> Difference:
    """Rank correlation of the steps taken with the way; where all images stop at one step it counts as 0."""
    return mean_over_seeds([value or 0.0 for value in over_seeds(rows, ("correlation", rule))])


def pace(rows: Sequence[Row], rule: str) -> Difference:
    """Steps taken more for 100 px more of way: the slope of a line through the images of each part."""
    slopes = []
    for way, taken in zip(over_seeds(rows, "way"), over_seeds(rows, ("taken", rule))):
        slopes.append(100 * float(np.polyfit(way, taken, 1)[0]) if len(set(way)) > 1 else 0.0)
    return mean_over_seeds(slopes)


def against_fixed(rows: Sequence[Row], rule: str) -> dict[str, Compared]:
    """F1 of a rule less that of the whole run, and less that of as many fixed steps: one family."""
    return family({of: lost(rows, rule, of=of) for of in (ALL, fixed_near(rows, rule))}, MARGIN)


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """What the chosen ε takes and gives, and whether it goes by the way."""
    rule, longest = chosen(rows), rows[0].settings["longest"]
    if rule is None:
        brief = f"No ε that was tried is known to keep F1 within {KEPT:g} of {longest} steps."
        return Finding("measured", brief, brief, points=_points(rows))
    found = against_fixed(rows, rule)
    as_many = fixed_near(rows, rule)
    brief = (
        f"Stopped at ‖Δh‖/‖h‖ < {rule} it takes {steps(rows, rule).mean:.1f} steps of {longest}, for F1 "
        f"{mean(rows, ('test', rule, 'f1')).mean:.2f}."
    )
    because = (
        f"ε = {rule}, chosen on validation images, takes {words(steps(rows, rule))} steps, for F1 "
        f"{words(mean(rows, ('test', rule, 'f1')))}. On test images F1 less that of {longest} steps: "
        f"{answered(found[ALL])}, less that of {as_many}: {answered(found[as_many])}. "
        f"{tracks(rows, rule)}"
    )
    return Finding("measured", because, brief, points=_points(rows))


def tracks(rows: Sequence[Row], rule: str) -> str:
    """Whether a rule stops later where the way is longer, in one sentence."""
    r = with_way(rows, rule)
    told = f"rank correlation with the way {words(r)}, {words(pace(rows, rule))} steps more for 100 px"
    if len(rows) < FEWEST:
        return f"Too few parts to tell whether it goes by the way: {told}."
    low, high = r.inner
    if low > TRACKED:
        return f"It stops later where the way is longer: {told}."
    return f"It {'hardly goes' if high < TRACKED else 'may or may not go'} by the length of the way: {told}."


def _points(rows: Sequence[Row]) -> list[Point]:
    each = tuple(
        f"ε = {name}, {words(steps(rows, name))} steps, F1 {words(mean(rows, ('test', name, 'f1')))}, rank "
        f"correlation with the way {words(with_way(rows, name))}"
        for name in names(rows)
    )
    return [
        Listed("Stopped at ‖Δh‖/‖h‖ < ε", each),
        f"“Mark every region” scores {words(mean(rows, 'trivial'))}.",
        "One checkpoint, of one training seed: intervals are over parts of the images.",
    ]


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 against mean steps, over ε and of fixed T; and the steps taken against the way."""
    fixed = sorted((name for name in rows[0].result["test"] if name.startswith("T = ")), key=_steps_of)
    fixed = [name for name in fixed if _steps_of(name) <= rows[0].settings["longest"]]
    lines = [_pareto(rows, "‖Δh‖/‖h‖ < ε", "feedback", names(rows)), _pareto(rows, "fixed T", "other", fixed)]
    x = lines[1].x
    lines.append(Series("mark every region", "trivial", x, (mean(rows, "trivial"),) * len(x)))
    found = [Panel("F1 against steps taken", "mean steps", "pooled F1", tuple(lines), "x")]
    rule = chosen(rows) or names(rows)[-1]
    return [*found, _by_way(rows, rule)]


def _pareto(rows: Sequence[Row], title: str, kind, rules: Sequence[str]) -> Series:
    return Series(
        title,
        kind,
        tuple(round(steps(rows, rule).mean, 2) for rule in rules),
        tuple(mean(rows, ("test", rule, "f1")) for rule in rules),
    )


def _by_way(rows: Sequence[Row], rule: str) -> Panel:
    """Steps taken, and the step from which the mask is done, by the way: means over the parts of each bin."""
    lines = []
    for title, kind, key in (
        (f"stopped at ε = {rule}", "feedback", ("taken", rule)),
        ("mask as good as its last", "limit", "done"),
    ):
        bins: dict[int, list[float]] = {}
        for way, taken in zip(over_seeds(rows, "way"), over_seeds(rows, key)):
            mine: dict[int, list[float]] = {}
            for px, step in zip(way, taken):
                if step >= 0:
                    mine.setdefault(int(px // WIDTH), []).append(step)
            for place, values in mine.items():
                bins.setdefault(place, []).append(float(np.mean(values)))
        places = sorted(bins)
        x = tuple((place + 0.5) * WIDTH for place in places)
        lines.append(Series(title, kind, x, tuple(mean_over_seeds(bins[place]) for place in places)))
    return Panel("harder takes longer", f"px of way from the cue, {WIDTH} px a point", "steps", tuple(lines))


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line an ε: steps, F1, and what the stops go by."""
    return [
        {
            "rule": f"‖Δh‖/‖h‖ < {name}",
            "steps": words(steps(rows, name)),
            "F1": words(mean(rows, ("test", name, "f1"))),
            "F1 − whole run": words(lost(rows, name), sign=True),
            "rank correlation with the way": words(with_way(rows, name)),
            "steps for 100 px": words(pace(rows, name)),
            "chosen": "yes" if name == chosen(rows) else "",
        }
        for name in names(rows)
    ]
