"""What of a run is sent to the player, and what of it can be painted: declared here, read by JavaScript too.

`payload.py` lays each block as BLOCKS says, and the page's JavaScript gets both tables as its constant RUN.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pages.ui import images
from pages.ui.link import LARGEST_SEED
from pages.ui.web.wire import Layout

FRAMES = ("step", "row", "column")

# A block's name is one of these, after its run ("run", "ghost", "comparison") where it belongs to one, and
# before its channel or class where it is of one: "clean", "comparison.mask", "run.v_hat.3". Where one frame
# holds at every step, it is sent once.
BLOCKS: dict[str, Layout] = {
    "input": Layout(("image", "channel", "row", "column"), "unit"),
    "truth": Layout(("image", "row", "column"), "whole"),
    "of_step": Layout(("step",), "whole"),  # which input and truth hold there
    # in all channels, of the first image, and before its number of another, as "clean.2"; so, too, a truth
    "clean": Layout(("channel", "row", "column"), "exact", "float32"),
    "probability": Layout(FRAMES, "unit"),  # of any class but the background
    "class": Layout(FRAMES, "unit"),  # of one class
    "logit": Layout(FRAMES, "own", "uint16"),  # the largest of the other classes less the background's
    "mask": Layout(FRAMES, "whole"),
    "entropy": Layout(FRAMES, "bits"),
    "commit": Layout(FRAMES, "whole"),
    "delta": Layout(FRAMES, "own"),
    "mismatch": Layout(FRAMES, "own"),
    "applied": Layout(FRAMES, "own"),
    "v_hat": Layout(FRAMES, "given"),  # 0 to 1 on the simplex, else the extremes of all its channels
    "state": Layout(FRAMES, "own"),
}


@dataclass(frozen=True)
class Layer:
    """A layer of the menu. block: what it paints, one of BLOCKS, or "" for what is made in the browser.

    recurrent: only a run with steps of its own has it. history: an answer that holds at every step lacks it.
    note: what follows the upper end in its legend.
    """

    title: str
    block: str = ""
    recurrent: bool = False
    history: bool = False
    note: str = ""


LAYERS: dict[str, Layer] = {
    "probability": Layer("P(shape)", "probability"),
    "mask": Layer("mask", "mask", note=" out, in"),
    "error": Layer("error map"),
    "v_hat": Layer("v̂, fed back", "v_hat", recurrent=True),
    "delta": Layer("‖δ‖, undamped", "delta", recurrent=True),
    "mismatch": Layer("‖δ − h‖, error", "mismatch", recurrent=True),
    "applied": Layer("‖δ̃‖, applied", "applied", recurrent=True),
    "entropy": Layer("entropy", "entropy", note=" bits"),
    "commit": Layer(
        "commit time",
        "commit",
        history=True,
        note=" step of the last label flip; hatched: in this very step",
    ),
    "difference": Layer("difference of two steps", history=True),
}


def constants() -> dict[str, Any]:
    """The tables as JavaScript reads them, the number of seeds, and what it must know to paint classes."""
    return {
        "blocks": {name: asdict(layout) for name, layout in BLOCKS.items()},
        "layers": {name: asdict(layer) for name, layer in LAYERS.items()},
        "void": images.VOID,
        "voidColour": images.VOID_COLOUR,
        "seeds": LARGEST_SEED + 1,
        "round": images.ROUND,
        "outlines": list(images.OUTLINES),
    }
