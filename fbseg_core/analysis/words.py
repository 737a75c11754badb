"""The words of a verdict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fbseg_core.analysis.verdicts import Verdict


def sentence(found: Verdict) -> str:
    """A verdict in one sentence, fit for a visitor."""
    return _mask_words(found) if found.subject == "mask" else _state_words(found)


def _state_words(found: Verdict) -> str:
    undamped = "" if math.isnan(found.undamped) else f"an undamped step would move it by {found.undamped:.2%}"
    pace = f"{found.step:.2%} of its size in the last step"
    rate = math.expm1(found.growth)
    if abs(rate) >= 0.001 or found.name == "diverging":  # False for NaN
        pace += f", {'growing' if rate > 0 else 'shrinking'} by {abs(rate):.2%} a step"
    match found.name:
        case "settled":
            return f"The state has settled: {undamped} of its size."
        case "switched off":
            return (
                f"The state is switched off: it stands still only because the gain is {found.gain:.2g}"
                + f"; {undamped} of its size" * bool(undamped)
                + f", and with the clock frozen it is {found.beneath}" * bool(found.beneath)
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
                f"The mask stands still: at most {found.spread:.2%} of its pixels differ {over}, "
                f"which let {found.let_through:.3g} whole corrections through."
            )
        case "switched off":
            told = (
                f"but with the clock frozen it is {found.beneath}"
                if found.beneath
                else "which is too little to tell whether it has settled"
            )
            return (
                f"The mask is switched off: it stands still while the gain is {found.gain:.2g} and "
                f"{found.let_through:.2g} of a correction was let through, {told}."
            )
        case "oscillating":
            return (
                f"The mask oscillates with a period of {found.period:.3g} steps: up to {found.spread:.2%} "
                "of its pixels come and go."
            )
        case "drifting":
            about = "" if found.period is None else f"; about its drift it has a period of {found.period:.3g}"
            return f"The mask drifts: up to {found.spread:.2%} of its pixels differ {over}{about}."
        case "diverging":
            return f"The mask ends with the run: {found.reason}."
        case _:
            return "The mask is over-smoothed: one class everywhere."
