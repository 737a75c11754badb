"""What verdicts hold, on one run and on two runs compared, and how they are said in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Name = Literal["settled", "switched off", "drifting", "oscillating", "diverging", "over-smoothed"]
Subject = Literal["state", "mask"]

TOLERANCE = 1e-3  # of the largest state of the run, or of the mask's pixels
SLOWING = 0.01  # a drift whose steps shrink by this share a step is called ever slower

# label of a verdict -> what it means
MEANINGS = {
    "settled": "updates still get through, and move nothing",
    "switched off": "only the damping keeps it still",
    "stands still": "too little gets through to tell whether it has settled",
    "drifting": "moves on without coming back",
    "drifting, ever slower": "moves on, by less at every step",
    "oscillating": "comes back to where it was, again and again",
    "diverging": "its steps grow exponentially, or its numbers overflow",
    "over-smoothed": "the same at every pixel: a mask of one class",
}


@dataclass(frozen=True)
class Verdict:
    """What a run comes to, and the numbers it rests on. The last `judged` steps, half of them, were judged.

    Sizes are shares: of the largest ‖h‖ of the run for a state, of all pixels for a mask.
    step: the last step, of a state as a share of the ‖h‖ it led to, as in its curve.
    spread: the farthest that any judged state lies from the last.
    undamped: the last step per unit of gain, what it would be with the gain at 1 (NaN for a mask, and
    where the gain is too small to divide by). gain: of the last step. let_through: sum of the judged
    steps' gains, the number of whole corrections that were let in. growth: rate at which step sizes grow,
    per step, negative where they shrink (NaN where some step is zero). period: in steps, None without one;
    for "drifting", of the motion about the drift. reason: why the run ended early, or None.
    """

    name: Name
    subject: Subject
    judged: int
    step: float
    spread: float
    undamped: float
    gain: float
    let_through: float
    growth: float
    period: float | None = None
    reason: str | None = None

    @property
    def quiet(self) -> bool:
        """Whether it stands still, for whatever reason."""
        return self.name in ("settled", "switched off", "over-smoothed")

    @property
    def label(self) -> str:
        """The verdict in a word or two, as it stands in a table."""
        return label(self)

    def __str__(self) -> str:
        """The verdict in a sentence, with its numbers."""
        return sentence(self)


@dataclass(frozen=True)
class Conclusion:
    """What a state or mask with the clock running comes to, once it is compared with the clock held.

    running, held: the verdicts on the two runs, the same object where the clock makes no difference. clock:
    the step it is held from. apart: how far apart the two runs end, as a share of the larger run's largest
    ‖h‖, or of the pixels. tolerance: how far apart they may end and still be at the same place.
    """

    running: Verdict
    held: Verdict
    clock: int
    apart: float
    tolerance: float = TOLERANCE

    @property
    def elsewhere(self) -> bool:
        """Whether the held run ends at another state or mask."""
        return self.apart > self.tolerance

    @property
    def name(self) -> Name:
        """A run that moves with the clock running names it; one that stands still must do so held, too."""
        if not self.running.quiet:
            return self.running.name
        return "switched off" if not self.held.quiet or self.elsewhere else self.held.name

    def __str__(self) -> str:
        """The name and what it rests on, in a sentence or two."""
        return conclusion(self)


def clock_name(held: int | None) -> str:
    """How a run is named by its clock: held from that step on, or running (None)."""
    return "clock running" if held is None else f"clock held from t = {held}"


def with_clock(held: int | None) -> str:
    """The same, to begin a sentence with."""
    return f"With the {clock_name(held)}"


def label(found: Verdict) -> str:
    """A verdict in a word or two. Of one run's mask that stands still undriven, no more can be said."""
    if found.name == "oscillating":
        return f"oscillating, period {found.period:.3g}"
    if found.name == "drifting" and found.subject == "state" and math.expm1(found.growth) <= -SLOWING:
        return "drifting, ever slower"
    return "stands still" if (found.name, found.subject) == ("switched off", "mask") else found.name


def meaning(label: str) -> str:
    """What a verdict's label means, in a few words."""
    return MEANINGS[label if label in MEANINGS else label.split(",")[0]]


def sentence(found: Verdict, where: str = "") -> str:
    """A verdict in one sentence, fit for a visitor. where: which run it is about, as `with_clock` says it."""
    words = _mask_words(found) if found.subject == "mask" else _state_words(found)
    return f"{where}, {words[0].lower()}{words[1:]}" if where else words


def conclusion(found: Conclusion) -> str:
    """What two runs come to together, and what that rests on."""
    running, held = found.running, found.held
    name, where = found.name, _lower(with_clock(found.clock))
    unit = "the pixels" if held.subject == "mask" else "its largest size"
    if running is held:
        why = "The clock makes no difference here: the gain is the same at every step."
    elif not running.quiet:
        name = running.label
        why = f"With the clock running it has not come to rest; {where} it {_does(held)}."
    elif not held.quiet:
        why = f"Only the clock keeps it still: {where} it {_does(held)}."
    elif found.elsewhere:
        why = f"Only the clock keeps it where it is: {where} it comes to rest elsewhere ({held.label}), "
        why += f"{_share(found.apart)} of {unit} away."
    elif name == "switched off":
        why = f"It stands still in both runs, but even {where} too little gets through to tell whether it "
        why += "has settled."
    else:
        why = f"It stands still in both runs, which end {_share(found.apart)} of {unit} apart; {where}, "
        why += f"{held.let_through:.3g} whole corrections got through."
    return f"{held.subject.capitalize()}: {name}. {why}"


def _does(found: Verdict) -> str:
    said = {"settled": "has settled", "stands still": "stands still"}
    return said.get(found.label, f"is {found.label}")


def _lower(words: str) -> str:
    return words[0].lower() + words[1:]


def _share(value: float) -> str:
    """A share to three digits, however small."""
    return f"{100 * value:.3g}%"


def _state_words(found: Verdict) -> str:
    undamped = ""
    if not math.isnan(found.undamped):
        undamped = f"an undamped step would move it by {_share(found.undamped)} of its largest size"
    pace = f"{_share(found.step)} of its size in the last step"
    rate = math.expm1(found.growth)
    if abs(rate) >= 0.001 or found.name == "diverging":  # False for NaN
        pace += f", {'growing' if rate > 0 else 'shrinking'} by {abs(rate):.2%} a step"
    match found.name:
        case "settled":
            return f"The state has settled: {undamped}."
        case "switched off":
            return (
                f"The state is switched off: it stands still only because the gain is {found.gain:.2g}"
                + f"; {undamped}" * bool(undamped)
                + "."
            )
        case "oscillating":
            return f"The state oscillates with a period of {found.period:.3g} steps: {pace}."
        case "drifting":
            about = "" if found.period is None else f"; about its drift it has a period of {found.period:.3g}"
            return f"The state drifts: {pace}{about}."
        case "diverging":
            return f"The state diverges: {found.reason or pace}."
        case _:
            return "The state is over-smoothed: it is the same at every pixel."


def _mask_words(found: Verdict) -> str:
    over = f"over the {found.judged} steps judged"
    match found.name:
        case "settled":
            return (
                f"The mask has settled: at most {_share(found.spread)} of its pixels differ {over}, "
                f"which let {found.let_through:.3g} whole corrections through."
            )
        case "switched off":
            return (
                f"The mask stands still, but the gain is {found.gain:.2g} and only {found.let_through:.2g} "
                f"of a correction was let through {over}: too little to tell whether it has settled."
            )
        case "oscillating":
            return (
                f"The mask oscillates with a period of {found.period:.3g} steps: up to "
                f"{_share(found.spread)} of its pixels come and go."
            )
        case "drifting":
            about = "" if found.period is None else f"; about its drift it has a period of {found.period:.3g}"
            return f"The mask drifts: up to {_share(found.spread)} of its pixels differ {over}{about}."
        case "diverging":
            return f"The mask ends with the run: {found.reason}."
        case _:
            return "The mask is over-smoothed: one class everywhere."
