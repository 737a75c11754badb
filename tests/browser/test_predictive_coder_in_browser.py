"""Predictive coding in the browser, step by step and update by update, against the core's own numbers."""

from itertools import islice

import numpy as np
import pytest
import torch
from served import ROOT

from fbseg_core.config import PredictiveConfig
from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.inference import infer, lipschitz, settle, squared_gain
from fbseg_core.predictive.learning import learn
from fbseg_core.predictive.model import PredictiveCoding
from pages.ui.web import script

pytestmark = pytest.mark.browser
CONFIG = PredictiveConfig(in_channels=2, classes=3, features=5, causes=4, kernel=6, stride=2, sparsity=0.2)
SIZE = (16, 24)

RUN = """({ config, size, U, V, W, gains, x, y, pi, step, steps, rate }) => {
    const floats = (values) => Float32Array.from(values);
    const coder = coderOf(config, size, floats(U), floats(V), floats(W), gains);
    const given = { x: floats(x), y: y && floats(y), pi: floats(pi) };
    const senses = { ...given, piTop: config.pi_top, piLabel: y ? 1.5 : 0 };
    let state = measure(coder, senses, restOf(coder));
    const totals = [state.total];
    for (let n = 0; n < steps; n++) totals.push((state = descend(coder, senses, state, step)).total);
    const { r, s, prediction, energy } = state;
    const mask = [...maskOf(coder, state)];
    const told = { r: [...r], s: [...s], prediction: [...prediction], energy, mask };
    const bound = curvature(coder, senses);
    const gain = gainOf(coder.U, Float32Array.from({ length: r.length }, (_, i) => 1 + (i % 3)), 60);
    learnFrom(coder, senses, state, rate);
    const weights = Object.fromEntries(["U", "V", "W"].map((name) => [name, [...coder[name].weight]]));
    return { ...told, ...weights, totals, bound, gain };
}"""


@pytest.fixture(scope="module")
def ask(chromium):
    page = chromium.new_page()
    files = ("coder.js", "learning.js")
    page.add_script_tag(content=script([ROOT / "pages/predictive/stage" / file for file in files], {}))
    yield page.evaluate
    page.close()


@pytest.mark.parametrize("clamped", [True, False])
def test_states_energies_and_one_update_are_the_cores(ask, clamped):
    model = PredictiveCoding(CONFIG, 1)
    draw = torch.Generator().manual_seed(2)
    model.V += torch.randn(model.V.shape, generator=draw) / 5
    x, y = torch.randn(1, 2, *SIZE, generator=draw), torch.rand(1, 2, *SIZE, generator=draw)
    pi = torch.rand(1, 1, *SIZE, generator=draw) * 2
    senses = Senses(x, y if clamped else None, pi, CONFIG.pi_top, 1.5 if clamped else 0.0)
    step = 1 / lipschitz(model, senses)
    states = list(islice(infer(model, senses, step=step), 41))
    flat = {name: getattr(model, name).flatten().tolist() for name in ("U", "V", "W")}
    near = tuple(side // CONFIG.stride for side in SIZE)
    gains = {
        "U": squared_gain(model.U, 2, near),
        "V": squared_gain(model.V, 2, near),
        "W": squared_gain(model.W, 2, tuple(side // 2 for side in near)),
    }
    given = {"config": CONFIG.model_dump(), "size": SIZE, "gains": gains, "x": x.flatten().tolist(), **flat}
    given |= {"y": y.flatten().tolist() if clamped else None, "pi": pi.flatten().tolist()}
    found = ask(RUN, given | {"step": step, "steps": 40, "rate": 0.1})
    last = states[-1]
    for name, value in (("r", last.r), ("s", last.s), ("prediction", last.prediction)):
        assert np.abs(np.array(found[name]) - value.numpy().ravel()).max() < 2e-5, name
    for name, value in found["energy"].items():
        assert value == pytest.approx(float(getattr(last.energy, name)), rel=1e-4, abs=1e-5), name
    assert found["totals"] == pytest.approx([float(one.energy.total) for one in states], rel=1e-4)
    assert found["mask"] == model.mask(last.r).flatten().tolist()
    assert found["bound"] >= 0.9999 / step
    true = gains["U"]
    assert true <= found["gain"] <= 1.11 * true
    learn(model, senses, settle(model, senses, 0, last), lr=0.1)
    for name in ("U", "V", "W"):
        assert np.abs(np.array(found[name]) - getattr(model, name).numpy().ravel()).max() < 1e-4, name


PASSES = """({ config, size, weights, images, passes }) => {
    globalThis.moreStill = () => {}; // there is no page to draw
    const sent = Object.fromEntries(weights.map(([name, n]) => [name, new Float32Array(n)]));
    const copies = weights.map(([name]) => sent[name].slice());
    const coder = coderOf(config, size, ...copies, { U: 1, V: 1, W: 1 });
    const full = new Float32Array(size[0] * size[1]).fill(1);
    const lessons = images.map((x) => ({ x: Float32Array.from(x), y: null }));
    const S = { coder, full, lessons, sent, probe: null, header: { config, rate: 0.5, gains: {} } };
    setWeights(S, true);
    for (let n = 0; n < passes * images.length; n++) teachOnce(S);
    return S.learned;
}"""


def test_random_weights_learn_what_images_are_made_of(ask):
    draw = torch.Generator().manual_seed(3)
    parts = torch.randn(3, 2 * 16 * 24, generator=draw)  # images of three parts, which few filters can tell
    images = (torch.rand(4, 3, generator=draw) @ parts).tolist()
    model = PredictiveCoding(CONFIG, 1)
    weights = [(name, getattr(model, name).numel()) for name in ("U", "V", "W")]
    given = {"config": CONFIG.model_dump(), "size": SIZE, "weights": weights}
    learned = ask(PASSES, given | {"images": images, "passes": 8})
    first, last = np.mean(learned[:4]), np.mean(learned[-4:])
    assert len(learned) == 32 and last < 0.8 * first, (first, last)
