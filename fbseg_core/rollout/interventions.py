"""What can be done to a run on its way: flip a switch, swap the image, perturb or paint the state.

An intervention takes effect at the state h(t): what it edits is h(t) itself, what it flips holds from the
step t → t+1 on. Everything still steps through `rollout`, part by part.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field, TypeAdapter, ValidationError, model_validator
from torch import Tensor

from fbseg_core.config import Switches, TaskConfig
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import State, Trajectory, join, rollout
from fbseg_core.settings import Config, ConfigError, setting
from fbseg_core.tasks import Batch, draw, task_of

LARGEST_MASK = 2**18  # pixels a packed mask may unfold to: 512 × 512
LONGEST_NAME = 60  # of a class, in letters
RENAMED = {"kick": "perturb"}  # kinds as earlier links name them


class Intervention(Config):
    """What all interventions share: the step t at whose state they act."""

    t: int = setting(0, "Step at which it acts.", unit="step", lo=0, hi=1000)


class Flip(Intervention):
    """From step t on, cut or close the loop, or switch the softmax or the decay off or on."""

    kind: Literal["flip"] = "flip"
    switch: Literal["loop", "softmax", "decay"] = setting("loop", "Which mechanism.")
    on: bool = setting(False, "On or off from here.")


class Freeze(Intervention):
    """Hold the decay's clock at t from step t on, or let it run again."""

    kind: Literal["freeze"] = "freeze"
    on: bool = setting(True, "Frozen, or running again.")


class Swap(Intervention):
    """From step t on the model sees another image; the state stays as it is."""

    kind: Literal["swap"] = "swap"
    seed: int = setting(1, "Seed of the new image.", lo=0, hi=2**31 - 1)
    noise: int = setting(0, "Seed of its noise.", lo=0, hi=2**31 - 1)


class Perturb(Intervention):
    """Add independent normal noise of deviation `size` to every neuron of h(t)."""

    kind: Literal["perturb"] = "perturb"
    size: float = setting(1.0, "Standard deviation at each neuron.", lo=0.0, hi=100.0, step=0.1)
    seed: int = setting(0, "Seed of the noise.", lo=0, hi=2**31 - 1)


class Paint(Intervention):
    """Give the marked pixels the state the model itself has elsewhere: where it sees a class.

    target "v" repaints what is fed back, "h" the answer as well, which erases (or draws) the mask.
    like: "shape" for any class but the background, "background", or one class by its name or number.
    mask is a `pack_mask` string of the image's size.
    """

    kind: Literal["paint"] = "paint"
    target: Literal["v", "h"] = setting("v", "The feedback neurons alone, or the whole state.")
    like: str | int = setting(
        "shape",
        "Where the paint is taken from: shape (any class but the background), background, or one class by "
        "its name or number.",
    )
    mask: str = Field("", max_length=20_000)

    @model_validator(mode="after")
    def _of_some_class(self) -> Self:
        known = 0 < len(self.like) <= LONGEST_NAME if isinstance(self.like, str) else self.like >= 0
        if not known:
            raise ValueError("like: give shape, background, or a class by its name or number")
        return self


AnyIntervention = Annotated[Flip | Freeze | Swap | Perturb | Paint, Field(discriminator="kind")]
_ADAPTER = TypeAdapter(AnyIntervention)


def parse_intervention(values: object) -> AnyIntervention:
    """An intervention from outside input; its key `kind` says which. Raises ConfigError."""
    kinds = {kind.model_fields["kind"].default: kind for kind in (Flip, Freeze, Swap, Perturb, Paint)}
    kind = values.get("kind") if isinstance(values, dict) else None
    if isinstance(kind, str) and kind in RENAMED:
        kind = RENAMED[kind]
        values = values | {"kind": kind}
    if not isinstance(kind, str) or kind not in kinds:
        raise ConfigError(f"kind: there is no intervention {kind!r:.60}; choose from {', '.join(kinds)}.")
    try:
        return _ADAPTER.validate_python(kinds[kind].parse(values))
    except ValidationError:  # a Config reports its own faults; this is for what the union adds
        raise ConfigError(f"The intervention {kind!r} could not be read.") from None


@dataclass(frozen=True)
class Intervened:
    """A run with interventions. x (T+1, 1, C, H, W) and labels (T+1, 1, H, W) are what holds at each step.

    trivial (T+1, 1, H, W): the answer of the task's trivial baseline there, None where it has none.
    refused: one sentence for every intervention that could not act (nothing to paint with, another size).
    """

    trajectory: Trajectory
    x: Tensor
    labels: Tensor
    refused: tuple[str, ...] = ()
    trivial: Tensor | None = None


@torch.no_grad()
def intervene(
    model: Model,
    task: TaskConfig,
    batch: Batch,
    steps: int,
    interventions: Sequence[AnyIntervention],
    switches: Switches = AS_BUILT,
) -> Intervened:
    """Run a model on a batch of one image for `steps` steps, acting on it as told.

    Interventions of the same step act in the order given; those past the end do nothing. Without any
    that acts the trajectory equals `rollout(model, batch.x, steps, switches=switches)` bit for bit.
    """
    if len(batch) != 1:
        raise ValueError(f"intervene takes one image, not {len(batch)}")
    batch = batch.to(model.device)
    times = sorted({0, *(item.t for item in interventions if item.t <= steps)})
    state = State(0, model.initial(batch.x))
    parts, seen, refused = [], [], []
    for now, until in zip(times, [*times[1:], steps]):
        for item in (i for i in interventions if i.t == now):
            try:
                state, batch, switches = _act(model, task, item, state, batch, switches)
            except ConfigError as error:
                refused.append(str(error))
        parts.append(rollout(model, batch.x, until - now, state, switches))
        seen += [batch] * len(parts[-1])
        if parts[-1].stopped:
            break
        state = parts[-1].state(-1)
    seen.append(batch)
    xs, truths = torch.stack([each.x for each in seen]), torch.stack([each.labels for each in seen])
    answers = [each.trivial for each in seen]
    trivial = None if any(each is None for each in answers) else torch.stack(answers)
    return Intervened(join(parts), xs, truths, tuple(refused), trivial)


def _act(
    model: Model,
    task: TaskConfig,
    item: AnyIntervention,
    state: State,
    batch: Batch,
    switches: Switches,
) -> tuple[State, Batch, Switches]:
    """State, image with its truth, and switches from here on. Raises ConfigError where it cannot act."""
    if isinstance(item, Flip):
        return state, batch, switches.replace(**{item.switch: item.on})
    if isinstance(item, Freeze):
        return state, batch, switches.replace(clock=item.t if item.on else None)
    if isinstance(item, Swap):
        return state, draw(task, item.seed, item.noise).to(model.device), switches
    if isinstance(item, Perturb):
        rng = np.random.default_rng(np.random.SeedSequence([item.seed, 2]))
        noise = torch.from_numpy(rng.standard_normal(state.h.shape, dtype=np.float32))
        return State(state.t, state.h + item.size * noise.to(state.h)), batch, switches
    return State(state.t, _painted(model, task, item, state)), batch, switches


def _painted(model: Model, task: TaskConfig, item: Paint, state: State) -> Tensor:
    size = tuple(state.h.shape[-2:])
    marked = torch.from_numpy(unpack_mask(item.mask, size)).to(state.h.device)
    source, name = _labelled(task, item.like, model.readout(state.h).argmax(1)[0])
    if not source.any():
        raise ConfigError(
            f"Nothing was painted at step {item.t}: no pixel is labelled {name} there, so there is no "
            f"such state to paint with; paint at another step."
        )
    h = state.h.clone()
    part = h[0] if item.target == "h" else h[0, model.feedback_channels]
    colour = part[:, source].mean(1, dtype=torch.float64).to(h)  # a sum may overflow where a mean cannot
    part.copy_(torch.where(marked, colour[:, None, None], part))
    return h


def _labelled(task: TaskConfig, like: str | int, classes: Tensor) -> tuple[Tensor, str]:
    """The pixels (H, W) bool of classes (H, W) that `Paint.like` speaks of, and what they are called."""
    if like in ("shape", "background"):
        return classes > 0 if like == "shape" else classes == 0, str(like)
    names = task_of(task).class_names(task)
    number = names.index(like) if like in names else like
    if not isinstance(number, int) or number >= len(names):
        raise ConfigError(
            f"like: the task {task.name!r} has no class {like!r}; choose from shape, {', '.join(names)}."
        )
    return classes == number, names[number]


def pack_mask(mask: np.ndarray) -> str:
    """A mask (H, W) bool as a short text safe in a link: its bits, deflated, in base64."""
    bits = np.packbits(np.asarray(mask, bool)).tobytes()
    return base64.urlsafe_b64encode(zlib.compress(bits, 9)).decode().rstrip("=")


def unpack_mask(text: str, size: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) bool of `pack_mask`. Raises ConfigError where it is not one of that size."""
    pixels = size[0] * size[1]
    fault = ConfigError(f"mask: this is not a drawing of {size[0]} × {size[1]} px.")
    if pixels > LARGEST_MASK:
        raise fault
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unfold = zlib.decompressobj()
        bits = unfold.decompress(raw, -(-pixels // 8) + 1)  # never more than the image holds
    except (binascii.Error, zlib.error, ValueError):
        raise fault from None
    if len(bits) != -(-pixels // 8) or not unfold.eof:
        raise fault
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=pixels).astype(bool).reshape(size)
