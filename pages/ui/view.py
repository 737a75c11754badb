"""What the Explore screen shows, as one frozen value, and the link that carries it.

A link names its version and only what differs from the defaults. Reading is bounded: anything unknown, out
of range, too long or of another version is refused as a whole with one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from fbseg_core import ConfigError
from fbseg_core.config import Config, knob, knobs
from fbseg_core.interventions import (
    AnyIntervention,
    Flip,
    Freeze,
    Kick,
    Paint,
    Swap,
    parse_intervention,
)

VERSION = "1"
LONGEST = 8000  # characters of a link's values: what servers and chat programs pass on whole
LARGEST_SEED = 999
MOST_INTERVENTIONS = 12

Layer = Literal[
    "probability", "mask", "error", "v_hat", "delta", "applied", "entropy", "commit", "difference"
]
Part = Literal[
    "models",
    "image",
    "noise",
    "switches",
    "layers",
    "interventions",
    "plane",
    "draw",
    "numbers",
    "export",
    "lesson",
]
KINDS = {kind.model_fields["kind"].default: kind for kind in (Flip, Freeze, Swap, Kick, Paint)}


class View(Config):
    """The whole state of the screen. None and "" stand for 'as the checkpoint was made'."""

    lesson: str = Field("", max_length=40)
    task: str = Field("shapes", max_length=40)
    model: str = Field("", max_length=80)
    beside: str = Field("", max_length=80)
    sigma: float | None = knob(None, "Noise σ at each pixel.", unit="grey levels", lo=0.0, hi=2.0, step=0.05)
    image: int = knob(0, "Which image is drawn.", lo=0, hi=LARGEST_SEED)
    noise: int = knob(0, "Which noise is drawn on it.", lo=0, hi=LARGEST_SEED)
    T: int | None = knob(None, "Steps of the run.", unit="steps", lo=1, hi=60)
    loop: bool = knob(True, "Feed v back; off sets v̂ := 0, so F sees the image alone.")
    softmax: bool = knob(True, "Project v onto the simplex before it is fed back (E2).")
    decay: bool = knob(True, "Damp the updates over time (E4).")
    tau: float | None = knob(None, "Time constant of the decay.", unit="steps", lo=0.05, hi=40.0, step=0.05)
    eigenvalue: float | None = knob(None, "Eigenvalue of A, for all neurons.", lo=-2.0, hi=2.0, step=0.1)
    clock: int | None = knob(
        None, "Freeze the decay's clock at this step from the start.", unit="step", lo=0, hi=60
    )
    kernel: Literal["", "none", "fractional"] = knob(
        "", "Extra weight on the updates, as in the authors' code."
    )
    drawing: str = Field("", max_length=3000)
    cue: tuple[Annotated[int, Field(ge=0, le=511)], Annotated[int, Field(ge=0, le=511)]] | None = None
    do: tuple[AnyIntervention, ...] = Field((), max_length=MOST_INTERVENTIONS)
    t: int | None = knob(None, "Step on show; by default the run plays to its end.", lo=0, hi=60)
    layer: Layer = knob("probability", "What is painted.")
    channel: int = knob(0, "Which feedback channel, for the layer v̂.", lo=0, hi=63)
    against: int = knob(0, "Step that the difference is taken from.", lo=0, hi=60)
    plane: Literal["h", "u", "v", "logits"] = knob("h", "What the plane is fitted to.")
    points: Literal["image", "regions"] = knob("image", "Whole state, or means over shape and background.")
    chart: Literal["plane", "time"] = knob("plane", "PC1 against PC2, or PC1 over t.")
    curve: Literal["f1", "iou", "update", "entropy", "norms"] = knob("f1", "Curve over time.")
    draws: bool = knob(False, "Run 16 noise draws of the image.")
    hide: tuple[Part, ...] = Field((), max_length=20)

    def link(self, lessons: Mapping[str, View]) -> dict[str, str]:
        """The parameters of the link: the lesson, if any, and what differs from it; none for the defaults."""
        base = lessons.get(self.lesson, View())
        differs = [key for key in View.model_fields if getattr(self, key) != getattr(base, key)]
        keys = ["lesson"] * bool(self.lesson) + [key for key in differs if key != "lesson"]
        return {"v": VERSION, **{key: _text(key, getattr(self, key)) for key in keys}} if keys else {}

    @classmethod
    def from_link(cls, parameters: Mapping[str, str], lessons: Mapping[str, View]) -> View:
        """The view a link describes. Raises ConfigError, nothing else."""
        if sum(len(key) + len(value) for key, value in parameters.items()) > LONGEST:
            raise ConfigError(f"The link is longer than {LONGEST} characters.")
        if parameters.get("v", VERSION) != VERSION:
            raise ConfigError(
                f"The link is of version {parameters['v']!r:.20}, this app reads version {VERSION}."
            )
        lesson = parameters.get("lesson", "")
        if lesson and lesson not in lessons:
            raise ConfigError(f"There is no lesson {lesson!r:.40}.")
        base = lessons.get(lesson, cls())
        return base.replace(**{key: _value(key, text) for key, text in parameters.items() if key != "v"})


PARTS: tuple[str, ...] = View.model_fields["hide"].annotation.__args__[0].__args__


def _text(key: str, value: Any) -> str:
    if key == "do":
        return "~".join(_item_text(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _value(key: str, text: str) -> Any:
    if key not in View.model_fields:
        raise ConfigError(f"The link holds {key!r:.40}, which this app does not know.")
    if key == "do":
        return tuple(_item(part) for part in text.split("~") if text)
    if knobs(View)[key].kind in ("choice", "text") and View.model_fields[key].default.__class__ is str:
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(f"The link's {key} = {text!r:.40} cannot be read.") from None
    return tuple(value) if isinstance(value, list) else value


def _item_text(item: AnyIntervention) -> str:
    """kind,key:value,…: what differs from the kind's defaults."""
    values = {key: value for key, value in item.changed().items() if key != "kind"}
    return ",".join([item.kind, *(f"{key}:{_text('', value)}" for key, value in values.items())])


def _item(text: str) -> AnyIntervention:
    kind, *parts = text.split(",")
    values: dict[str, Any] = {"kind": kind}
    for part in parts:
        key, _, value = part.partition(":")
        try:
            values[key] = value if key == "mask" else json.loads(value)  # a mask may look like a number
        except (ValueError, RecursionError):
            values[key] = value
    return parse_intervention(values)
