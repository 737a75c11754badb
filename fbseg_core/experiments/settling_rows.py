"""What the rows of `settling` say: bars set beforehand, and F1 over steps, sides, regions and ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.analysis.paired import Difference, mean_over_seeds, paired_difference
from fbseg_core.experiments.records import NONE, Finding, Kind, Others, Panel, Row, Series
from fbseg_core.experiments.report import answered, exact, mean, over_seeds, words
from fbseg_core.experiments.thresholds import HELD_F1, HELD_RANGE, LARGE_F1, MARGIN, REST_SHARE, SWAP_LOSS

SETTLING, UNTIED = "settling loop", "unrolled"
FEEDBACK, CUT, DEEP = "feedback", "loop cut", "depth 3, no loop"
KINDS: dict[str, Kind] = {
    SETTLING: "other", UNTIED: "other", FEEDBACK: "feedback", CUT: "loop cut", DEEP: "feedforward",
}  # fmt: skip
COPIES = 6  # steps of the unrolled model, each of weights of its own
# where loop and unrolled model are compared
RIVALRY = (("side",), ("sides", "96"), ("regions", "long curves"))
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
        reached = [value(row) for row in _of(rows, SETTLING)]
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
    add("F1 lost to a fresh run by a swap", f"≤ {SWAP_LOSS:g}", _lost, lambda x: x <= SWAP_LOSS)
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


def _of(rows: Sequence[Row], model: str) -> list[Row]:
    return sorted((row for row in rows if row.settings["model"] == model), key=lambda r: r.settings["seed"])


def _late(row: Row) -> list[float]:
    curve = row.result["curves"][AS_TRAINED]
    return [f1 for t, f1 in zip(STEPS, curve) if t >= 20]


def _lost(row: Row) -> float:
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
    for row in _of(rows, SETTLING):
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
            tuple(mean_over_seeds([row.result[key][name][-1] for row in _of(rows, model)]) for name in names),
        )
        for model in KINDS
        if _of(rows, model)
    ]
    levels = tuple(mean(rows, ("trivial", name), model=SETTLING) for name in names)
    lines.append(Series("mark every region", "trivial", names, levels))
    title = "F1 at the last step, by side in px" if key == "sides" else "F1 at the last step, other regions"
    return Panel(title, "", "pooled F1", tuple(lines))


def _swap(rows: Sequence[Row]) -> Panel:
    lines = []
    for model in KINDS:
        for name in ("swapped", "fresh") if "swap" in (_of(rows, model) or [rows[0]])[0].result else ():
            if _of(rows, model):
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
        for row in _of(rows, model):
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


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Which bars are met; what a swap and a perturbation leave; how the steps grow with the way."""
    found, seeds = bars(rows), len(_of(rows, SETTLING))
    met = [bar for bar in found if bar.met]
    missed = "; ".join(
        f"{bar.name} {median(bar.reached):.3f}, asked {bar.asked}" for bar in found if not bar.met
    )
    rest = mean(rows, ("rest", AS_TRAINED), model=SETTLING)
    clocked = mean(rows, ("rest", AS_TRAINED), model=FEEDBACK)
    brief = (
        f"The settling loop meets {len(met)} of {len(found)} bars set beforehand (median of {seeds} seeds)."
    )
    because = (
        (f"Missed: {missed}. " if missed else "") + f"The image replaced at step 30, the settling loop ends "
        f"{words(_gap(rows, SETTLING), sign=True)} F1 from a fresh run, the paper's loop "
        f"{words(_gap(rows, FEEDBACK), sign=True)}."
    )
    pace = paces(rows)
    if pace:
        because += f" For 100 px more of way a mask is done {words(mean_over_seeds(pace))} steps later."
    resting = (
        f"By step 100 {words(rest)} of its states move by less than 0.1 % a step with nothing held, of the "
        f"paper's loop {words(clocked)}, whose clock has then run out. "
    )
    return Finding("measured", because, brief, details=resting + _details(rows))


def rivalry(rows: Sequence[Row]) -> dict[str, Compared]:
    """F1 of the settling loop less that of the unrolled model, each at its last step, on images of
    RIVALRY that both were tested on, as one family; pairs share seed and images."""
    differences = {}
    for place in RIVALRY:
        if all(_last(row, place) is not None for row in _of(rows, SETTLING) + _of(rows, UNTIED)):
            pair = [[_last(row, place) for row in _of(rows, model)] for model in (SETTLING, UNTIED)]
            differences[place[-1]] = paired_difference(*pair)
    return family(differences, MARGIN)


def _last(row: Row, place: tuple[str, ...]) -> float | None:
    """F1 at the last step on images of a place; None where it was not tested there."""
    if place == ("side",):
        return row.result["curves"][AS_TRAINED][-1]
    return row.result[place[0]].get(place[1], [None])[-1]


def _gap(rows: Sequence[Row], model: str) -> Difference:
    return mean_over_seeds([-_lost(row) for row in _of(rows, model)])


def _details(rows: Sequence[Row]) -> str:
    told = []
    for model in KINDS:
        if not _of(rows, model):
            continue
        first = _of(rows, model)[0]
        sides = ", ".join(
            f"{side} px {words(mean_over_seeds([r.result['sides'][side][-1] for r in _of(rows, model)]))}"
            for side in first.result["sides"]
        )
        regions = ", ".join(
            f"{name} {words(mean_over_seeds([r.result['regions'][name][-1] for r in _of(rows, model)]))}"
            for name in first.result["regions"]
        )
        after = "" if model in (CUT, DEEP) else f" after {COPIES} steps"
        told.append(
            f"{model[0].upper()}{model[1:]}, {first.result['weights']:,} weights, receptive field "
            f"{first.result['field']} px{after}, F1 at its last step: {sides}; {regions}."
        )
    if _of(rows, UNTIED):
        told.append(_of_the_rival(rows))
    starts = {key: mean(rows, ("starts", key), model=SETTLING) for key in ("agreement", "worst")}
    left = mean(rows, ("perturbation", "left"), model=SETTLING)
    told.append(
        f"From other starts the settling loop's masks agree with that from rest to F1 "
        f"{words(starts['agreement'])}, at worst {words(starts['worst'])}. Of a perturbation of half its "
        f"state's norm {words(left)} is left 100 steps later."
    )
    rules = _of(rows, SETTLING)[0].result["stops"]
    stops = "; ".join(
        f"ε = {name}: {words(mean(rows, ('stops', name, 'steps'), model=SETTLING))} steps, F1 "
        f"{words(mean(rows, ('stops', name, 'f1'), model=SETTLING))}"
        for name in rules
    )
    told.append(f"Stopped at the first ‖Δh‖/‖h‖ < ε: {stops}.")
    told.append(
        "The checkpoints beside it are of one training seed each; intervals are over parts of the images."
    )
    return " ".join(told)


def _of_the_rival(rows: Sequence[Row]) -> str:
    """The settling loop against the unrolled model, and that against marking every region."""
    rivals, side = _of(rows, UNTIED), f"{rows[0].settings['side']} px"
    names = {"side": side, "96": "96 px"}
    each = "; ".join(f"{names.get(name, name)} {answered(one)}" for name, one in rivalry(rows).items())
    f1, trivial = [_last(row, ("side",)) for row in rivals], [row.result["trivial"]["side"] for row in rivals]
    return (
        f"F1 of the settling loop less that of the unrolled model, on the same images: {each}. That of the "
        f"unrolled one less that of marking every region, {side}: "
        f"{words(paired_difference(f1, trivial), sign=True)}; longer training was not tried."
    )
