"""The engine on an empty page, asked from Python: tensors go and come as the bytes of float32 in base64."""

import base64

import numpy as np
import torch
from served import ROOT
from torch import Tensor

from fbseg_core.config import Switches
from pages.engine import CLIENT, constants, weights
from pages.ui.web import script

CODE = """
const raw = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const floats = (text) => new Float32Array(raw(text).buffer);
const text = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    let all = "";
    for (let i = 0; i < bytes.length; i += 8192) all += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(all);
};
const said = (found, wanted = Object.keys(found)) => Object.fromEntries(
    wanted.map((name) => [name, found[name] instanceof Float32Array ? text(found[name]) : found[name]]));
const files = () => ({ simd: raw(ENGINE_FILES.simd), plain: raw(ENGINE_FILES.plain) });
const engines = {};
"""
STEPS = """async ([simd, model, x, size, states, starts, wanted]) => {
    const engine = (engines[simd] ??= await loadEngine(files(), simd));
    engine.setModel(raw(model));
    engine.setImage(floats(x), size);
    const read = states.map(floats);
    return starts.map(([state, t, switches, steps]) => {
        if (state === null) engine.reset();
        else engine.setState(read[state], t);
        return Array.from({ length: steps }, () => said(engine.step(switches), wanted));
    });
}"""
FOLDER = ROOT / "pages/engine"


def scripts() -> str:
    """All of the engine's JavaScript, the Worker's included, with what asks it from here."""
    told = {"ENGINE": weights.constants(), **constants()}
    return script(("decode", FOLDER / "engine.js", CLIENT), told) + CODE


def text(array: Tensor) -> str:
    return base64.b64encode(array.numpy().astype("<f4").tobytes()).decode()


def stepped(
    page, payload: bytes, x: Tensor, starts, simd: bool = True, wanted: list[str] | None = None
) -> list[list[dict[str, Tensor]]]:
    """From each start what each step gave, (channels, H, W).

    x (C, H, W). A start is h (N, H, W), or None for rest; t; switches; how many steps. wanted: the names of
    what is asked for, all of it if None.
    """
    size = list(x.shape[1:])
    states = list({id(h): h for h, *_ in starts if h is not None}.values())  # each is sent once
    place = {id(h): i for i, h in enumerate(states)}
    asked = [[place.get(id(h)), t, switches.model_dump(), steps] for h, t, switches, steps in starts]
    told = [simd, base64.b64encode(payload).decode(), text(x), size, [text(h) for h in states], asked]
    answer = page.evaluate(STEPS, told if wanted is None else [*told, wanted])

    def read(value):
        if not isinstance(value, str):
            return value
        return torch.from_numpy(np.frombuffer(base64.b64decode(value), "<f4").copy()).view(-1, *size)

    return [[{name: read(value) for name, value in one.items()} for one in steps] for steps in answer]


@torch.no_grad()
def reference(model, x: Tensor, h: Tensor, t: int, switches: Switches) -> dict[str, Tensor | None]:
    """What the core's step gives from h (N, H, W), by the same names."""
    found = model.step(x[None], h[None], t, switches=switches)
    told = {"h": found.h_next, "delta": found.delta, "applied": found.applied, "v_hat": found.v_hat}
    told["logits"] = model.readout(found.h_next)
    return {name: None if value is None else value[0] for name, value in told.items()}


def distance(found: dict[str, Tensor], wanted: dict[str, Tensor | None], leaks: bool = False) -> float:
    """The largest difference of any value, against the largest value of the array that it stands in.

    What is applied to a state that leaks is a difference of two, k (δ − h), and next to nothing at rest: its
    rounding is that of δ, which it is held against.
    """
    scales = {name: value.abs().max() for name, value in wanted.items() if value is not None}
    if leaks:
        scales["applied"] = scales["delta"]
    assert all((found[name] is None) == (value is None) for name, value in wanted.items())
    return max(
        float((found[name] - value).abs().max() / scales[name].clamp_min(1e-12))
        for name, value in wanted.items()
        if value is not None
    )
