"""What the browser computes of Explore's run, number by number, beside what the server answers."""

import base64

import numpy as np
import pytest

from fbseg_core.models.registry import traits_of
from fbseg_core.rollout.interventions import Flip, Freeze, Paint, Perturb, Swap, pack_mask
from pages.engine import constants
from pages.explore import acts, computed, in_browser, offered
from pages.explore.player import HERE, SCRIPTS, SHARED, layers
from pages.explore.player.payload import lay_out, pack
from pages.explore.run import cue_note, cue_warning, scene_of
from pages.explore.state import ExploreState
from pages.ui import models
from pages.ui.web import script

pytestmark = pytest.mark.browser

# What the browser lays of a run with other switches than the payload's, beside what their own payload holds.
COMPARE = """async ([sent, wanted, bytes, values, images, look]) => {
    const raw = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const read = (text) => {
        const { header, start } = decodeHeader(raw(text));
        return { header, blocks: decodeBlocks(raw(text), header, start) };
    };
    const engines = [];
    for (const one of bytes) {
        engines.push(await openEngine());
        await engines.at(-1).setModel(raw(one));
    }
    OFFERED.clear();
    for (const [task, { shape, ...said }, text] of images)
        offer(task, { ...said, ...(await inflated(raw(text), shape)) });
    const S = { come: read(sent), ahead: { values: {} }, engine: { models: engines }, look };
    const asSent = await computed(S); // of which the next may take over what is the same
    S.ahead.values = values;
    const [made, there] = [await computed(S), read(wanted)];
    const again = made.of === wantedOf({ come: there, ahead: null, look });
    engines.forEach((engine) => engine.end());
    const far = {};
    for (const [name, block] of Object.entries(made.blocks)) {
        const other = there.blocks[name];
        const value = (b, i) => b.lo + ((b.hi - b.lo) * b.data[i]) / b.top;
        let [most, differ] = [0, 0];
        for (let i = 0; i < block.data.length; i++) {
            most = Math.max(most, Math.abs(value(block, i) - value(other, i)));
            differ += block.data[i] !== other.data[i];
        }
        const same = String(block.shape) === String(other.shape);
        far[name] = [same, most / ((other.hi - other.lo) || 1), differ / block.data.length];
    }
    const { curves, ...told } = made.header;
    const others = Object.fromEntries(Object.keys(told).map((name) => [name, there.header[name]]));
    return [far, curves, there.header.curves, again, told, others];
}"""


@pytest.fixture(scope="module")
def ask(chromium):
    page = chromium.new_page()
    files = [*SHARED, *(HERE / f"{name}.js" for name in SCRIPTS[:-1])]
    page.add_script_tag(content=script(files, constants() | {"RUN": layers.constants()}))
    yield page.evaluate
    page.close()


def sent(view: ExploreState) -> bytes:
    scene = scene_of(view, models.cards())
    run, untouched = computed.runs(scene)
    told = {
        "sidebar": in_browser.switches_shown(view, models.cards()[scene.models[0]].model),
        "engine": in_browser.header(run),
        "leaks": view.integrator == "leaky",
        "sigma": run.scene.task.sigma,
    }
    told["still"] = not traits_of(models.cards()[scene.models[1]].model).takes_steps
    told["do"] = [item.model_dump(mode="json") for item in view.do]
    told |= {"image": view.image, "noise": view.noise, "cue": view.cue}
    told |= {"cueNote": cue_note(run, True), "cueWarning": cue_warning(True)}
    return pack(lay_out(run, untouched, None, None, fed=True, state=True, of_class=1), told)


LEAKY = {"task": "grouping", "integrator": "leaky", "k": 0.3}
SQUARE = pack_mask(np.pad(np.ones((12, 12), bool), ((8, 28), (12, 24))))
LARGE = pack_mask(np.pad(np.ones((20, 20), bool), ((8, 36), (12, 32))))
SWAPS = (Swap(t=0, seed=5), Swap(t=4, seed=9, noise=2), Swap(t=9, seed=0))
ACTS = (
    Paint(t=3, target="h", like="background", mask=SQUARE), Swap(t=4, seed=9, noise=2),
    Flip(t=5, switch="softmax"), Perturb(t=5, size=0.7), Paint(t=5, like="shape", mask=SQUARE),
    Perturb(t=12, size=0.1, seed=3),
)  # fmt: skip


@pytest.mark.parametrize(
    "view, changes",
    [
        pytest.param({"task": "shapes"}, {"sigma": 1.1, "loop": False}, marks=pytest.mark.thorough),
        (
            {"task": "grouping", "comparison": "grouping-loop-cut", "T": 20},
            {"sigma": 0.5, "tau": 30.0, "eigenvalue": -0.5, "clock": 3},
        ),
        (
            {"task": "grouping", "do": (Flip(t=2, switch="loop", on=False), Freeze(t=4))},
            {"sigma": 0.1, "eigenvalue": 0.1, "softmax": False, "kernel": "fractional"},
        ),
        ({"task": "grouping", "do": ACTS, "T": 12}, {"sigma": 0.4, "tau": 8.0}),
        pytest.param(
            {"task": "grouping", "comparison": "grouping-loop-cut", "do": SWAPS, "T": 12},
            {"sigma": 0.5, "tau": 8.0},
            marks=pytest.mark.slow,
        ),
        pytest.param({"task": "shapes", "decay": False}, {"integrator": "leaky"}, marks=pytest.mark.thorough),
        pytest.param(LEAKY, {"sigma": 0.5, "k": 0.8}, marks=pytest.mark.slow),
        ({"task": "grouping", "do": ACTS[:3], "T": 4}, {"do": (*ACTS, Freeze(t=12)), "T": 14}),
        ({"task": "grouping", "do": ACTS, "T": 14}, {"do": (), "T": 3}),
        ({"task": "grouping", "do": SWAPS[1:], "T": 12}, {"drawing": SQUARE, "cue": (10, 15), "sigma": 0.4}),
        pytest.param({"task": "grouping", "drawing": SQUARE}, {"cue": (0, 0)}, marks=pytest.mark.thorough),
        pytest.param(
            {"task": "grouping", "drawing": SQUARE, "cue": (10, 15)},
            {"drawing": "", "cue": None},
            marks=pytest.mark.slow,
        ),
        pytest.param({"task": "shapes", "image": 3}, {"drawing": LARGE}, marks=pytest.mark.slow),
        (
            {"task": "grouping", "do": (Swap(t=4, seed=9, noise=2), *ACTS[2:4]), "T": 12, "cue": (10, 15)},
            {"image": 1, "noise": 7, "cue": None},
        ),
        pytest.param(
            {"task": "grouping", "drawing": SQUARE},
            {"image": 2, "noise": 3, "sigma": 0.4},
            marks=pytest.mark.slow,
        ),
        pytest.param({"task": "shapes"}, {"noise": 999}, marks=pytest.mark.slow),
        pytest.param({"task": "digits", "image": 998}, {"image": 1, "noise": 5}, marks=pytest.mark.slow),
        pytest.param({"task": "textures"}, {"image": 3}, marks=pytest.mark.slow),
    ],
    ids=[
        "shapes", "two runs", "switched", "acted on", "swapped", "becomes leaky", "leaky", "more", "less",
        "drawn", "astray", "back", "sketch", "new image and noise", "seeds under a drawing", "new noise",
        "digits", "textures",
    ],
)  # fmt: skip
def test_the_browser_lays_the_run_that_the_server_sends(ask, view, changes):
    before, after = ExploreState(**view), ExploreState(**view | changes)
    scene = scene_of(before, models.cards())
    coded = [base64.b64encode(raw).decode() for raw in (sent(before), sent(after))]
    bytes_ = [base64.b64encode(raw).decode() for _, raw in in_browser.weights_of(scene)]
    shown = {"frozen": True} if "clock" in changes else {}
    if "do" in changes:
        shown["do"] = [item.model_dump(mode="json") for item in changes["do"]]
    images = [offered.packed(scene.task, seed) for seed in offered.seeds(before)]
    images = [[acts.drawn_alike(scene.task), told, base64.b64encode(raw).decode()] for told, raw in images]
    asked = [*coded, bytes_, changes | shown, images]
    look = {"layer": "delta", "curve": "f1"}
    far, curves, wanted, again, told, there = ask(COMPARE, [*asked, look])
    assert again and told == there | {"bands": None}
    assert {"input", "run.mask", "state.0", "comparison.logit"} < set(far)
    assert ("run.v_hat.0" in far) == after.loop and ("ghost.applied" in far) == bool(after.do)
    assert ("run.mismatch" in far) == (after.integrator == "leaky")
    for name, (same_shape, most, differ) in far.items():
        assert same_shape, name
        whole = name.endswith(("mask", "commit"))
        assert differ < 1e-3 if whole else most <= 1.01 / 255, (name, most, differ)
    assert curves.keys() == wanted.keys()
    for entity, found in curves.items():
        for key, values in found.items():
            there = np.array(wanted[entity][key], float)
            assert np.allclose(
                np.array(values, float),
                there,
                rtol=2e-3,
                atol=2e-3 + 4 * (key == "label_flips"),
                equal_nan=True,
            ), (entity, key)


def test_what_led_to_the_steps_is_computed_only_where_it_is_on_show(ask):
    view, values = ExploreState(task="grouping", T=4), {"sigma": 0.5}
    coded = [base64.b64encode(sent(one)).decode() for one in (view, view.replace(**values))]
    weights = in_browser.weights_of(scene_of(view, models.cards()))
    asked = [*coded, [base64.b64encode(raw).decode() for _, raw in weights], values, []]
    led = {"run.delta", "run.applied", *(f"run.v_hat.{k}" for k in range(8))}
    plain, *others = (
        ask(COMPARE, [*asked, {"layer": layer, "curve": curve}])
        for layer, curve in (("mask", "f1"), ("mask", "norms"), ("v_hat", "f1"), ("applied", "f1"))
    )
    for more in others:
        assert set(more[0]) - set(plain[0]) == led and set(more[1]["run"]) - set(plain[1]["run"]) == {
            "delta",
            "applied",
        }
        assert all(most <= 1.01 / 255 for _, most, _ in (more[0][name] for name in led))
