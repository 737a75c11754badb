"""Verdicts on a sequence of states or masks, of whatever system: what does it come to?

All rests on distances between the states of the run. A norm would not do: an orbit of constant norm
looks like rest to it, and under E3 ‖δ‖ hardly changes whatever F finds.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fbseg_core.analysis.describe import TOLERANCE, Subject, Verdict
from fbseg_core.rollout.trajectory import norm_by_step

SHORTEST = 8  # steps a verdict needs: it judges the later half, and a period must fit in twice
RECURS = 0.35  # a period brings the run back to within this share of its widest excursion before it
GROWS = 0.1  # log of how much the steps must grow over the judged half to be called diverging


def verdict(
    states: Tensor,
    gains: Tensor | None = None,
    *,
    undamped: Tensor | None = None,
    tolerance: float = TOLERANCE,
    stopped: str | None = None,
) -> Verdict:
    """Judge a sequence of states (T+1, …), T ≥ 8 unless it was stopped early.

    gains (T,): the factor on each step, all 1 if None. undamped (T,): ‖δ(t)‖ where it is known; else a
    step's length over its gain stands for it. Axes after the second, (T+1, C, H, W), are taken for pixels:
    a last state that is the same at all of them is over-smoothed. Raises ValueError for a run too short.
    """
    flat = states.flatten(1)
    last = states[-1].double()
    even = False
    if states.ndim >= 4:
        rough = (last - last.mean((-2, -1), keepdim=True)).norm()
        even = bool(rough <= tolerance * last.norm())
    sizes = norm_by_step(flat[:, None])[:, 0]
    scale = float(sizes.max()) or 1.0
    moves = norm_by_step((flat[1:] - flat[:-1])[:, None])[:, 0] / scale
    gains = torch.ones(len(moves)) if gains is None else gains
    found = _measure("state", flat, scale, moves.cpu().numpy(), gains.double().cpu().numpy(), stopped)
    if undamped is not None and len(undamped):
        rest = float(undamped[-1]) / scale
    elif found.gain * tolerance > torch.finfo(states.dtype).eps:
        rest = found.step / found.gain
    else:  # the states' own rounding would drown the quotient
        rest = math.nan
    # as in the curve of ‖Δh‖ / ‖h‖: where a state grows, its largest size is no measure of its last step
    found = replace(found, undamped=rest, step=found.step * scale / (float(sizes[-1]) or 1.0))
    if stopped or (found.spread > tolerance and _diverges(moves.cpu().numpy(), found)):
        return replace(found, name="diverging")
    if even:
        return replace(found, name="over-smoothed")
    if found.spread <= tolerance:
        return replace(found, name="settled" if rest <= tolerance else "switched off")
    return _moving(found, flat[-found.judged - 1 :])


def mask_verdict(
    masks: Tensor,
    gains: Tensor | None = None,
    *,
    tolerance: float = TOLERANCE,
    stopped: str | None = None,
) -> Verdict:
    """Judge a sequence of masks (T+1, H, W) of class indices; otherwise as `verdict`.

    Distance is the share of pixels whose class differs. A mask that stands still has settled only if the
    judged steps let at least one whole correction through; else it was switched off, or never tried.
    Of a run that overflowed, what it reached is judged, and called diverging only if under 8 steps.
    """
    seen = masks.unique()  # classes that are nowhere would only take room
    flat = (masks.flatten(1)[..., None] == seen).flatten(1).float()
    pixels = masks[0].numel()
    scale = math.sqrt(2 * pixels)  # with it a squared distance is a share of pixels
    moves = (masks[1:] != masks[:-1]).flatten(1).double().mean(1)
    gains = torch.ones(len(moves)) if gains is None else gains
    found = _measure("mask", flat, scale, moves.cpu().numpy(), gains.double().cpu().numpy(), stopped)
    found = replace(found, spread=found.spread**2)
    if len(moves) < SHORTEST:
        return replace(found, name="diverging")
    if found.spread <= tolerance:
        if masks[-1].flatten().bincount().max() >= (1 - tolerance) * pixels:
            return replace(found, name="over-smoothed")
        return replace(found, name="settled" if found.let_through >= 1 else "switched off")
    return _moving(found, flat[-found.judged - 1 :])


def _measure(
    subject: Subject, flat: Tensor, scale: float, moves: np.ndarray, gains: np.ndarray, stopped: str | None
) -> Verdict:
    """The numbers of a verdict, before its name is decided."""
    steps = len(moves)
    if steps < SHORTEST and not stopped:
        raise ValueError(f"a verdict needs at least {SHORTEST} steps, not {steps}")
    since = steps // 2
    judged = flat[since:]
    spread = max(float(torch.dist(state.double(), flat[-1].double())) for state in judged) / scale
    half = moves[since:]
    growth = math.nan
    if len(half) > 1 and (half > 0).all():
        growth = float(np.polyfit(np.arange(len(half)), np.log(half), 1)[0])
    return Verdict(
        name="drifting",
        subject=subject,
        judged=len(half),
        step=float(moves[-1]) if steps else 0.0,
        spread=spread,
        undamped=math.nan,
        gain=float(gains[-1]) if steps else 1.0,
        let_through=float(gains[since:].sum()),
        growth=growth,
        reason=stopped,
    )


def _diverges(moves: np.ndarray, found: Verdict) -> bool:
    """Whether steps grow, and exponentially: a power of t, with its falling rate, only drifts."""
    if not found.growth * found.judged >= GROWS:  # NaN too
        return False
    logs = np.log(moves[-found.judged :])
    t = np.arange(1.0, len(moves) + 1)[-found.judged :]
    misfits = [np.polyfit(axis, logs, 1, full=True)[1].sum() for axis in (t, np.log(t))]
    return bool(misfits[0] <= misfits[1])


def _moving(found: Verdict, judged: Tensor) -> Verdict:
    """Oscillating if the run comes back on itself, drifting if not; a period about the drift is noted."""
    gram = _gram(judged)
    period = _period(gram)
    if period is not None:
        return replace(found, name="oscillating", period=period)
    t = np.arange(len(gram), dtype=float)
    line = np.linalg.qr(np.stack([np.ones_like(t), t], 1))[0]
    off = np.eye(len(t)) - line @ line.T  # takes the straight line out of every coordinate
    about = off @ gram @ off
    period = _period(about) if np.trace(about) > 1e-4 * np.trace(gram) else None
    return replace(found, name="drifting", period=period)


def _gram(judged: Tensor) -> np.ndarray:
    """Inner products (m, m) of states less the last one, so that what is near keeps its digits."""
    gram = torch.zeros(len(judged), len(judged), dtype=torch.float64, device=judged.device)
    for part in judged.split(1 << 16, 1):
        part = part.double() - part[-1].double()
        gram += part @ part.T
    return gram.cpu().numpy()


def _period(gram: np.ndarray) -> float | None:
    """The least lag p ≥ 2 after which a run is back where it was, from its mean distances ‖h(t) − h(t−p)‖.

    Between whole steps the lag is found by the parabola through its neighbours.
    """
    diagonal = np.diag(gram)
    squared = np.maximum(diagonal[:, None] + diagonal[None] - 2 * gram, 0)
    lags = range(len(gram) // 2 + 1)
    away = np.array([squared.diagonal(p).mean() for p in lags])
    for p in lags[2:-1]:
        before, here, after = away[p - 1 : p + 2]
        widest = away[1:p].max()
        if here <= RECURS**2 * widest and here < before and here <= after:
            if here <= 1e-6 * widest:
                return float(p)
            return max(p + 0.5 * (before - after) / (before - 2 * here + after), 2.0)
    return None
