"""A model under test as a cell has it, or a screen; and in words how two of them differ.

That a link opens the setting of the rows it stands beside can then be checked, and what differs be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fbseg_core.checkpoint import Card
from fbseg_core.config import ModelConfig, ShapesConfig, Switches, TaskConfig, TrainConfig
from fbseg_core.models.base import AS_BUILT
from fbseg_core.models.registry import traits_of
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS

ON, TRAINED, SWITCHED = "on", "trained without", "switched off at inference"
BUDGET = {"examples", "batch", "updates", "epochs", "steps_min", "steps_max"}
SILENT = {"seed", "eval_every"}  # of a training: rows are means over seeds, and looking changes nothing
LOOPED = {  # what only a model that takes steps has
    "tau", "spectrum", "kernel", "alpha", "v", "steps_min", "steps_max", "loss", "loss_from", "integrator",
    "k", "rho", "gradient", "window", "free", "start_other", "start_noise", "lipschitz",
    "front_slow", "front_fast", "front_rest", "front_speedup",
}  # fmt: skip
TOLD: dict[str, Callable[[Any], str]] = {  # how a value is told where "name value" would not do
    "side": lambda value: f"images of {value} px",
    "normalise": lambda value: (
        "images "
        + {"minmax": "scaled to [0, 1]", "standard": "standardised", "none": "not normalised"}[value]
    ),
    "jitter": lambda value: f"corners jittered by {value:g} radii" if value else "corners not jittered",
    "delta_norm": lambda value: "normalised output" if value else "output not normalised",
    "norm": lambda value: f"{value} norm",
    "tau": lambda value: f"τ = {value:g}",
    "flips": lambda value: "flips and turns" if value else "no flips and turns",
    "batch": lambda value: f"batches of {value}",
    "lr": lambda value: f"learning rate {value:g}",
    "sigma_range": lambda value: f"σ of each update within a factor {value:g}",
    "loss": lambda value: f"loss of the {value}",
    "loss_from": lambda value: f"share of the steps before the loss {value:g}",
}


@dataclass(frozen=True)
class Subject:
    """A model, what it is tested on and how it is run: `steps` is T there, 1 for a feedforward model.

    trained, train: the task it learned and how; None where its weights do not matter.
    """

    task: TaskConfig
    model: ModelConfig
    steps: int
    trained: TaskConfig | None
    train: TrainConfig | None
    switches: Switches = AS_BUILT


def of_run(task: TaskConfig, run: TrainingRun, steps: int = 0, switches: Switches = AS_BUILT) -> Subject:
    """A model that is trained and tested on one task; with 0, for the steps that it was made for."""
    return Subject(task, run.model, steps or _steps(run.model), task, run.train, switches)


def of_card(
    card: Card, task: TaskConfig | None = None, steps: int = 0, switches: Switches = AS_BUILT
) -> Subject:
    """A checkpoint, tested on its own task if no other is given."""
    return Subject(
        task or card.task, card.model, steps or _steps(card.model), card.task, card.train, switches
    )


def _steps(model: ModelConfig) -> int:
    return traits_of(model).steps


def nearest(shown: Subject, subjects: Sequence[Subject]) -> list[str] | None:
    """How it differs from the one among `subjects` that it is most like: none where it is there.

    Only those count that have the same mechanisms at work; None where no such one is.
    """
    alike = [differences(shown, of) for of in subjects if working(of) == working(shown)]
    return min(alike, key=len, default=None)


def working(subject: Subject) -> tuple[str, ...]:
    """The mechanisms that are at work, however the others were taken away; "one pass" without steps."""
    if not traits_of(subject.model).takes_steps:
        return ("one pass",)
    states = mechanisms(subject)
    if states["loop"] != ON:
        del states["softmax"]  # nothing is projected
    return tuple(name for name, state in states.items() if state == ON)


def mechanisms(subject: Subject) -> dict[str, str]:
    """loop, softmax and decay of a model that takes steps: whether each is on, or how it was taken away."""
    model, switches = subject.model, subject.switches
    built = {
        "loop": traits_of(model).has_loop,
        "softmax": model.projection != "none",
        "decay": model.decay != "none",
    }
    flipped = {name: getattr(switches, name) for name in built}
    return {
        name: SWITCHED if there and flipped[name] is False else ON if there or flipped[name] else TRAINED
        for name, there in built.items()
    }


def differences(shown: Subject, of: Subject) -> list[str]:
    """What `shown` has that `of` has not, one phrase each, as "τ = 2, not 0.2"; seeds are passed over."""
    if of.train is None:  # neither weights nor noise matter
        noise = {"sigma": of.task.sigma}
        shown = replace(shown, task=shown.task.replace(**noise), trained=None, train=None)
    found = [*_of_task(shown, of), *_of_run(shown, of), *_of_model(shown, of), *_of_training(shown, of)]
    return list(dict.fromkeys(found))


def _of_task(shown: Subject, of: Subject) -> Iterator[str]:
    if shown.task.name != of.task.name:
        yield f"{shown.task.name}, not {of.task.name}"
        return
    sigmas = [_sigmas(each) for each in (shown, of)]
    tested, trained = ([pair[i] for pair in sigmas] for i in (0, 1))
    if tested[0] != tested[1]:
        yield f"{tested[0]}, not {tested[1].split()[-1]}"
    if trained[0] != trained[1] and (trained != tested):
        yield f"trained at {trained[0]}, not {trained[1].split()[-1]}"
    keys = set(type(of.task).model_fields) - {"name", "sigma"}
    in_test = list(_fields(shown.task, of.task, keys))
    yield from in_test
    if shown.trained and of.trained:
        in_training = _fields(shown.trained, of.trained, keys)
        yield from (f"trained with {text}" for text in in_training if text not in in_test)


def _sigmas(subject: Subject) -> tuple[str, str]:
    """The noise of its test, and of its training."""
    return tuple(
        f"paper sigma {task.paper_sigma:g}" if isinstance(task, ShapesConfig) else f"σ = {task.sigma:g}"
        for task in (subject.task, subject.trained or subject.task)
    )


def _of_run(shown: Subject, of: Subject) -> Iterator[str]:
    kinds = traits_of(shown.model), traits_of(of.model)
    if not all(kind.takes_steps for kind in kinds):
        if kinds[0].title != kinds[1].title:
            yield f"{kinds[0].title}, not {kinds[1].title}"
        return
    here, there = mechanisms(shown), mechanisms(of)
    for name in here:
        if here[name] != there[name] and not (name == "softmax" and ON not in (here["loop"], there["loop"])):
            yield f"{name} {here[name]}, not {there[name]}"
    if shown.model.kind != of.model.kind and here["loop"] == there["loop"]:  # else the loop has told it
        yield f"{kinds[0].title}, not {kinds[1].title}"
    if shown.steps != of.steps:
        yield f"T = {shown.steps}, not {of.steps}"
    yield from _fields(shown.switches, of.switches, set(Switches.model_fields) - set(here))


def _of_model(shown: Subject, of: Subject) -> Iterator[str]:
    keys = set(ModelConfig.model_fields) - {"kind", "projection", "decay", "steps"}
    yield from _fields(shown.model, of.model, keys - (set() if traits_of(of.model).takes_steps else LOOPED))


def _of_training(shown: Subject, of: Subject) -> Iterator[str]:
    one, other = shown.train, of.train
    if one is None or other is None:
        return
    if one.examples != other.examples:
        here, there = one.examples or "fresh", other.examples or "fresh ones"
        yield f"{here} examples, not {there}"
    if one.total != other.total:
        yield f"{one.total} updates, not {other.total}"
    plain = not traits_of(of.model).takes_steps
    spans = [
        f"{train.steps_min} to {train.steps_max}" if train.steps_min < train.steps_max else train.steps_max
        for train in (one, other)
    ]
    if spans[0] != spans[1] and not plain:
        yield f"T = {spans[0]} in training, not {spans[1]}"
    yield from _fields(one, other, {"batch"})
    names = [protocol_of(train) for train in (one, other)]
    if names[0] != names[1] and all(names):
        yield f"{names[0]} protocol, not {names[1]}"
    else:
        yield from _fields(
            one, other, set(TrainConfig.model_fields) - BUDGET - SILENT - (LOOPED if plain else set())
        )


def corners(subjects: Iterable[Subject]) -> str:
    """Which polygons those learned from that were trained by the paper's protocol, in a sentence beside the
    authors'; "" where none were."""
    found = {
        one.trained.jitter
        for one in subjects
        if isinstance(one.trained, ShapesConfig) and one.train and protocol_of(one.train) == "paper"
    }
    if not found:
        return ""
    told = " and ".join(TOLD["jitter"](jitter) for jitter in sorted(found))
    return f"Under the paper's protocol polygons were drawn with {told}; the authors' generator jitters them."


def protocol_of(train: TrainConfig) -> str:
    """The protocol that a training follows in all but its budget, seed and looks; "" where it is none."""
    free = {key: getattr(train, key) for key in BUDGET | SILENT}
    return next((name for name, one in PROTOCOLS.items() if one.replace(**free) == train), "")


def _fields(one: Any, other: Any, keys: set[str]) -> Iterator[str]:
    """The fields of two configs of one kind that differ, in the order they are declared."""
    for key in type(one).model_fields:
        here, there = (getattr(each, key, None) for each in (one, other))
        if key in keys and here != there:
            yield _shortened(_tell(key, here), _tell(key, there))


def _tell(key: str, value: Any) -> str:
    if value is None:  # a switch that is left alone
        return "as built"
    return TOLD[key](value) if key in TOLD else f"{key.replace('_', ' ')} {_text(value)}"


def _shortened(here: str, there: str) -> str:
    """What both begin with is said once: "τ = 2, not 0.2"."""
    first, second = here.split(), there.split()
    while first[0] == second[0] and len(first) > 1 and len(second) > 1:
        first, second = first[1:], second[1:]
    return f"{here}, not {' '.join(second)}"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
