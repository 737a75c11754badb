"""What the browser is sent once: a predictive-coding model, images, and the paper's loop for the same images.

Inference, learning and all that the hand does are then the browser's (stage/coder.js, held against
`fbseg_core.predictive` by a test).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch

from fbseg_core import Card
from fbseg_core.config import EVAL_SEED, PhotographsConfig
from fbseg_core.models.registry import traits_of
from fbseg_core.predictive import files
from fbseg_core.predictive.images import draw
from fbseg_core.predictive.inference import squared_gain
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.settings import settings_of
from fbseg_core.tasks import task_of
from pages.engine import weights
from pages.engine.weights import EngineError
from pages.predictive.state import PICTURES, PredictiveState
from pages.ui import models, server
from pages.ui.web.wire import framed

LESSONS = 16  # further images, that it learns from in view
SLIDERS = ("trust", "trust_covered", "trust_top", "noise")


def pack(view: PredictiveState, epoch: int) -> bytes:
    """The payload of the stage. epoch: rises when the set-up is replaced as a whole.

    Raises ConfigError or CheckpointError where the model or the images cannot be had.
    """
    header, parts = server.kept("rest", ("predictive", view.source), lambda: _packed(view.source))
    return framed(
        {**header, "setup": view.model_dump(mode="json", exclude={"lesson"}), "epoch": epoch}, parts
    )


def _packed(name: str) -> tuple[dict[str, Any], list[bytes]]:
    model, card = files.load(name)
    parts: list[bytes] = []

    def lay(values: torch.Tensor | np.ndarray | bytes, dtype: str = "<f4") -> list[int]:
        raw = values if isinstance(values, bytes) else np.asarray(values).astype(dtype).tobytes()
        place = [sum(map(len, parts)), len(raw)]
        parts.append(raw + bytes(-len(raw) % 4))
        return place

    source = card.source
    drawn = draw(source, PICTURES, EVAL_SEED, "test")
    learned = draw(source, LESSONS, 0, "train")
    photographs = isinstance(source, PhotographsConfig)
    declared = settings_of(PredictiveState)
    header = {
        "source": name,
        "sources": files.shipped(),
        "config": card.model.model_dump(mode="json"),
        "scores": vars(card.scores),
        "rate": card.train.lr,
        "size": list(source.size),
        "weights": {key: lay(getattr(model, key)) for key in ("U", "V", "W")},
        "gains": gains(model, source.size),
        "pictures": _images(drawn, lay),
        "lessons": _images(learned, lay),
        "classes": [] if photographs else list(task_of(source).class_names(source)),
        "palette": [] if photographs else list(task_of(source).palette(source)),
        "shownChannels": [0] if photographs else list(task_of(source).shown_channels(source)),
        "cue": None if photographs else task_of(source).cue_channel(source),
        "sliders": {key: [getattr(declared[key], end) for end in ("lo", "hi", "step")] for key in SLIDERS},
        "help": {key: one.help for key, one in declared.items()},
        "loops": [] if photographs else _loops(name, source.size, lay),
    }
    identity = hashlib.sha256(b"".join([repr(header).encode(), *parts])).hexdigest()[:16]
    return header | {"id": identity}, parts


def gains(model: PredictiveCoding, size: tuple[int, int]) -> dict[str, float]:
    """Upper bounds on the squared gains of U, V and W on images of `size`, of which 1/L is made."""
    config = model.config
    near = tuple(side // config.stride for side in size)
    top = tuple(side // config.stride_top for side in near)
    found = {
        "U": squared_gain(model.U, config.stride, near),
        "W": squared_gain(model.W, config.stride_top, top),
    }
    return found | {"V": squared_gain(model.V, config.stride, near) if config.classes else 0.0}


def _images(drawn: Any, lay: Any) -> list[dict[str, Any]]:
    if isinstance(drawn, torch.Tensor):
        return [{"x": lay(x)} for x in drawn]
    return [{"x": lay(x), "labels": lay(labels, "u1")} for x, labels in zip(drawn.x, drawn.labels)]


def loops(task: str, cards: dict[str, Card]) -> dict[str, str]:
    """Of the models that ship for a task, one that adds δ (E5), "paper", and one that leaks (E5'), "leaky".

    Those trained with every mechanism, the first by name; none where none ships.
    """
    found: dict[str, str] = {}
    for name, card in sorted(cards.items()):
        whole = card.model.integrator == "leaky" or (
            card.model.projection == "softmax" and card.model.decay == "exponential"
        )
        if card.task.name == task and traits_of(card.model).has_loop and whole:
            found.setdefault("leaky" if card.model.integrator == "leaky" else "paper", name)
    return found


def _loops(task: str, size: tuple[int, int], lay: Any) -> list[dict[str, Any]]:
    told = []
    for kind, name in sorted(loops(task, models.cards()).items(), reverse=True):
        model, card = models.model(name)
        try:
            raw = weights.packed(model, size)
        except EngineError:
            continue  # the table then says that it does not run
        told.append({"kind": kind, "name": name, "bytes": lay(raw), "tau": card.model.tau, "k": card.model.k})
    return told
