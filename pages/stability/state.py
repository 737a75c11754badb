"""What the Stability lab shows, as one frozen value, and the four variants that it asks to compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from fbseg_core import Card, ConfigError
from fbseg_core.analysis.lockstep import steps_judged
from fbseg_core.analysis.probes import ABLATIONS
from fbseg_core.config import Switches, TaskConfig
from fbseg_core.experiments.subject import Subject, of_card
from fbseg_core.models.registry import traits_of
from fbseg_core.settings import setting
from pages.ui import budget, own_models, ranges
from pages.ui.link import LARGEST_SEED, Linked

NAMES: tuple[str, ...] = tuple(ABLATIONS)
# variant -> the checkpoint that was trained so; all else about their training is the same
TRAINED = dict(zip(NAMES, ("shapes-feedback", "shapes-no-decay", "shapes-no-softmax", "shapes-no-both")))
INTEGRATORS = ("sum", "leaky")
MODES = {"inference": "switched off at inference", "trained": "trained without"}


class StabilityState(Linked):
    """The whole state of the screen. None and "" stand for 'as the checkpoint was made'."""

    renamed: ClassVar[Mapping[str, str]] = {"kick": "perturb"}
    renamed_lessons: ClassVar[Mapping[str, str]] = {"late-kick": "late-perturbation"}

    mode: Literal["inference", "trained"] = setting(
        "inference",
        "Switched off: one model, which never learned to do without. Trained without: four models, each "
        "run as it was trained. The two need not agree.",
    )
    model: str = Field(
        "",
        max_length=80,
        json_schema_extra={
            "help": "A checkpoint whose loop is closed: it is run in all four ways. Try one that was trained "
            "without a mechanism."
        },
    )
    sigma: float | None = setting(
        None,
        "How noisy the image is; its grey levels run from about 0 to 1. Raise it, and see which variant "
        "loses the mask first.",
        **ranges.SIGMA,
    )
    image: int = setting(
        7,
        "Draws another image for all four. A verdict may hold on one and not on the next.",
        lo=0,
        hi=LARGEST_SEED,
    )
    noise: int = setting(
        0, "Draws other noise on the same image: see which verdicts stay.", lo=0, hi=LARGEST_SEED
    )
    T: int = setting(
        60,
        "How long all four run; the later half is judged. Go far past the training length to tell rest from "
        "slow drift.",
        unit="steps",
        lo=8,
        hi=120,
    )
    tau: float | None = setting(
        None,
        "After so many steps an update counts 1/e as much. Make it large, and the clock stops hiding what "
        "still moves.",
        **ranges.TAU,
    )
    eigenvalue: float | None = setting(
        None,
        "Negative damps every update, 0 leaves the gain at 1, positive makes it grow. Pull it above 0: the "
        "proof is withdrawn, and the state diverges.",
        **ranges.EIGENVALUE,
    )
    eigenvalue_v: float | None = setting(
        None,
        "Gives what is fed back a gain of its own. Leave the other negative and set this to 0: the answer is "
        "damped, the feedback is not.",
        **ranges.EIGENVALUE,
    )
    integrator: Literal["", "sum", "leaky"] = setting(
        "",
        "How the state takes δ: sum adds it, and the state cannot rest; leaky is drawn to it (E5') and can "
        "rest, where h = δ. Compare the verdicts with the decay off.",
    )
    k: float | None = setting(
        None,
        "Share of the error δ − h that each step of a leaky state takes. Make it small, and see whether the "
        "end is the same; at 1, whether it still comes to rest.",
        **ranges.K,
    )
    focus: Literal["softmax, decay", "softmax only", "decay only", "neither"] = setting(
        NAMES[0],
        "Clock, certificate, local stability and perturbation are about this one variant. Compare “softmax, "
        "decay” with “neither”.",
    )
    t: int | None = setting(
        None, "Masks, paths and F1 are shown at this step. Pull it back to see the four part.", lo=0, hi=128
    )
    log: bool = setting(
        True,
        "Powers of ten for all curves but F1: what decays exponentially becomes a straight line. Off, see "
        "how little the late steps add.",
    )
    plane: Literal["all", "first"] = setting(
        "all",
        "All four share one plane that shows where they part; that of “softmax, decay” alone shows its own "
        "path best. Fitted with the clock running.",
    )
    frozen: bool = setting(
        False,
        "Table, masks, curves and paths then show the runs that keep the gain of one step. Turn it on to "
        "see which masks still move once nothing damps them.",
    )
    clock: int = setting(
        0,
        "The held runs keep this step's gain from there on, and all verdicts judge what follows it. At 0 "
        "nothing is damped; try a late step, where too little gets through to tell.",
        unit="step", lo=0, hi=100,
    )  # fmt: skip
    at: int = setting(
        5,
        "Examines and perturbs the state that the run, clock running, has at this step. Try an early and a "
        "late one: late updates are too small to undo a perturbation.",
        unit="step",
        lo=1,
        hi=100,
    )
    local: bool = False
    perturb: bool = False
    size: float = setting(
        0.1,
        "How far the state is moved. Start small, where the eigenvalues hold, then raise it until the mask "
        "changes.",
        unit="of ‖h‖",
        lo=0.01,
        hi=2.0,
        step=0.01,
    )
    direction: Literal["random", "leading eigenvector"] = setting(
        "random",
        "Which way the state is moved: any way, or along the change that grows most while the clock is "
        "held. Compare how much of each is left.",
    )


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
    names = [name for name, card in cards.items() if traits_of(card.model).has_loop]
    if named not in names and own_models.kept(named) and traits_of(cards[named].model).has_loop:
        names.append(named)
    return sorted(names, key=lambda name: (name not in TRAINED.values(), name != TRAINED[NAMES[0]], name))


def variants_of(view: StabilityState, cards: Mapping[str, Card]) -> dict[str, Variant]:
    """The four variants of a view by name. Raises ConfigError for a checkpoint that is not there."""
    known = checkpoints(cards, view.model)
    if not known:
        raise ConfigError("There is no feedback checkpoint: make one by a command of checkpoints/README.md.")
    chosen = view.model or known[0]
    ways = TRAINED if view.mode == "trained" else dict.fromkeys(NAMES, chosen)
    for name in (chosen, *ways.values()):
        if name not in known:
            raise ConfigError(own_models.missing(name, known))
    made = {}
    for name, checkpoint in ways.items():
        card = cards[checkpoint]
        budget.check(card.model, card.task.size, steps_judged(view.T, view.clock) + view.clock)
        mechanisms = {} if view.mode == "trained" else ABLATIONS[name]
        made[name] = Variant(
            checkpoint,
            card.task if view.sigma is None else card.task.replace(sigma=view.sigma),
            view.image,
            view.noise,
            view.T,
            view.clock,
            Switches(
                tau=view.tau,
                spectrum=_spectrum(view, card),
                integrator=view.integrator or None,
                k=view.k,
                **mechanisms,
            ),
        )
    return made


def planned(variants: Mapping[str, Variant]) -> int:
    """Steps that each of the four takes where nothing overflows."""
    first = variants[NAMES[0]]
    return first.clock + steps_judged(first.steps, first.clock)


def step_shown(view: StabilityState, last: int) -> int:
    """The step on show of runs that end at step `last`."""
    return last if view.t is None else min(view.t, last)


def built_with(view: StabilityState, card: Card) -> dict[str, Any]:
    """What None and "" stand for in the fields that say how a checkpoint is run."""
    model, own = card.model, card.model.spectrum[0]
    return {
        "sigma": card.task.sigma,
        "tau": model.tau,
        "eigenvalue": own,
        "eigenvalue_v": own if view.eigenvalue is None else view.eigenvalue,
        "integrator": model.integrator,
        "k": model.k,
    }


def followed(view: StabilityState, card: Card) -> dict[str, dict[str, Any]]:
    """The controls that the race follows: `value` in the view, None as `built`; `options` of a menu."""
    built = built_with(view, card)
    values = {field: getattr(view, field) for field in built} | {"integrator": view.integrator or None}
    found = {field: {"value": values[field], "built": built[field]} for field in built}
    found["integrator"]["options"] = INTEGRATORS
    return found


def subjects(view: StabilityState, cards: Mapping[str, Card]) -> Iterator[Subject]:
    """The four models that a view shows, as they are run; the one that its sections look at first."""
    four = variants_of(view, cards)
    for one in sorted(four.values(), key=lambda one: one is not four[view.focus]):
        switches = one.switches.replace(clock=one.clock) if view.frozen else one.switches
        yield of_card(cards[one.checkpoint], one.task, one.steps, switches)


def _spectrum(view: StabilityState, card: Card) -> tuple[float, ...] | None:
    """A's eigenvalues; None as built. Without a Q of its own a model's neurons are A's eigenvectors."""
    if view.eigenvalue is None and view.eigenvalue_v is None:
        return None
    u, v = card.model.u, card.model.v
    built = card.model.spectrum * (u + v if len(card.model.spectrum) == 1 else 1)
    if view.eigenvalue is not None:
        built = (view.eigenvalue,) * (u + v)
    return built if view.eigenvalue_v is None else (*built[:u], *(view.eigenvalue_v,) * v)
