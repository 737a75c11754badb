"""What is concluded from the rows of `settling`, in words; bars and paces are those of settling_rows.py."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from fbseg_core.analysis.equivalence import Compared, family
from fbseg_core.analysis.paired import Difference, mean_over_seeds, paired_difference
from fbseg_core.experiments.records import NONE, Finding, Listed, Others, Point, Row
from fbseg_core.experiments.report import answered, mean, words
from fbseg_core.experiments.settling_rows import (
    AS_TRAINED,
    COPIES,
    CUT,
    DEEP,
    FEEDBACK,
    KINDS,
    SETTLING,
    UNTIED,
    bars,
    lost_to_fresh,
    of_model,
    paces,
)
from fbseg_core.experiments.thresholds import MARGIN

RIVALRY = (("side",), ("sides", "96"), ("regions", "long curves"))  # where loop and unrolled are compared


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Which bars are met; what a swap and a perturbation leave; how the steps grow with the way."""
    found, seeds = bars(rows), len(of_model(rows, SETTLING))
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
        f"paper's loop {words(clocked)}, whose clock has then run out."
    )
    return Finding("measured", because, brief, points=[resting, *_points(rows)])


def rivalry(rows: Sequence[Row]) -> dict[str, Compared]:
    """F1 of the settling loop less that of the unrolled model, each at its last step, on images of
    RIVALRY that both were tested on, as one family; pairs share seed and images."""
    differences = {}
    for place in RIVALRY:
        if all(_last(row, place) is not None for row in of_model(rows, SETTLING) + of_model(rows, UNTIED)):
            pair = [[_last(row, place) for row in of_model(rows, model)] for model in (SETTLING, UNTIED)]
            differences[place[-1]] = paired_difference(*pair)
    return family(differences, MARGIN)


def _last(row: Row, place: tuple[str, ...]) -> float | None:
    """F1 at the last step on images of a place; None where it was not tested there."""
    if place == ("side",):
        return row.result["curves"][AS_TRAINED][-1]
    return row.result[place[0]].get(place[1], [None])[-1]


def _gap(rows: Sequence[Row], model: str) -> Difference:
    return mean_over_seeds([-lost_to_fresh(row) for row in of_model(rows, model)])


def _points(rows: Sequence[Row]) -> list[Point]:
    told: list[Point] = []
    for model in KINDS:
        if not of_model(rows, model):
            continue
        first = of_model(rows, model)[0]
        scores = tuple(
            f"{name}{unit} {words(mean_over_seeds([r.result[key][name][-1] for r in of_model(rows, model)]))}"
            for key, unit in (("sides", " px"), ("regions", ""))
            for name in first.result[key]
        )
        after = "" if model in (CUT, DEEP) else f" after {COPIES} steps"
        told.append(
            Listed(
                f"{model[0].upper()}{model[1:]}, {first.result['weights']:,} weights, receptive field "
                f"{first.result['field']} px{after}, F1 at its last step",
                scores,
            )
        )
    if of_model(rows, UNTIED):
        told += _of_the_rival(rows)
    starts = {key: mean(rows, ("starts", key), model=SETTLING) for key in ("agreement", "worst")}
    left = mean(rows, ("perturbation", "left"), model=SETTLING)
    told += [
        f"From other starts the settling loop's masks agree with that from rest to F1 "
        f"{words(starts['agreement'])}, at worst {words(starts['worst'])}.",
        f"Of a perturbation of half its state's norm {words(left)} is left 100 steps later.",
    ]
    stops = tuple(
        f"ε = {name}, {words(mean(rows, ('stops', name, 'steps'), model=SETTLING))} steps, F1 "
        f"{words(mean(rows, ('stops', name, 'f1'), model=SETTLING))}"
        for name in of_model(rows, SETTLING)[0].result["stops"]
    )
    return [
        *told,
        Listed("Stopped at the first ‖Δh‖/‖h‖ < ε", stops),
        "The checkpoints beside it are of one training seed each; intervals are over parts of the images.",
    ]


def _of_the_rival(rows: Sequence[Row]) -> list[Point]:
    """The settling loop against the unrolled model, and that against marking every region."""
    rivals, side = of_model(rows, UNTIED), f"{rows[0].settings['side']} px"
    names = {"side": side, "96": "96 px"}
    each = tuple(f"{names.get(name, name)} {answered(one)}" for name, one in rivalry(rows).items())
    f1, trivial = [_last(row, ("side",)) for row in rivals], [row.result["trivial"]["side"] for row in rivals]
    return [
        Listed("F1 of the settling loop less that of the unrolled model, on the same images", each),
        f"F1 of the unrolled model less that of marking every region, {side}: "
        f"{words(paired_difference(f1, trivial), sign=True)}; longer training was not tried.",
    ]
