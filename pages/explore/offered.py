"""The images that "New" and "Swap the image" show next, brought to the page after the picture of the run."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from fbseg_core import ConfigError
from fbseg_core.config import TaskConfig
from fbseg_core.rollout.interventions import Swap
from pages.explore import acts, computed
from pages.explore.player import OFFERED
from pages.explore.run import Scene
from pages.explore.state import ExploreState
from pages.ui import server
from pages.ui.link import LARGEST_SEED
from pages.ui.web import component
from pages.ui.web.wire import framed

AHEAD = 3  # presses of each button

_mount = component(
    "offered",
    "<div hidden>\n</div>",
    css=(),
    js=("decode", OFFERED, OFFERED.with_name("bring.js")),
    base=False,
)


def seeds(view: ExploreState) -> list[int]:
    """Seeds of the images that the buttons which this view shows go over to."""
    swapped = next((item.seed for item in reversed(view.do) if isinstance(item, Swap)), view.image)
    new = 0 if "image" in view.hide or view.presented else AHEAD
    swap = 0 if "interventions" in view.hide else AHEAD
    further = [*range(view.image + 1, view.image + 1 + new), *range(swapped + 1, swapped + 1 + swap)]
    return list(dict.fromkeys(seed % (LARGEST_SEED + 1) for seed in further))


def packed(config: TaskConfig, seed: int) -> tuple[dict[str, Any], bytes]:
    """What is said of a test image, and its bytes, deflated. Raises ConfigError where it cannot be drawn.

    First those of its clean image (C, H, W) float32: of all numbers the lowest, then the next; last its truth
    (H, W) uint8. Alike bytes side by side take less room.
    """

    def make() -> tuple[dict[str, Any], bytes]:
        content = computed.content(config, seed)
        clean = np.ascontiguousarray(content.clean[0], "<f4")
        planes = clean.view(np.uint8).reshape(-1, 4).T
        raw = planes.tobytes() + content.labels.numpy().astype(np.uint8).tobytes()
        said = {"seed": seed, "shape": list(clean.shape)} | acts.said(config, content)
        return said, zlib.compress(raw, 9)

    return server.kept("rest", ("offered", acts.drawn_alike(config), seed), make)


def carry(scene: Scene, view: ExploreState) -> None:
    """Bring those images to the page, as many as MOST_BYTES allows with their noise."""
    config, told, parts = scene.task, [], []
    most = acts.MOST_BYTES // (4 * 2 * computed.content(config, scene.image).clean[0].numel())
    for seed in seeds(view)[:most]:
        try:
            said, raw = packed(config, seed)
        except ConfigError:  # which whoever asks for it is told
            continue
        told.append(said | {"at": sum(map(len, parts)), "bytes": len(raw)})
        parts.append(raw)
    _mount(key="offered", data=framed({"task": acts.drawn_alike(config), "images": told}, parts))
