"""What the rows of `settling` say: bars set beforehand, and F1 over steps, sides, regions and ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from fbseg_core.analysis.paired import mean_over_seeds
from fbseg_core.experiments.records import NONE, Kind, Others, Panel, Row, Series
from fbseg_core.experiments.report import exact, mean, over_seeds
from fbseg_core.experiments.thresholds import HELD_F1, HELD_RANGE, LARGE_F1, REST_SHARE, SWAP_LOSS

SETTLING, UNTIED = "settling loop", "unrolled"
FEEDBACK, CUT, DEEP = "feedback", "loop cut", "depth 3, no loop"
KINDS: dict[str, Kind] = {
    SETTLING: "other", UNTIED: "other", FEEDBACK: "feedback", CUT: "loop cut", DEEP: "feedforward",
}  # fmt: skip
COPIES = 6  # steps of the unrolled model, each of weights of its own
AS_TRAINED, SLOWED, HELD = "as trained", "clock slowed", "clock held"
STEPS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500)
AFTER = (5, 10, 20, 40, 80)  # steps after a swap
LARGE = "96"  # px, about twice the side of training
WIDTH = 25  # px of way that a point of the steps against the way gathers


class Bar(NamedTuple):
    """One of the bars: asked in words, what each seed reached, and whether the median meets it."""

    name: str
    asked: str
    reached: list[float]
    met: bool


def bars(rows: Sequence[Row]) -> list[Bar]:
    """What was asked of the settling loop before its first row was measured, as far as the rows go."""
    found = []

    def add(
        name: str, asked: str, value: Callable[[Row], float | None], met: Callable[[float], bool]
    ) -> None:
        reached = [value(row) for row in of_model(rows, SETTLING)]
        if reached and None not in reached:
            found.append(Bar(name, asked, reached, met(median(reached))))

    add(
        "lowest F1 from step 20 on",
        f"≥ {HELD_F1:g}",
        lambda row: min(_late(row), default=None),
        lambda x: x >= HELD_F1,
    )
    add(
        "range of F1 from step 20 on",
        f"≤ {HELD_RANGE:g}",
        lambda row: max(_late(row)) - min(_late(row)) if _late(row) else None,
        lambda x: x <= HELD_RANGE,
    )
    add(
        "states at rest by step 100",
        f"≥ {REST_SHARE:.0%}",
        lambda row: row.result["rest"][AS_TRAINED],
        lambda x: x >= REST_SHARE,
    )
    add("F1 lost to a fresh run by a swap", f"≤ {SWAP_LOSS:g}", lost_to_fresh, lambda x: x <= SWAP_LOSS)
    add(
        f"F1 at {LARGE} px, step 150",
        f"≥ {LARGE_F1:g}",
        lambda row: _at(row, LARGE, 150),
        lambda x: x >= LARGE_F1,
    )
    add(
        f"change of F1 at {LARGE} px, steps 150 to 500", f"≤ {HELD_RANGE:g}", _flat, lambda x: x <= HELD_RANGE
    )
    return found  # fmt: skip


def of_model(rows: Sequence[Row], model: str) -> list[Row]:
    """The rows of a model in the order of their seeds."""
    return sorted((row for row in rows if row.settings["model"] == model), key=lambda r: r.settings["seed"])


def _late(row: Row) -> list[float]:
    curve = row.result["curves"][AS_TRAINED]
    return [f1 for t, f1 in zip(STEPS, curve) if t >= 20]


def lost_to_fresh(row: Row) -> float:
    """F1 of a fresh run less that after a swap, as many steps on as were measured."""
    swap = row.result["swap"]
    return swap["fresh"][-1] - swap["swapped"][-1]


def _at(row: Row, side: str, t: int) -> float | None:
    """F1 at a side at step t; None where it was not followed so far."""
    curve = row.result["sides"].get(side, [])
    return curve[STEPS.index(t)] if STEPS.index(t) < len(curve) else None


def _flat(row: Row) -> float | None:
    values = [_at(row, LARGE, t) for t in STEPS if t >= 150]
    return None if None in values else max(values) - min(values)


def paces(rows: Sequence[Row]) -> list[float]:
    """For each seed, steps for 100 px of way: the slope of the step at which the mask is done against the
    longest way, by least squares over the images of all sides that came to be done."""
    found = []
    for row in of_model(rows, SETTLING):
        ways, done = _ways_and_steps(row)
        if len(set(ways)) > 1:
            found.append(100 * float(np.polyfit(ways, done, 1)[0]))
    return found


def _ways_and_steps(row: Row) -> tuple[list[float], list[int]]:
    pairs = [
        (way, done)
        for times in row.result["times"].values()
        for way, done in zip(times["way"], times["done"])
        if done >= 0
    ]
    return [way for way, _ in pairs], [done for _, done in pairs]


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line a bar: what was asked, the median over seeds and their range, and whether it was met."""
    return [
        {
            "bar": bar.name,
            "asked": bar.asked,
            "median": f"{median(bar.reached):.3f}",
            "of the seeds": f"{min(bar.reached):z.3f} to {max(bar.reached):z.3f}",
            "met": "yes" if bar.met else "no",
        }
        for bar in bars(rows)
    ]


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 over steps; by side; by regions; after a swap; the step a mask is done at against the way."""
    return [_by_step(rows), _by_place(rows, "sides"), _by_place(rows, "regions"), _swap(rows), _times(rows)]


def _by_step(rows: Sequence[Row]) -> Panel:
    lines = []
    for model, clock in _clocks(rows):
        of = over_seeds(rows, ("curves", clock), model=model)
        steps = STEPS[: len(of[0])] if len(of[0]) > 1 else (COPIES if model == UNTIED else 1,)
        title = model if clock == AS_TRAINED else f"{model}, {clock}"
        kind = KINDS[model] if clock == AS_TRAINED else "other"
        lines.append(Series(title, kind, steps, tuple(map(mean_over_seeds, zip(*of)))))
    trivial = mean(rows, ("trivial", "side"), model=SETTLING)
    steps = lines[0].x
    lines.append(
        Series("mark every region", "trivial", steps, (exact(trivial.mean, trivial.k),) * len(steps))
    )
    side = rows[0].settings["side"]
    return Panel(f"F1 over steps, {side} px", "steps", "pooled F1", tuple(lines), "x")


def _clocks(rows: Sequence[Row]) -> list[tuple[str, str]]:
    found = {row.settings["model"]: list(row.result["curves"]) for row in rows}
    return [(model, clock) for model in KINDS if model in found for clock in found[model]]


def _by_place(rows: Sequence[Row], key: str) -> Panel:
    """F1 at the last step, at every side or on other regions."""
    names = tuple(rows[0].result[key])
    lines = [
        Series(
            model,
            KINDS[model],
            names,
            tuple(
                mean_over_seeds([row.result[key][name][-1] for row in of_model(rows, model)])
                for name in names
            ),
        )
        for model in KINDS
        if of_model(rows, model)
    ]
    levels = tuple(mean(rows, ("trivial", name), model=SETTLING) for name in names)
    lines.append(Series("mark every region", "trivial", names, levels))
    title = "F1 at the last step, by side in px" if key == "sides" else "F1 at the last step, other regions"
    return Panel(title, "", "pooled F1", tuple(lines))


def _swap(rows: Sequence[Row]) -> Panel:
    lines = []
    for model in KINDS:
        for name in ("swapped", "fresh") if "swap" in (of_model(rows, model) or [rows[0]])[0].result else ():
            if of_model(rows, model):
                values = over_seeds(rows, ("swap", name), model=model)
                kind = KINDS[model] if name == "swapped" else "other"
                lines.append(
                    Series(f"{model}, {name}", kind, AFTER[: len(values[0])],
                           tuple(map(mean_over_seeds, zip(*values))))
                )  # fmt: skip
    return Panel("the image replaced at step 30", "steps after", "pooled F1 on the new image", tuple(lines))


def _times(rows: Sequence[Row]) -> Panel:
    """The step from which the mask is done, by the length of the way: means over the seeds of each bin."""
    lines = []
    for model in (SETTLING, FEEDBACK):
        bins: dict[int, list[list[int]]] = {}
        for row in of_model(rows, model):
            mine: dict[int, list[int]] = {}
            for way, done in zip(*_ways_and_steps(row)):
                mine.setdefault(int(way // WIDTH), []).append(done)
            for place, steps in mine.items():
                bins.setdefault(place, []).append(float(np.mean(steps)))
        if bins:
            places = sorted(bins)
            x = tuple((place + 0.5) * WIDTH for place in places)
            lines.append(Series(model, KINDS[model], x, tuple(mean_over_seeds(bins[p]) for p in places)))
    return Panel(
        "when the mask is done", f"px of way from the cue, {WIDTH} px a point", "steps", tuple(lines)
    )
