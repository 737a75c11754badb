"""What the predictive-coding screen shows, as one frozen value."""

from __future__ import annotations

from typing import Literal

from fbseg_core.settings import setting
from pages.ui.link import Linked

PICTURES = 12  # images of each source


class PredictiveState(Linked):
    """The whole set-up of the screen but what was covered by hand and what was learned."""

    source: Literal["photographs", "shapes", "grouping"] = setting(
        "photographs", "What the model has learned from: try shapes next, whose label is one more sense."
    )
    picture: int = setting(
        0, "Swaps the image under r and s. Does the old guess let go?", lo=0, hi=PICTURES - 1
    )
    trust: float = setting(
        1.0,
        "Precision π of the image. At 0 it is not believed at all: what is left is what the model expects.",
        lo=0.0,
        hi=4.0,
        step=0.05,
    )
    trust_covered: float = setting(
        0.0,
        "Precision, as a share of π, of what you cover. At 1 the cover is believed to be part of the image; "
        "at 0 the model fills in what is behind it.",
        lo=0.0,
        hi=1.0,
        step=0.05,
    )
    trust_top: float = setting(
        0.5,
        "Precision π₁ of what the second level predicts of the first. 0 cuts it off: then nothing reaches s.",
        lo=0.0,
        hi=4.0,
        step=0.05,
    )
    noise: float = setting(
        0.0,
        "More noise on the image. How much of it does the prediction take over?",
        lo=0.0,
        hi=2.0,
        step=0.05,
    )
    label_shown: bool = setting(
        False, "Shows the label as one more sense, as while it learns. Off, the label is itself predicted."
    )
    pace: Literal["slow", "usual", "quick"] = setting(
        "usual", "Updates per second: 4 to see each one, 20, or 60."
    )
