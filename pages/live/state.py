"""What the Live screen shows, as one frozen value.

No field is called as one of Explore's: the bare address once opened Explore, and `pages/menu.py` tells an old
link of it from one of this screen by the names in it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fbseg_core.settings import setting
from pages.ui import ranges
from pages.ui.link import LARGEST_SEED, Linked

MOST_MODELS = 4
PIXEL = Annotated[int, Field(ge=0, le=511)]


class LiveState(Linked):
    """The whole set-up of the screen, drawings included. None and () stand for 'as it opens'."""

    world: str = Field("grouping", max_length=40)
    shown: tuple[Annotated[str, Field(max_length=80)], ...] = Field((), max_length=MOST_MODELS)
    picture: int | None = setting(
        None, "Swaps the image under the state. Does the old mask let go?", lo=0, hi=LARGEST_SEED
    )
    noise_draw: int = setting(
        0,
        "Draws other noise on the same image: see how far the mask depends on it. 0 is drawn by the server, "
        "all others in the browser.",
        lo=0,
        hi=LARGEST_SEED,
    )
    noise_sd: float | None = setting(
        None,
        "How noisy the image is; its grey levels run from about 0 to 1. Raise it past what was learned.",
        **ranges.SIGMA,
    )
    tau_steps: float | None = setting(
        None,
        "After so many steps an update counts 1/e as much. Small, the answer freezes early; large, late "
        "steps still correct it.",
        **ranges.TAU,
    )
    k_share: float | None = setting(
        None,
        "Share of the error δ − h that each step of a leaky state takes. Small, the mask creeps; at 1 the "
        "state jumps to δ.",
        **ranges.K,
    )
    switched_off: tuple[Literal["loop", "softmax", "decay"], ...] = Field((), max_length=3)
    clock_at: int | None = setting(
        None,
        "Every update gets the gain of this step. A mask that then moves was only damped.",
        lo=0,
        hi=1000,
    )
    cue_at: tuple[PIXEL, PIXEL] | None = None
    drawn: str = Field("", max_length=3000)
    sprayed: str = Field("", max_length=3000)
    pace: Literal["slow", "usual", "quick", "full"] = setting(
        "usual", "How fast it steps: slow motion to see one correction, full speed to see where it ends."
    )
    space: bool = setting(False, "Draws the path in three axes, to be turned by hand, in place of two.")
    covered: tuple[Literal["truth", "scores"], ...] = Field((), max_length=2)
