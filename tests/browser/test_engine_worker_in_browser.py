"""The engine in its Worker: calls in their order, what is refused in one sentence, how it ends."""

import base64

import pytest
import torch
from engine_page import distance, reference, scripts, text

from fbseg_core import ModelConfig, Switches, build
from pages.engine.weights import packed
from pages.ui.web.wire import framed

pytestmark = pytest.mark.browser
SIZE = (17, 20)
CONFIG = ModelConfig(width=4, depth=1, u=3, v=2, in_channels=2)


@pytest.fixture(scope="module")
def ask(chromium):
    """Evaluate a function on an empty page with the engine's scripts; a refusal is returned as it reads."""
    page = chromium.new_page()
    page.add_script_tag(content=scripts())
    page.evaluate("() => { window.why = (call) => call.then(() => 'taken', (error) => error.message); }")
    yield page.evaluate
    page.close()


@pytest.fixture(scope="module")
def model():
    return build(CONFIG, seed=1)


@pytest.fixture(scope="module")
def told(model):
    """A model's bytes, an image's, the image's size."""
    x = torch.randn(2, *SIZE, generator=torch.Generator().manual_seed(0))
    return [base64.b64encode(packed(model, SIZE)).decode(), text(x), list(SIZE)]


def image(told):
    return torch.frombuffer(bytearray(base64.b64decode(told[1])), dtype=torch.float32).view(2, *SIZE)


def sentence(found):
    assert isinstance(found, str) and found.endswith(".") and found.count(". ") <= 1 and len(found) < 200, (
        found
    )
    return found


def test_it_runs_in_a_worker_and_gives_copies_of_what_is_asked_for(ask, told, model):
    found = ask(
        """async ([model, x, size]) => {
            const engine = await openEngine();
            engine.setModel(raw(model)); // calls are answered in their order, so none need be waited for
            engine.setImage(floats(x), size);
            const [first, second] = await engine.run(2);
            const masks = await engine.run(3, { loop: false }, ["t", "logits"]);
            const state = await engine.state();
            await engine.setState(first.h, 1);
            const [again] = await engine.run(1, {}, ["h"]);
            await engine.reset();
            const rest = await engine.state();
            engine.end();
            return {
                simd: engine.simd, names: masks.map((one) => Object.keys(one)), first: said(first),
                times: [first.t, second.t, state.t, rest.t], rest: Math.max(...rest.h),
                same: again.h.every((value, i) => value === second.h[i]),
                moved: second.h.some((value, i) => value !== first.h[i]),
            };
        }""",
        told,
    )
    assert found["simd"] and found["names"] == [["t", "logits"]] * 3 and found["times"] == [1, 2, 5, 0]
    assert found["same"] and found["moved"] and found["rest"] == 0
    first = {
        name: torch.frombuffer(bytearray(base64.b64decode(value)), dtype=torch.float32).view(-1, *SIZE)
        for name, value in found["first"].items()
        if name != "t"
    }
    wanted = reference(model, image(told), torch.zeros(5, *SIZE), 0, Switches())
    assert distance(first, wanted) < 1e-4


def test_another_image_of_the_same_size_leaves_the_state_and_of_another_size_does_not(ask, told):
    assert ask(
        """async ([model, x, size]) => {
            const engine = await openEngine();
            engine.setModel(raw(model));
            engine.setImage(floats(x), size);
            await engine.run(2);
            await engine.setImage(floats(x).reverse(), size);
            const kept = await engine.state();
            await engine.setImage(new Float32Array(2 * 16 * 40), [16, 40]);
            const fresh = await engine.state();
            engine.end();
            const moved = ({ h }) => h.some((value) => value);
            return [kept.t, moved(kept), fresh.t, fresh.h.length, moved(fresh)];
        }""",
        told,
    ) == [2, True, 0, 5 * 16 * 40, False]


@pytest.mark.parametrize(
    "call, words",
    [
        ("engine.setImage(floats(x), [16, 512])", "16 to 256 px a side, not 16×512"),
        ("engine.setImage(floats(x), [17, 21])", "2×17×21 values"),
        ("engine.setState(new Float32Array(3))", "1700 values"),
        ("engine.run(1, { spectrum: [-1, -2] })", "1 eigenvalue or U+V = 5, not 2"),
        ("engine.setModel(raw(model).slice(0, -4))", "weights"),
        ("engine.setModel(new Uint8Array(3))", "model"),
        ("engine.setModel(raw(model).fill(255, 4, 40))", "model"),
    ],
)
def test_what_it_cannot_take_is_refused_in_one_sentence_and_the_rest_goes_on(ask, told, call, words):
    code = f"""async ([model, x, size]) => {{
        const engine = await openEngine();
        engine.setModel(raw(model));
        engine.setImage(floats(x), size);
        const said = await why({call});
        await engine.setModel(raw(model));
        await engine.setImage(floats(x), size);
        const steps = await engine.run(1);
        engine.end();
        return [said, steps.length];
    }}"""
    said, steps = ask(code, told)
    assert words in sentence(said) and steps == 1


def test_what_needs_too_much_memory_is_refused(ask, told):
    said = ask(
        """async ([model, x, size]) => {
            const engine = await loadEngine(files());
            const most = ENGINE.memory;
            ENGINE.memory = 2 ** 17;
            engine.setModel(raw(model));
            const said = await why((async () => engine.setImage(floats(x), size))());
            ENGINE.memory = most;
            engine.setImage(floats(x), size);
            return said;
        }""",
        told,
    )
    assert "more memory on 17×20 px" in sentence(said)


def test_a_run_that_overflowed_leaves_nothing_behind(ask, told):
    assert ask(
        """async ([model, x, size]) => {
            const engine = await openEngine();
            engine.setModel(raw(model));
            engine.setImage(floats(x), size);
            const [before] = await engine.run(1, {}, ["h"]);
            await engine.setState(before.h.map(() => NaN), 1);
            const [lost] = await engine.run(1, {}, ["h"]);
            await engine.reset();
            const [after] = await engine.run(1, {}, ["h"]);
            engine.end();
            return [lost.h.every(Number.isNaN), after.h.every((value, i) => value === before.h[i])];
        }""",
        told,
    ) == [True, True]


def test_a_model_or_an_image_must_come_first(ask, told):
    without = ask(
        """async ([model, x, size]) => {
            const engine = await openEngine();
            const said = [await why(engine.setImage(floats(x), size)), await why(engine.run(1))];
            await engine.setModel(raw(model));
            said.push(await why(engine.run(1)), await why(engine.state()), await why(engine.reset()));
            engine.end();
            return said;
        }""",
        told,
    )
    assert without == ["The engine has no model yet."] + 4 * ["The engine has no image yet."]


def test_a_payload_of_another_version_asks_for_a_reload(ask):
    other = base64.b64encode(framed({"version": 0, "settings": [], "loop": {}}, [])).decode()
    said = ask("async (model) => why((await openEngine()).setModel(raw(model)))", other)
    assert sentence(said) == "The app was updated after this page was opened: reload the page."


@pytest.mark.parametrize(
    "change, words",
    [
        ("ENGINE_FILES.worker = 'self.WebAssembly = undefined;' + ENGINE_FILES.worker", "has no WebAssembly"),
        ("window.Worker = undefined", "could not be started"),
        ("ENGINE_FILES.plain = ENGINE_FILES.simd = btoa('no such thing')", "could not be started"),
        ("ENGINE_FILES.worker = 'throw new Error(1)'", "broke off"),
    ],
)
def test_where_it_cannot_start_the_caller_hears_why(chromium, change, words):
    page = chromium.new_page()
    page.add_script_tag(content=scripts())
    said = page.evaluate(
        f"() => {{ {change}; return openEngine().then(() => '', (error) => error.message); }}"
    )
    page.close()
    assert words in sentence(said)


def test_without_simd_the_other_build_serves(ask, told):
    assert ask(
        """async ([model, x, size]) => {
            const whole = ENGINE_FILES.simd;
            ENGINE_FILES.simd = btoa("damaged");
            const engine = await openEngine();
            ENGINE_FILES.simd = whole;
            engine.setModel(raw(model));
            engine.setImage(floats(x), size);
            const steps = await engine.run(1);
            engine.end();
            return [engine.simd, steps.length];
        }""",
        told,
    ) == [False, 1]


def test_ended_it_refuses_what_is_under_way_and_what_comes_later(ask, told):
    found = ask(
        """async ([model, x, size]) => {
            const engine = await openEngine();
            await engine.setModel(raw(model));
            await engine.setImage(floats(x), size);
            const under = why(engine.run(100000));
            engine.end();
            return [await under, await why(engine.run(1))];
        }""",
        told,
    )
    assert [sentence(one) for one in found] == 2 * ["The browser's engine has ended."]
