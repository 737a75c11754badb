"""Layers arrive in the browser as sent; five classes on 48 × 80 px with void, shown, drawn and acted on."""

import base64
import re
from urllib.parse import urlencode

import mosaics
import numpy as np
import pytest
import torch
from explorer import CONTRAST, another_run, go, near, pixels, place, run_id, settle, step, summary
from PIL import ImageColor
from served import start_app, watched
from tiers import forms

from fbseg_core.rollout.interventions import Perturb
from fbseg_core.scores.metrics import entropy
from fbseg_core.tasks.base import PALETTE
from pages.explore import computed
from pages.explore.player import payload
from pages.explore.player.layers import LAYERS
from pages.explore.run import scene_of
from pages.explore.state import ExploreState
from pages.ui import models, web
from pages.ui.web import wire

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # an app of its own, with tasks of the tests

COLOURS = np.array([ImageColor.getrgb(one) for one in PALETTE[:5]])
VOID = ImageColor.getrgb("#9aa0a6")
RIGHT, WRONG, FALSE_ALARM, MISSED, LEFT_OUT = (
    (240, 228, 66), (204, 121, 167), (213, 94, 0), (86, 180, 233), (38, 44, 52)
)  # fmt: skip


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FBSEG_JOBS", str(tmp_path_factory.mktemp("jobs")))
        yield mosaics.link
    mosaics.forget()


@pytest.fixture(scope="module")
def served(link):
    """Explore with the tests' tasks, in a process that finds their checkpoints."""
    server, address = start_app("tests/browser/mosaic_app.py")
    yield address
    server.terminate()
    server.wait(10)


@pytest.fixture
def open_mosaic(new_context, served, link):
    def open_mosaic(task="mosaic", options=None, **view):
        page = watched(new_context(reduced_motion="reduce", **(options or {})))
        page.goto(f"{served}/?{urlencode(link(task, **view))}")
        page.wait_for_selector(".player[data-run]")
        settle(page)
        return page

    return open_mosaic


def run_of(link, task="mosaic", **view):
    return computed.run(scene_of(ExploreState(**link(task), **view), models.cards()))


# ---- the wire -----------------------------------------------------------------------------------------

READ = """text => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const { header, start } = decodeHeader(bytes);
    const coded = block => {
        const values = Float64Array.from(block.data, q => block.lo + (block.hi - block.lo) * q / block.top);
        const raw = new Uint8Array(values.buffer);
        let text = '';
        for (let i = 0; i < raw.length; i += 4096) text += String.fromCharCode(...raw.subarray(i, i + 4096));
        return { shape: block.shape, level: (block.hi - block.lo) / block.top, values: btoa(text) };
    };
    const blocks = Object.entries(decodeBlocks(bytes, header, start));
    return Object.fromEntries(blocks.map(([name, block]) => [name, coded(block)]));
}"""


@pytest.mark.parametrize("task", forms(["shapes", "grouping", "mosaic"], slow=["mosaic"]))
def test_every_layer_arrives_as_sent(new_context, link, monkeypatch, task):
    view = ExploreState(**(link() if task == "mosaic" else {"task": task}), do=(Perturb(t=3, size=2.0),))
    run, untouched = computed.runs(scene_of(view, models.cards()))
    laid, lay = {}, wire.Blocks.lay

    def note(self, name, values, *more):
        laid[name] = np.asarray(values, np.float64)
        return lay(self, name, values, *more)

    monkeypatch.setattr(wire.Blocks, "lay", note)
    raw = payload.pack(payload.lay_out(run, untouched, None, None, fed=True, state=True, of_class=1), {})
    page = new_context().new_page()
    page.add_script_tag(content=web.script(("decode",), {}))
    read = page.evaluate(READ, base64.b64encode(raw).decode())
    assert set(read) == set(laid) and {"run.mask", "ghost.logit", "comparison.entropy", "state.0"} < set(read)
    for name, block in read.items():
        values = np.frombuffer(base64.b64decode(block["values"])).reshape(block["shape"])
        sent = laid[name]
        assert values.shape == sent.shape, name
        off = abs(values - sent).max()
        whole = name.split(".")[-1] in ("mask", "commit", "truth", "of_step", "clean")
        assert off <= (0 if whole else (0.5 + 1e-4) * block["level"]), (name, off)


@pytest.mark.thorough
def test_a_payload_of_another_version_is_refused_in_one_sentence(new_context, served):
    page = watched(new_context())
    page.goto(f"{served}/?old=1")
    said = page.locator(".player [role=alert]")
    said.wait_for()
    assert said.inner_text() == "The app was updated after this page was opened: reload the page."
    assert page.locator(".player canvas").count() == 0 and page.faults == []


# ---- five classes -------------------------------------------------------------------------------------


def test_every_layer_of_five_classes_is_the_core_s(open_mosaic, link):
    page = open_mosaic(t="4")
    run = run_of(link)
    truth, logits = run.labels[0, 0], run.trajectory.logits[4, 0]
    mask, probs = logits.argmax(0), logits.softmax(0)
    void = (truth == 255).numpy()
    assert step(page) == 4 and pixels(page, "input").shape == (48, 80, 3)
    painted = np.where(void[..., None], VOID, COLOURS[truth.where(truth < 255, 0)])
    assert (pixels(page, "truth") == painted).all()

    def choose(layer):
        page.locator("select.layer").select_option(layer)
        settle(page)
        return pixels(page, "run")

    outcomes = torch.where(truth == mask, torch.where(mask > 0, 0, 4), torch.where(mask == 0, 3, 1))
    outcomes = torch.where((truth == 0) & (mask > 0), 2, outcomes)
    kinds = np.array([RIGHT, WRONG, FALSE_ALARM, MISSED, LEFT_OUT])
    last = torch.zeros_like(mask)
    masks = run.trajectory.logits[:, 0].argmax(1)
    for t in range(1, 5):
        last[masks[t] != masks[t - 1]] = t
    steady = (last < 4).numpy()
    norms = {name: getattr(run.trajectory, name)[:, 0].norm(dim=1) for name in ("delta", "applied")}
    seen = {
        "mask": lambda got: (got == COLOURS[mask]).all(),
        "error": lambda got: (got == np.where(void[..., None], VOID, kinds[outcomes])).all(),
        "entropy": lambda got: near(got, entropy(probs, 0) / np.log2(5)).all(),
        "delta": lambda got: near(got, norms["delta"][3] / norms["delta"].max()).all(),
        "applied": lambda got: near(got, norms["applied"][3] / norms["applied"].max()).all(),
        "v_hat": lambda got: near(got, run.trajectory.v_hat[3, 0, 0]).all(),
        "commit": lambda got: near(got, last / 6)[steady].all(),
        "difference": lambda got: len(np.unique(got.reshape(-1, 3), axis=0)) > 5,
        "probability": lambda got: near(got, 1 - probs[0]).all(),
    }
    assert set(seen) == set(LAYERS) - {"mismatch"}  # of a state that leaks alone
    assert page.locator("select.layer option[value=mismatch]").count() == 0
    for layer, holds in seen.items():
        assert holds(choose(layer)), layer
    assert len({tuple(c) for c in kinds[outcomes].reshape(-1, 3)}) == 5  # each outcome does occur
    for k in (0, 2, 4):
        page.locator("select.of-class").select_option(str(k))
        settle(page)
        page.wait_for_function(f"(location.search.match(/of_class=(\\d)/)?.[1] ?? '0') === '{k}'")
        assert near(pixels(page, "run"), probs[k] if k else 1 - probs[0]).all(), k
        assert near(pixels(page, "comparison"), _comparison(run, k)).all(), k
    assert page.locator("select.of-class option").all_text_contents() == [
        "any but ground", "water", "sand", "forest", "town"
    ]  # fmt: skip
    page.locator("select.curve").select_option("confusion")
    told = page.locator("svg.over-time .cell title").all_text_contents()
    want = np.zeros((5, 5), int)
    np.add.at(want, (truth.numpy()[~void], mask.numpy()[~void]), 1)
    assert [int(re.search(r"(\d+) px", one)[1]) for one in told] == want.ravel().tolist()
    assert told[1].startswith("truth ground, answer water: ") and want.trace() < want.sum()
    assert page.faults == []


def _comparison(run, k):
    probs = run.comparison[0, 0].softmax(0)
    return probs[k] if k else 1 - probs[0]


def test_classes_are_named_in_the_legend_and_at_a_pixel(open_mosaic, link):
    page = open_mosaic(layer="error", points="regions")
    run = run_of(link)
    legend = page.locator(".classes")
    for name in (*mosaics.NAMES, "void: neither learned nor scored"):
        assert legend.get_by_text(name).count() == 1
    assert "wrong class" in page.locator(".legend").inner_text()
    assert "water" in page.locator("svg.plane").text_content()
    box = page.locator(".panel.truth canvas").bounding_box()
    row, column = (int(at) for at in np.argwhere((run.labels[0, 0] == 1).numpy())[0])
    page.mouse.move(
        box["x"] + box["width"] * (column + 0.5) / 80, box["y"] + box["height"] * (row + 0.5) / 48
    )
    text = page.locator(".pixel-text")
    text.get_by_text(f"row {row}, column {column}").wait_for()
    answer = mosaics.NAMES[int(run.trajectory.logits[-1, 0, :, row, column].argmax())]
    assert f"feedback {answer}" in text.inner_text() and text.inner_text().endswith("truth water")
    page.locator("svg.pixel-state path").first.wait_for(state="attached")
    lines = page.locator("svg.pixel-p")
    lines.get_by_text("town").wait_for()
    chance = float(run.trajectory.probs[-1, 0, mosaics.NAMES.index(answer), row, column])
    shown = re.search(r"\(P ([\d.]+)\)", text.inner_text())
    assert float(shown[1]) == pytest.approx(chance, abs=0.01)
    page.mouse.move(5, 5)
    page.locator(".panel.run canvas").focus()  # the arrow keys begin in the middle of an image that is wider
    page.keyboard.press("ArrowRight")
    text.get_by_text("row 24, column 41").wait_for()
    for _ in range(45):
        page.keyboard.press("ArrowRight")
    text.get_by_text("row 24, column 79").wait_for()
    assert page.faults == []


@pytest.mark.parametrize("width, theme", [(1440, "light"), (390, "dark")])
def test_nothing_is_clipped_and_pictures_keep_their_shape(open_mosaic, width, theme):
    page = open_mosaic(options={"width": width, "theme": theme}, layer="mask", do="perturb,t:2,size:3.0")
    for panel in page.locator(".panel canvas").all():
        inner = panel.evaluate("c => [c.clientWidth, c.clientHeight]")
        assert inner[0] / inner[1] == pytest.approx(80 / 48, rel=0.03)
    film = page.locator(".film canvas").evaluate("c => [c.width, c.height]")
    cell = page.locator(".here").bounding_box()["width"]
    assert film[1] == 2 * round(cell * 48 / 80)
    room = page.locator(".player").bounding_box()
    for item in page.locator(".classes span").all():
        box = item.bounding_box()
        assert box["x"] >= room["x"] and box["x"] + box["width"] <= room["x"] + room["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.faults == []


@pytest.mark.thorough
def test_a_saved_frame_keeps_the_shape_and_names_the_classes(open_mosaic, tmp_path):
    from PIL import Image

    page = open_mosaic(layer="mask")
    with page.expect_download() as download:
        page.locator(".save").click()
    download.value.save_as(tmp_path / "frame.png")
    image = np.asarray(Image.open(tmp_path / "frame.png").convert("RGB"))
    height = round(384 * 48 / 80)
    assert image.shape == (height + 136 + 24, 4 * (384 + 16) + 16, 3)
    foot = image[height + 136 :].reshape(-1, 3)
    for colour in COLOURS:
        assert (foot == colour).all(1).sum() >= 100


@pytest.mark.thorough
def test_where_nothing_can_be_drawn_the_screen_says_so(open_mosaic):
    page = open_mosaic()
    tools = page.locator(".draw-tools")
    assert "cannot be drawn" in tools.inner_text() and tools.locator("button").count() == 0
    sigma = page.locator(".sigma")
    before = pixels(page, "input")
    sigma.evaluate("r => { r.value = 0; r.dispatchEvent(new Event('input', {bubbles: true})); }")
    sigma.dispatch_event("change")
    page.wait_for_function("location.search.includes('sigma=0')")
    settle(page)
    quiet = pixels(page, "input")
    assert (
        not (quiet == before).all() and len(np.unique(quiet.reshape(-1, 3), axis=0)) == 3
    )  # grey levels kept
    assert page.faults == []


@pytest.mark.thorough
def test_cue_and_pen_land_where_the_hand_is_on_a_wide_image(open_mosaic, link):
    page = open_mosaic("sketched")
    page.mouse.click(*place(page, "input", 40, 76))
    page.wait_for_function("location.search.includes('cue=%5B40%2C76%5D')")
    settle(page)
    page.get_by_role("button", name="Draw the clean image").click()
    page.get_by_role("button", name="Start from an empty image").click()
    page.wait_for_function("location.search.includes('drawing=')")
    settle(page)
    before = run_id(page)
    page.mouse.move(*place(page, "input", 5, 70))
    page.mouse.down()
    page.mouse.move(*place(page, "input", 5, 78), steps=8)
    page.mouse.up()
    another_run(page, before)
    page.mouse.move(5, 5)  # no crosshair in the picture
    page.locator(".pixel-text").get_by_text("Point at a pixel").wait_for()
    rows, columns = np.nonzero((pixels(page, "truth") == COLOURS[1]).all(-1))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 6, 69, 79)
    assert len(rows) == 3 * 11  # the pen's disc of 1.5 px all along the stroke, and at its ends
    assert summary(page).startswith("Step 6 of 6")
    go(page, 3)
    page.get_by_role("button", name="Wipe the state").click()
    page.mouse.click(*place(page, "run", 44, 76))
    page.locator(".chips button").first.wait_for()
    settle(page)
    assert page.locator(".chips button").first.inner_text().startswith("t = 3: erase")
    assert page.faults == []
