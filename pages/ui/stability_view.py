"""What the Stability lab shows, as one frozen value, and the four variants that it asks to compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from fbseg_core import Card, ConfigError
from fbseg_core.analysis.probes import ABLATIONS
from fbseg_core.config import Switches, TaskConfig
from fbseg_core.knobs import knob
from pages.ui import own
from pages.ui.link import LARGEST_SEED, Linked

NAMES: tuple[str, ...] = tuple(ABLATIONS)
# variant -> the checkpoint that was trained so; all else about their training is the same
TRAINED = dict(zip(NAMES, ("shapes-feedback", "shapes-no-decay", "shapes-no-softmax", "shapes-no-both")))
MODES = {"inference": "switched off at inference", "trained": "trained without"}


class LabView(Linked):
    """The whole state of the screen. None and "" stand for 'as the checkpoint was made'."""

    mode: Literal["inference", "trained"] = knob(
        "inference", "One model whose mechanisms are switched off, or four models trained with and without."
    )
    model: str = Field("", max_length=80)
    sigma: float | None = knob(None, "Noise σ at each pixel.", unit="grey levels", lo=0.0, hi=2.0, step=0.05)
    image: int = knob(7, "Which image is drawn.", lo=0, hi=LARGEST_SEED)
    noise: int = knob(0, "Which noise is drawn on it.", lo=0, hi=LARGEST_SEED)
    T: int = knob(60, "Steps of the run.", unit="steps", lo=8, hi=120)
    tau: float | None = knob(None, "Time constant of the decay.", unit="steps", lo=0.05, hi=40.0, step=0.05)
    eigenvalue: float | None = knob(
        None, "Negative damps, 0 leaves the gain at 1, positive lets it grow.", lo=-2.0, hi=2.0, step=0.1
    )
    eigenvalue_v: float | None = knob(
        None,
        "The feedback neurons' own eigenvalue, if it differs from the others'.",
        lo=-2.0,
        hi=2.0,
        step=0.1,
    )
    focus: Literal["softmax, decay", "softmax only", "decay only", "neither"] = knob(
        NAMES[0], "Which of the four the sections below look at."
    )
    t: int | None = knob(None, "Step on show, the last by default.", lo=0, hi=128)
    log: bool = knob(True, "Logarithmic axes for all but F1.")
    plane: Literal["all", "first"] = knob("all", "Plane of all four runs, or of the run with everything on.")
    frozen: bool = knob(False, "Draw the runs whose clock is held, in all panels.")
    clock: int = knob(
        0, "Hold the clock from this step on and keep iterating; the verdicts judge from there.",
        unit="step", lo=0, hi=100,
    )  # fmt: skip
    at: int = knob(5, "Take the state of the run, clock going, at this step.", unit="step", lo=1, hi=100)
    local: bool = False
    kick: bool = False
    size: float = knob(0.1, "Length of the kick.", unit="of ‖h‖", lo=0.01, hi=2.0, step=0.01)
    direction: Literal["random", "leading eigenvector"] = knob("random", "Where the kick points.")


@dataclass(frozen=True)
class Variant:
    """One of the four runs with nothing left open: equal variants give equal runs."""

    checkpoint: str
    task: TaskConfig
    image: int
    noise: int
    steps: int
    clock: int
    switches: Switches


def checkpoints(cards: Mapping[str, Card], named: str = "") -> list[str]:
    """The checkpoints whose loop is closed, the paper's task first; a visitor's own if `named` is one."""
    names = [name for name, card in cards.items() if card.model.kind == "feedback"]
    if named not in names and own.kept(named) and cards[named].model.kind == "feedback":
        names.append(named)
    return sorted(names, key=lambda name: (name not in TRAINED.values(), name != TRAINED[NAMES[0]], name))


def variants_of(view: LabView, cards: Mapping[str, Card]) -> dict[str, Variant]:
    """The four variants of a view by name. Raises ConfigError for a checkpoint that is not there."""
    known = checkpoints(cards, view.model)
    if not known:
        raise ConfigError("There is no feedback checkpoint: make one by a command of checkpoints/README.md.")
    chosen = view.model or known[0]
    ways = TRAINED if view.mode == "trained" else dict.fromkeys(NAMES, chosen)
    for name in (chosen, *ways.values()):
        if name not in known:
            raise ConfigError(
                f"There is no checkpoint {name!r:.80} for this; choose from {', '.join(known)}."
            )
    made = {}
    for name, checkpoint in ways.items():
        card = cards[checkpoint]
        mechanisms = {} if view.mode == "trained" else ABLATIONS[name]
        made[name] = Variant(
            checkpoint,
            card.task if view.sigma is None else card.task.replace(sigma=view.sigma),
            view.image,
            view.noise,
            view.T,
            view.clock,
            Switches(tau=view.tau, spectrum=_spectrum(view, card), **mechanisms),
        )
    return made


def _spectrum(view: LabView, card: Card) -> tuple[float, ...] | None:
    """A's eigenvalues; None as built. Without a Q of its own a model's neurons are A's eigenvectors."""
    if view.eigenvalue is None and view.eigenvalue_v is None:
        return None
    u, v = card.model.u, card.model.v
    built = card.model.spectrum * (u + v if len(card.model.spectrum) == 1 else 1)
    if view.eigenvalue is not None:
        built = (view.eigenvalue,) * (u + v)
    return built if view.eigenvalue_v is None else (*built[:u], *(view.eigenvalue_v,) * v)
