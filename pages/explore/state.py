"""What the Explore screen shows, as one frozen value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from fbseg_core.rollout.halting import AUTO
from fbseg_core.rollout.interventions import AnyIntervention, parse_intervention
from fbseg_core.settings import setting
from pages.ui import ranges
from pages.ui.link import LARGEST_SEED, Presentable, parse

MOST_INTERVENTIONS = 12

Layer = Literal[
    "probability", "mask", "error", "v_hat", "delta", "mismatch", "applied", "entropy", "commit", "difference"
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


class ExploreState(Presentable):
    """The whole state of the screen. None and "" stand for 'as the checkpoint was made'.

    source: where the images of a task that reads files are, as `own_images.chosen` takes it; never a path.
    """

    renamed: ClassVar[Mapping[str, str]] = {"beside": "comparison"}
    renamed_lessons: ClassVar[Mapping[str, str]] = {"late-kick": "late-perturbation"}

    task: str = Field("shapes", max_length=40)
    model: str = Field("", max_length=80)
    comparison: str = Field("", max_length=80)
    source: str = Field("", max_length=80)
    sigma: float | None = setting(
        None,
        "How noisy the image is; its grey levels run from about 0 to 1. Raise it past what the model was "
        "trained at, and compare the two models.",
        **ranges.SIGMA,
    )
    image: int = setting(
        0, "Draws another image. Try several: one may be an exception.", lo=0, hi=LARGEST_SEED
    )
    noise: int = setting(
        0,
        "Draws other noise on the same image: see how far the mask depends on it.",
        lo=0,
        hi=LARGEST_SEED,
    )
    T: int | None = setting(
        None,
        "How long the loop runs. Go past its training length to see whether the mask holds.",
        **ranges.STEPS,
    )
    auto: bool = setting(
        False, f"Stops where {AUTO.reason}, after T steps at the latest. Later steps can still be looked at."
    )
    loop: bool = setting(
        True,
        "Feeds v back into F. Off, v̂ := 0 and F sees the image alone: watch what the mask loses, on "
        "grouping above all.",
    )
    softmax: bool = setting(
        True,
        "Puts each pixel's v̂ on the simplex before it is fed back (E2). Off, v is only normalised: see "
        "whether the mask stays steady.",
    )
    decay: bool = setting(
        True,
        "Damps every update more than the one before (E4). Off, all count in full: watch ‖h‖ grow while the "
        "mask may stay.",
    )
    tau: float | None = setting(
        None,
        "After so many steps an update counts 1/e as much. Make it small and the answer freezes early; "
        "large, and late steps still correct it.",
        **ranges.TAU,
    )
    eigenvalue: float | None = setting(
        None,
        "Negative damps every update, 0 leaves it whole, positive makes each larger than the last. Pull it "
        "above 0 to see the state run away.",
        **ranges.EIGENVALUE,
    )
    clock: int | None = setting(
        None,
        "Every update gets the gain of this step: 1 at 0, next to nothing late. Try 0, and see whether the "
        "mask comes to rest undamped.",
        unit="step",
        lo=0,
        hi=60,
    )
    kernel: Literal["", "none", "fractional"] = setting(
        "",
        "fractional weighs the updates once more as the authors' code does, by a factor that falls to 0 at "
        "step T. Compare F1 at the end.",
    )
    integrator: Literal["", "sum", "leaky"] = setting(
        "",
        "sum adds every δ to the state (E5); leaky draws the state towards δ (E5'), so it can rest, where "
        "h = δ. A model is seldom of use in the way it was not trained for.",
    )
    k: float | None = setting(
        None,
        "Share of the error δ − h that each step of a leaky state takes. Small, the mask creeps; at 1 the "
        "state jumps to δ. See whether the end is the same, and whether it comes to rest.",
        **ranges.K,
    )
    drawing: str = Field("", max_length=3000)
    cue: tuple[Annotated[int, Field(ge=0, le=511)], Annotated[int, Field(ge=0, le=511)]] | None = None
    do: tuple[AnyIntervention, ...] = Field((), max_length=MOST_INTERVENTIONS)
    t: int | None = setting(None, "Step on show; by default the run plays to its end.", lo=0, hi=60)
    layer: Layer = setting("probability", "What is painted.")
    channel: int = setting(0, "Which feedback channel, for the layer v̂.", lo=0, hi=63)
    of_class: int = setting(
        0, "Whose probability is painted: a class by its number; 0 is any but the background.", lo=0, hi=31
    )
    against: int = setting(0, "Step that the difference is taken from.", lo=0, hi=60)
    plane: Literal["h", "u", "v", "logits"] = setting("h", "What the plane is fitted to.")
    points: Literal["image", "regions"] = setting(
        "image", "Whole state, or means over the pixels of each class."
    )
    chart: Literal["plane", "time"] = setting("plane", "PC1 against PC2, or PC1 over t.")
    curve: Literal["f1", "iou", "update", "entropy", "norms", "confusion"] = setting(
        "f1", "Curve over time; or the matrix of truth by answer at the step on show."
    )
    scale: Literal["log", "linear"] = setting("log", "Axis of the norms and of the relative update.")
    draws: bool = setting(
        False,
        "Runs the same image under 16 other noises, with no intervention: a cloud in the plane, bands on the "
        "curves. A difference inside the band may come from the noise draw.",
    )
    hide: tuple[Part, ...] = Field((), max_length=20)

    def encode(self, key: str) -> str:
        return "~".join(map(_item_text, self.do)) if key == "do" else super().encode(key)

    @classmethod
    def decode(cls, key: str, text: str) -> Any:
        if key == "do":
            return tuple(_item(part) for part in text.split("~") if text)
        return super().decode(key, text)


PARTS: tuple[str, ...] = ExploreState.model_fields["hide"].annotation.__args__[0].__args__


def _item_text(item: AnyIntervention) -> str:
    """kind,key:value,…: what differs from the kind's defaults."""
    parts = [item.kind]
    for key, value in item.changed().items():
        if key != "kind":
            parts.append(f"{key}:{value if isinstance(value, str) else json.dumps(value)}")
    return ",".join(parts)


def _item(text: str) -> AnyIntervention:
    kind, *parts = text.split(",")
    values: dict[str, Any] = {"kind": kind}
    for part in parts:
        key, _, value = part.partition(":")
        try:
            values[key] = value if key == "mask" else parse(value)  # a mask may look like a number
        except ValueError:
            values[key] = value
    return parse_intervention(values)
