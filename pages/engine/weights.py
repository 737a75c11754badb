"""A model as the engine takes it: settings and weights in one block of bytes, sent once.

Layout: the frame of `pages.ui.web.wire` (the header's length, a JSON header), then float32 weights,
little-endian, in the order in which `read_weights` of engine.c reads them. The header holds the version,
`settings` (the numbers of SETTINGS in their order, for C) and `loop` (what JavaScript must know of the loop).
Version, settings, views and bounds are declared here; JavaScript reads them as its constant ENGINE.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fbseg_core.models.base import Model
from fbseg_core.models.contracting import ContractingUNet
from fbseg_core.models.feedback import FeedbackUNet
from fbseg_core.models.feedforward import FeedforwardUNet
from fbseg_core.models.unet import ConvNorm, StepBatchNorm
from fbseg_core.models.unrolled import UnrolledUNet
from pages.ui.web.wire import framed

VERSION = 2  # of this layout, and of the settings: engine.c has the same number
SETTINGS = (  # of engine.c, in its order
    "version", "in_channels", "classes", "width", "depth", "norm", "rows", "delta_norm", "u", "v", "basis",
    "leaky",
)  # fmt: skip
NORMS = ("none", "group", "batch", "pixel")  # by their numbers in engine.c
VIEWS = (
    "weights",
    "image",
    "state",
    "delta",
    "applied",
    "v_hat",
    "logits",
    "gains",
)  # of engine.c, in its order
PROJECTIONS = ("softmax", "none")
DECAYS = ("exponential", "none")
INTEGRATORS = ("sum", "leaky")
LOOP = ("projection", "decay", "tau", "kernel", "alpha", "steps", "k")  # of ModelConfig
BLOCK = 4  # output channels that a convolution computes at a time

SIDES = (16, 256)  # px
MOST_WEIGHTS = 4_000_000
MOST_WORK = 2_000_000_000  # multiply-adds a step: some tenths of a second
MOST_MEMORY = 256 * 2**20  # bytes


class EngineError(ValueError):
    """The engine does not take this model or image. The message is one sentence fit for a visitor."""


def constants() -> dict[str, Any]:
    """What engine.js must know, as its constant ENGINE."""
    return {
        "version": VERSION,
        "settings": SETTINGS,
        "views": VIEWS,
        "sides": SIDES,
        "memory": MOST_MEMORY,
    }


@torch.no_grad()
def packed(model: Model, size: tuple[int, int]) -> bytes:
    """A model for images of size (H, W), as the engine takes it.

    The weights do not depend on the size; a size is asked for so that what would be too slow or too large is
    refused here. Raises EngineError.
    """
    check(model, size)
    return assembled(*described(model), weights_of(model))


def described(model: Model) -> tuple[dict[str, int], dict[str, Any]]:
    """Of a model, the settings by the names of SETTINGS, and what JavaScript must know of the loop."""
    config = model.config
    integrator = model.integrator() if isinstance(model, FeedbackUNet) else "sum"  # one pass has no state
    settings = {
        "version": VERSION,
        **{key: getattr(config, key) for key in ("in_channels", "classes", "width", "depth", "u")},
        "norm": NORMS.index(config.norm),
        "rows": _steps_seen(model),
        "delta_norm": int(config.delta_norm),
        "v": config.v if isinstance(model, FeedbackUNet) else 0,
        "basis": int(hasattr(model, "Q")),
        "leaky": int(integrator == "leaky"),
    }
    loop = {
        "closed": model.has_loop(),
        "once": not model.traits.takes_steps,
        **{key: getattr(config, key) for key in LOOP},
        "integrator": integrator,
        "spectrum": list(config.spectrum),
        "gamma": math.gamma(config.alpha),
    }
    return settings, loop


def assembled(settings: dict[str, int], loop: dict[str, Any], weights: Iterator[Tensor]) -> bytes:
    """One block of bytes of what `described` gives, and of weights in their order.

    Raises EngineError for weights that are not finite.
    """
    parts = [part.detach().cpu().numpy().astype("<f4").ravel() for part in weights]
    if not all(np.isfinite(part).all() for part in parts):
        raise EngineError("The model's weights hold values that are not finite numbers.")
    header = {"version": VERSION, "settings": [settings[key] for key in SETTINGS], "loop": loop}
    return framed(header, [part.tobytes() for part in parts])


def check(model: Model, size: tuple[int, int]) -> None:
    """Raises EngineError where the engine does not compute what the core does, or not in good time."""
    config = model.config
    if type(model) is UnrolledUNet:
        raise EngineError(
            "An unrolled model has a network of its own for every step, and the browser's engine holds one "
            "network."
        )
    if type(model) is ContractingUNet:
        raise EngineError("The browser's engine does not compute the bounded weights of a contracting model.")
    if type(model) not in (FeedbackUNet, FeedforwardUNet):
        raise EngineError(f"The browser's engine does not know models of the kind {config.kind!r:.60}.")
    for what, value, known in (
        ("normalisation", config.norm, NORMS),
        ("projection", config.projection, PROJECTIONS),
        ("decay", config.decay, DECAYS),
        ("integrator", config.integrator, INTEGRATORS),
    ):
        if value not in known:
            raise EngineError(f"The browser's engine does not know the {what} {value!r:.60}.")
    if not all(SIDES[0] <= side <= SIDES[1] for side in size):
        raise EngineError(
            f"The browser's engine takes images of {SIDES[0]} to {SIDES[1]} px a side, "
            f"not {size[0]}×{size[1]}."
        )
    count = sum(weight.numel() for weight in model.parameters())
    if count > MOST_WEIGHTS:
        raise EngineError(f"The browser's engine takes up to {MOST_WEIGHTS:,} weights, not {count:,}.")
    work = work_of(model, size)
    if work > MOST_WORK:
        raise EngineError(
            f"A step of {work / 1e9:.1f} billion multiply-adds would take too long in a browser: "
            f"up to {MOST_WORK / 1e9:.1f} billion are computed there."
        )


def work_of(model: Model, size: tuple[int, int]) -> int:
    """Multiply-adds of F on an image of size (H, W): of each convolution, its weights times its pixels."""
    net, depth = model.F, model.config.depth
    layers = [(net.stem.conv, 0), (net.enter.conv, 0), (net.out, 0)]
    layers += [(layer.conv, level + 1) for level, pair in enumerate(net.down) for layer in pair]
    layers += [(layer.conv, depth - 1 - i) for i, pair in enumerate(net.up) for layer in pair]
    return sum(conv.weight.numel() * (size[0] >> level) * (size[1] >> level) for conv, level in layers)


def weights_of(model: Model) -> Iterator[Tensor]:
    """All weights, in the order of `read_weights` in engine.c."""
    net, config, rows = model.F, model.config, _steps_seen(model)
    x, v = net.stem.conv.weight.split([config.in_channels, net.stem.conv.in_channels - config.in_channels], 1)
    yield packed_kernel(x, net.stem.conv.bias)
    yield packed_kernel(v, None)
    yield from _norm(net.stem, rows)
    for layer in (net.enter, *(layer for pair in (*net.down, *net.up) for layer in pair)):
        yield packed_kernel(layer.conv.weight, layer.conv.bias)
        yield from _norm(layer, rows)
    yield packed_kernel(net.out.weight, net.out.bias)
    if config.delta_norm:
        yield from (model.norm_delta.weight, model.norm_delta.bias)
    if isinstance(model, FeedbackUNet):
        yield from (model.norm_v.weight, model.norm_v.bias)
    yield from (model.head.weight, model.head.bias)
    if hasattr(model, "Q"):
        yield model.Q.weight


def packed_kernel(weight: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution's (outputs, inputs, side, side) in blocks of outputs, as `convolve` in C reads it.

    Of each block its biases, then (inputs, side, side, BLOCK). Zeros fill the outputs up to whole blocks.
    """
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    joined = torch.cat([bias[:, None], weight.flatten(1)], 1)
    joined = torch.nn.functional.pad(joined, (0, 0, 0, -len(joined) % BLOCK))
    return joined.unflatten(0, (-1, BLOCK)).transpose(1, 2)


def _norm(layer: ConvNorm, rows: int) -> Iterator[Tensor]:
    """Weight and bias; of batch norm, also a scale and a shift for each step."""
    norm = layer.norm
    if hasattr(norm, "weight"):
        yield from (norm.weight, norm.bias)
    if isinstance(norm, StepBatchNorm):
        held = _rows(norm)
        yield torch.cat([held, held[-1:].expand(rows - len(held), -1, -1)])


def _steps_seen(model: Model) -> int:
    """The steps that batch norm has statistics of, 0 without batch norm."""
    return max((len(_rows(one)) for one in model.F.modules() if isinstance(one, StepBatchNorm)), default=0)


def _rows(norm: StepBatchNorm) -> Tensor:
    """(steps trained, 2, channels): the scale and shift that its running statistics come to."""
    trained = max(int((norm.batches > 0).sum()), 1)
    scale = norm.weight.double() / (norm.running_var[:trained].double() + 1e-5).sqrt()
    return torch.stack([scale, norm.bias - norm.running_mean[:trained].double() * scale], 1)
