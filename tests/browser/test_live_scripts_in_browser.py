"""Live's JavaScript without the app: image, truth, scores and the plane against Python's answer."""

import base64
import math

import numpy as np
import pytest
import torch
from engine_page import CODE
from engine_page import text as coded

from fbseg_core import Switches, build, load, rollout
from fbseg_core.analysis.pca import pca
from fbseg_core.config import GroupingConfig, ShapesConfig
from fbseg_core.scores.metrics import confusion, entropy, mean_f1
from fbseg_core.tasks import task_of
from pages.engine import constants
from pages.engine.weights import packed
from pages.live import stage, world
from pages.live.state import LiveState
from pages.ui.web import script

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ask(chromium):
    """Evaluate a function on an empty page with the stage's scripts; W and header are a world's."""
    page = chromium.new_page()
    page.add_script_tag(content=script(stage.SCRIPTS, constants() | {"OWN": None}) + CODE)
    yield page.evaluate
    page.close()


OPEN = """(payload) => {
    const bytes = raw(payload);
    const { header, start } = decodeHeader(bytes);
    window.W = worldOf(header, bytes, start);
}"""
SETTINGS = {
    "grouping": GroupingConfig(sigma=0.4),
    "shapes": ShapesConfig(sigma=0.7),
    "minmax": ShapesConfig(sigma=0.7, normalise="minmax"),
}


def opened(ask, task, **world_changes):
    payload = world.pack(LiveState(world=task), 0)[0]
    ask(OPEN, base64.b64encode(payload).decode())
    ask("(changes) => Object.assign(W, changes)", world_changes)


def read(found, *shape):
    return torch.from_numpy(np.frombuffer(base64.b64decode(found), "<f4").copy()).view(shape)


@pytest.mark.parametrize("name", SETTINGS)
def test_an_image_is_observed_as_the_task_does(ask, name):
    config = SETTINGS[name]
    opened(ask, config.name, normalise=getattr(config, "normalise", "none"))
    kind = task_of(config)
    for seed in (0, 3):
        wanted = kind.observe(config, kind.content(config, 1, seed, "test"), kind.noise(config, 1, 0)).x[0]
        found = read(ask("([seed, s]) => text(observe(W, sceneOf(W, seed, s)))", [seed, config.sigma]), -1)
        assert (found.view_as(wanted) - wanted).abs().max() < 1e-5


def test_the_truth_of_a_moved_cue_and_a_drawn_image_is_the_task_s(ask):
    opened(ask, "grouping")
    config, draw = GroupingConfig(), np.random.default_rng(0)
    kind = task_of(config)
    for seed in range(4):
        content = kind.content(config, 1, seed, "test")
        mask, _ = kind.sketch(config, content)
        cue = tuple(int(at) for at in draw.integers(0, 48, 2))
        walls = [int(i) for i in draw.integers(0, 48 * 48, 300)]
        found = ask(
            """([seed, cue, walls]) => {
                const scene = withInk(W, withCue(W, sceneOf(W, seed), cue), walls, 0);
                return [Array.from(scene.labels), text(scene.clean)];
            }""",
            [seed, cue, walls],
        )
        mask = mask.clone()
        mask.view(-1)[walls] = False
        wanted = kind.drawn(config, mask, cue)
        assert found[0] == wanted.labels.flatten().tolist()
        assert torch.equal(read(found[1], 2, 48, 48), wanted.clean[0])


def test_an_image_drawn_without_a_cue_is_the_task_s(ask):
    opened(ask, "shapes")
    config = ShapesConfig()
    mask = torch.zeros(64, 64, dtype=torch.bool)
    mask[10:30, 20:50] = True
    found = ask(
        """(mask) => {
            const scene = inkedAs(W, sceneOf(W, 0), Uint8Array.from(mask));
            return [Array.from(scene.labels), text(scene.clean)];
        }""",
        mask.flatten().int().tolist(),
    )
    wanted = task_of(config).drawn(config, mask)
    assert found[0] == wanted.labels.flatten().tolist()
    assert torch.equal(read(found[1], 3, 64, 64), wanted.clean[0])


@pytest.mark.parametrize("classes", [2, 5])
def test_scores_are_the_core_s(ask, classes):
    draw = torch.Generator().manual_seed(classes)
    logits = 3 * torch.randn(6, classes, 8, 9, generator=draw)
    labels = torch.randint(0, classes, (6, 8, 9), generator=draw)
    labels[0] = 0
    logits[0, 0] += 99  # nothing there, and nothing found
    labels[1, :2] = 255
    logits[2, -1] = -99  # a class that the answer lacks
    for one, truth in zip(logits, labels):
        found = ask(
            """([logits, truth, classes]) => {
                const { mask, shade, entropy } = readAnswer(floats(logits), classes, 72);
                return [meanF1(mask, truth, classes, 255), Array.from(mask), Array.from(shade), entropy];
            }""",
            [coded(one), truth.flatten().tolist(), classes],
        )
        mask, probs = one.argmax(0), one.softmax(0)
        assert found[0] == pytest.approx(float(mean_f1(confusion(mask[None], truth[None], classes))))
        assert found[1] == mask.flatten().tolist()
        assert np.abs(np.array(found[2]) - 255 * (1 - probs[0]).flatten().numpy()).max() <= 0.51
        assert found[3] == pytest.approx(float(entropy(probs, 0).mean()), abs=1e-5)


def test_pixels_take_the_colour_of_their_class_as_sure_as_the_model_is(ask):
    palette = ["#000000", "#e69f00", "#56b4e9", "#009e73"]
    found = ask(
        """(palette) => {
            const world = { pixels: 4, palette };
            const image = { data: new Uint8ClampedArray(16) };
            const moment = { mask: [0, 1, 2, 3], shade: [0, 255, 255, 128] };
            paintAnswer(world, image, new Uint8Array(12).fill(100), moment, null, 1);
            return Array.from(image.data);
        }""",
        palette,
    )
    ground, veil = 72, 0.78
    for i, (colour, sure) in enumerate(zip(palette, (0, 1, 1, 128 / 255))):
        rgb = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
        wanted = ground * (1 - veil * sure) + rgb * veil * sure if i else np.full(3, ground)
        assert np.abs(np.array(found[4 * i : 4 * i + 3]) - wanted).max() <= 1
        assert found[4 * i + 3] == 255


@torch.no_grad()
def test_the_plane_is_the_core_s_up_to_rounding(ask):
    model, card = load("grouping-feedback")
    kind = task_of(card.task)
    x = kind.observe(card.task, kind.content(card.task, 1, 0, "test"), kind.noise(card.task, 1, 0)).x
    run = rollout(model, x, 6)
    wanted = pca(run, 3, pixels=48 * 48)
    found = ask(
        """(states) => {
            const { points, explained } = fitPlane(states.map(floats));
            return [points, explained];
        }""",
        [coded(h) for h in run.h[:, 0]],
    )
    # Python's rows are channel by channel as well, so that points agree, signs and all
    assert np.allclose(found[1], wanted.explained, atol=1e-6)
    assert np.allclose(found[0], wanted.points, atol=1e-3 * np.abs(wanted.points).max())


def test_fewer_states_than_axes_leave_the_last_ones_empty(ask):
    points, explained = ask(
        """() => {
            const plane = fitPlane([new Float32Array([0, 0, 0, 0]), new Float32Array([1, 2, 3, 4])]);
            return [plane.points, plane.explained];
        }"""
    )
    assert explained[0] == pytest.approx(1) and explained[1:] == pytest.approx([0, 0], abs=1e-9)
    assert points[1][0] == pytest.approx(np.sqrt(30) / 2) and points[1][1:] == [0, 0]


def test_of_the_fed_back_channels_the_one_that_varies_most_is_shown(ask):
    channels = np.float32([[0.2, 0.2, 0.3, 0.2], [0.1, 0.9, 0.1, 0.5], [5.0, 5.1, 5.0, 5.0]])
    found = ask("(values) => Array.from(liveliest(floats(values), 4))", coded(torch.tensor(channels)))
    assert found == [0, 255, 0, 128]


def test_a_leaky_model_steps_by_k_and_its_error_is_the_core_s(ask):
    torch.manual_seed(0)
    config = load("grouping-feedback")[1].model.replace(integrator="leaky", k=0.3, width=4)
    model, x = build(config).eval(), torch.randn(2, 48, 48)
    opened(ask, "grouping")
    for k in (None, 0.8):
        found = ask(
            """async ([model, x, k]) => {
                const told = { leaks: true, k: 0.3, takesSteps: true, steps: 8, switches: [], on: {} };
                const M = await openMachine(told, raw(model));
                await show(M, floats(x), [48, 48]);
                const moments = [];
                const switches = switchesOf(M, { off: new Set(), tau: null, clock: null, k });
                for (let i = 0; i < 6; i++) moments.push(await stepOf(M, W, switches));
                M.engine.end();
                return moments.map(({ delta, gain, size }) => [delta, gain, size]);
            }""",
            [base64.b64encode(packed(model, (48, 48))).decode(), coded(x), k],
        )
        run = rollout(model, x[None], 6, switches=Switches(k=k))
        gains = [math.exp(-t / config.tau) for t in range(6)]
        for t, (delta, gain, size) in enumerate(found):
            wanted = [float(run.residual[t, 0]), gains[t], float(run.h[t + 1].norm())]
            assert [delta, gain, size] == pytest.approx(wanted, rel=1e-3)


def test_void_pixels_are_hatched_where_the_truth_is_shown(ask):
    opened(ask, "shapes")
    found = ask(
        """() => {
            const scene = sceneOf(W, W.pictures[0].seed);
            const labels = scene.labels.slice().fill(0);
            labels.fill(W.void, 64 * 32); // the lower half
            const canvas = document.createElement("canvas");
            canvas.style.width = canvas.style.height = "256px";
            document.body.append(canvas);
            const mask = new Uint8Array(W.pixels);
            const moment = { mask, shade: mask, wave: null };
            const halves = [true, false].map((truth) => {
                const shown = { moment, before: null, mix: 1, scene: { ...scene, labels }, swell: 1 };
                drawPicture(W, canvas, { ...shown, truth, tool: null });
                const [side, context] = [canvas.width, canvas.getContext("2d")];
                const sum = ({ data }) => data.reduce((whole, value) => whole + value, 0);
                const part = (from) => sum(context.getImageData(0, from, side, side / 2));
                return [part(0), part(side / 2)];
            });
            canvas.remove();
            return halves;
        }"""
    )
    (above, below), (bare_above, bare_below) = found
    assert above == bare_above and below > 1.05 * bare_below


def test_chance_repeats_itself_and_is_normal(ask):
    first, again, other = ask("() => [7, 7, 8].map((seed) => Array.from(normals(20000, seed)))")
    assert first == again != other
    assert abs(np.mean(first)) < 0.03 and np.std(first) == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.03


def test_a_drawing_comes_back_from_the_link_and_one_that_is_damaged_does_not(ask):
    opened(ask, "grouping")
    assert ask(
        """async () => {
            const scene = withSpray(W, withInk(W, sceneOf(W, 0), [0, 1, 50, 99], 1), [5, 2303]);
            const text = await packMask(inkOf(W, scene));
            const plain = { picture: 0, noise_sd: null, noise_draw: 0, drawn: "AAAA", sprayed: "" };
            const sprayed = await packMask(scene.sprayed);
            const back = await sceneFrom(W, { ...plain, drawn: text, sprayed, cue_at: [1, 2] });
            const lost = await sceneFrom(W, plain);
            const same = (a, b) => a.every((value, i) => value === b[i]);
            return [same(inkOf(W, back), inkOf(W, scene)), same(back.sprayed, scene.sprayed), back.cue,
                same(inkOf(W, lost), inkOf(W, sceneOf(W, 0)))];
        }"""
    ) == [True, True, [1, 2], True]


def test_the_timeline_forgets_and_goes_on_from_where_it_is_pulled_back_to(ask):
    assert ask(
        """() => {
            const line = timeline();
            const moment = (n) => [{ h: [n], at: [n, 0, 0] }];
            for (let n = 0; n < 320; n++) push(line, { n, run: 1, moments: moment(n) });
            const whole = line.entries.filter(({ moments }) => moments[0].h).length;
            const length = line.entries.length;
            line.at = 10;
            const early = cut(line);
            const atEndAgain = line.at;
            line.at = 290;
            const late = cut(line);
            push(line, { n: 400, run: 1, moments: moment(400) });
            const trace = line.traces[0][0].length;
            return [length, whole, early, atEndAgain, late, line.at, present(line).n, trace];
        }"""
    ) == [300, 60, False, 299, True, 291, 400, 10]
