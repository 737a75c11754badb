import base64
import json
import re

import numpy as np
import pytest
import torch

from fbseg_core import Switches, load, make_batch, rollout
from fbseg_core.interventions import Flip, Freeze, Kick, Swap, perturb
from fbseg_core.tasks import draw
from pages.ui import figures

pytestmark = pytest.mark.browser
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
LUT = np.frombuffer(figures.colour_scale(), np.uint8).reshape(256, 3).astype(int)


@pytest.fixture
def open_page(chromium, url):
    contexts = []

    def open_page(query="", width=1440, height=1100, theme="light", **options):
        options = {"reduced_motion": "reduce"} | options  # else every page would first play for seconds
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, **options
        )
        context.set_default_timeout(12_000)
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("requestfailed", lambda request: page.faults.append(request.url))
        page.goto(url + "/" + query)
        page.wait_for_selector(".player[data-run]", timeout=15_000)
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()


def settle(page):
    """Wait until the run has been played, or stands still, and Python has answered everything."""
    page.wait_for_selector(".player[data-playing=false]", timeout=15_000)
    page.wait_for_function("document.querySelector('.player') || true")
    page.locator(".busy").wait_for(state="hidden", timeout=15_000)
    page.wait_for_selector(IDLE)
    assert page.locator("[data-testid=stException]").count() == 0


def step(page):
    return int(page.locator(".player").get_attribute("data-t"))


def run_id(page):
    return page.locator(".player").get_attribute("data-run")


def another_run(page, before):
    page.wait_for_selector(f".player[data-run]:not([data-run='{before}'])", timeout=20_000)
    settle(page)


def payload(page):
    return page.locator(".player").get_attribute("data-payload")


def another_payload(page, before):
    page.wait_for_selector(f".player[data-payload]:not([data-payload='{before}'])", timeout=20_000)
    settle(page)


def summary(page):
    return page.locator(".summary").inner_text()


def go(page, t):
    page.locator(".time").evaluate(
        "(range, t) => { range.value = t; range.dispatchEvent(new Event('input', {bubbles: true})); }", t
    )


def pixels(page, panel):
    """The colour of every pixel of the image in a panel, (H, W, 3), read at the pixels' centres."""
    raw = page.locator(f".panel.{panel} canvas").evaluate(
        """canvas => {
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            let text = '';
            for (let i = 0; i < data.length; i += 4096)
                text += String.fromCharCode(...data.subarray(i, i + 4096));
            return [canvas.width, canvas.height, btoa(text)];
        }"""
    )
    image = np.frombuffer(base64.b64decode(raw[2]), np.uint8).reshape(raw[1], raw[0], 4)[..., :3].astype(int)
    caption = page.locator(".panel.input figcaption").inner_text()
    times = raw[0] // int(re.search(r"(\d+)×", caption)[1])
    return image[times // 2 :: times, times // 2 :: times]


def shows(page, panel, probs):
    """Whether a panel shows these probabilities (H, W) to within one grey level."""
    return bool(near(pixels(page, panel), probs).all())


def near(colours, values):
    """Which pixels (H, W) have the colour of their value in [0, 1] to within one of 255 grey levels."""
    want = np.rint(np.asarray(values, float) * 255).astype(int)
    return np.any([(colours == LUT[np.clip(want + d, 0, 255)]).all(-1) for d in (-1, 0, 1)], 0)


PINK = """canvas => {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let found = 0;
    for (let i = 0; i < data.length; i += 4) found += data[i] > 200 && data[i + 1] < 60;
    return found;
}"""


def reference(name, image=0, noise=0, sigma=None, do=(), steps=10, **switches):
    model, card = load(name)
    task = card.task if sigma is None else card.task.replace(sigma=sigma)
    return perturb(model, task, draw(task, image, noise), steps, do, Switches(**switches))


def shape(result, t):
    return 1 - result.trajectory.probs[t, 0, 0]


# ---- first sight --------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("task", ["shapes", "grouping"])
def test_plays_once_on_load_and_every_frame_is_the_core_s(open_page, task, theme):
    page = open_page(f"?task={task}", theme=theme, reduced_motion="no-preference")
    assert step(page) == 10 and summary(page).startswith("Step 10 of 10: F1 0.")
    want = reference(f"{task}-feedback")
    for t in range(11):
        go(page, t)
        assert shows(page, "run", shape(want, t)), t
    plain = reference(f"{task}-feedforward", steps=1)
    assert shows(page, "beside", shape(plain, 1))
    assert shows(page, "truth", want.labels[0, 0] > 0)
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 380) == (theme == "light")
    assert page.faults == []


def test_every_control_has_a_name_for_screen_readers(open_page):
    page = open_page("?lesson=erase&layer=v_hat")
    page.get_by_role("button", name="Draw the clean image").click()
    nameless = page.locator(".player").evaluate(
        """root => [...root.querySelectorAll('button, select, input, canvas[tabindex], svg[role=img]')]
            .filter(e => e.offsetParent !== null || e.tagName === 'svg')
            .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
            .filter(e => e.tagName !== 'svg' || e.children.length)
            .map(e => e.className.baseVal ?? e.className)"""
    )
    assert nameless == []


def test_reduced_motion_does_not_play_by_itself(open_page):
    page = open_page("?T=60", reduced_motion="reduce")
    assert step(page) == 60
    page.get_by_role("button", name="Play").click()  # asked for, it plays
    page.wait_for_selector(".player[data-playing=true]")


# ---- time ---------------------------------------------------------------------------------------------


def test_buttons_step_play_pause_and_stop_at_both_ends(open_page):
    page = open_page("?task=grouping")
    press = lambda name: page.locator(f".transport .{name}").click()  # noqa: E731
    assert page.locator(".transport .step").is_disabled()
    press("back")
    assert step(page) == 9 and summary(page).startswith("Step 9 of 10")
    press("step")
    assert step(page) == 10
    press("reset")
    assert step(page) == 0 and page.locator(".transport .back").is_disabled()
    page.locator(".speed").select_option("0.25")
    press("play")
    page.wait_for_selector(".player[data-t='1'][data-playing=true]")
    press("play")
    page.wait_for_selector(".player[data-playing=false]")
    stood = step(page)
    page.wait_for_timeout(1300)
    assert step(page) == stood
    page.locator(".speed").select_option("4")
    press("play")
    page.wait_for_selector(".player[data-t='10'][data-playing=false]", timeout=5000)
    assert page.faults == []


def test_keys_step_from_anywhere_but_leave_focused_widgets_alone(open_page):
    page = open_page("?task=grouping")
    page.locator("h1").click()
    for key, t in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 10)):
        page.keyboard.press(key)
        assert step(page) == t, key
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    page.wait_for_selector(".player[data-playing=true]")
    page.keyboard.press(" ")
    page.wait_for_selector(".player[data-playing=false]")
    go(page, 5)
    page.get_by_role("slider", name="Run for T").focus()
    page.keyboard.press("ArrowRight")  # moves that slider, not time
    another_run(page, run_id(page))
    assert step(page) == 5 and summary(page).startswith("Step 5 of 11")


def test_scrubbing_with_the_pointer_follows_it(open_page):
    page = open_page("?task=grouping")
    box = page.locator(".time").bounding_box()
    seen = []
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in np.linspace(1, 0, 30):
        page.mouse.move(box["x"] + 8 + share * (box["width"] - 16), box["y"] + box["height"] / 2)
        seen.append(step(page))
    page.mouse.up()
    assert seen[-1] == 0 and set(seen) == set(range(11))
    assert seen == sorted(seen, reverse=True)


def test_filmstrip_and_charts_jump_to_the_step_clicked(open_page):
    page = open_page("?task=grouping")
    film = page.locator(".film-inner").bounding_box()
    page.mouse.click(film["x"] + film["width"] * 3.5 / 11, film["y"] + 10)
    assert step(page) == 3
    page.locator("svg.plane circle.hit").nth(6).click()
    assert step(page) == 6
    chart = page.locator("svg.over-time .hit").bounding_box()
    page.mouse.click(chart["x"] + chart["width"] * 0.2, chart["y"] + chart["height"] / 2)
    assert step(page) == 2


# ---- looking ------------------------------------------------------------------------------------------


def test_layers_show_what_the_core_computes(open_page):
    page = open_page("?task=grouping&t=4")
    result = reference("grouping-feedback")
    mask, truth = result.trajectory.logits[4, 0].argmax(0), result.labels[4, 0]
    choose = lambda layer: page.locator("select.layer").select_option(layer)  # noqa: E731
    choose("mask")
    assert (pixels(page, "run") == LUT[(mask * 255).numpy()]).all()
    choose("error")
    colour = {(1, 1): (240, 228, 66), (1, 0): (213, 94, 0), (0, 1): (86, 180, 233), (0, 0): (38, 44, 52)}
    want = np.array([[colour[int(m), int(y)] for m, y in zip(*rows)] for rows in zip(mask, truth)])
    assert (pixels(page, "run") == want).all()
    choose("applied")
    norms = result.trajectory.applied[:, 0].norm(dim=1)
    assert shows(page, "run", norms[3] / norms.max())
    choose("difference")
    page.locator("select.against").select_option("4")
    assert len({tuple(c) for c in pixels(page, "run").reshape(-1, 3)}) == 1  # a step minus itself
    choose("v_hat")
    settle(page)
    page.locator("select.channel").select_option(index=2)
    assert shows(page, "run", result.trajectory.v_hat[3, 0, 2])
    assert "no v̂" in page.locator(".panel.beside figcaption").inner_text()
    choose("entropy")
    probs = result.trajectory.probs[4, 0].double()
    assert shows(page, "run", -(probs * probs.log2()).sum(0))
    assert page.faults == []


def test_commit_time_counts_up_and_hatches_what_flips_now(open_page):
    page = open_page("?task=grouping&image=2&layer=commit&t=5")
    masks = reference("grouping-feedback", image=2).trajectory.logits[:, 0].argmax(1)
    last = torch.zeros_like(masks[0])
    for t in range(1, 6):
        last[masks[t] != masks[t - 1]] = t
    steady = (last != 5).numpy()
    assert near(pixels(page, "run"), last / 10)[steady].all()
    assert summary(page).endswith(f"{int((~steady).sum())} pixels still changing.")
    canvas = page.locator(".panel.run canvas")
    assert canvas.evaluate(PINK) > 0
    go(page, 0)
    assert canvas.evaluate(PINK) == 0


def test_pointing_at_a_pixel_reads_it_off_in_all_panels(open_page):
    page = open_page("?task=grouping&image=2")
    result = reference("grouping-feedback", image=2)
    box = page.locator(".panel.truth canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 43.5 / 48, box["y"] + box["height"] * 16.5 / 48)
    text = page.locator(".pixel-text")
    text.get_by_text("row 16, column 43").wait_for()
    value = float(shape(result, 10)[16, 43])
    margin = float(result.trajectory.logits[10, 0, 1, 16, 43] - result.trajectory.logits[10, 0, 0, 16, 43])
    assert float(re.search(r"P\(shape\) ([\d.]+)", text.inner_text())[1]) == pytest.approx(value, abs=0.01)
    assert float(re.search(r"logit (-?[\d.]+)", text.inner_text())[1]) == pytest.approx(margin, abs=0.02)
    page.locator("svg.pixel-state path").nth(15).wait_for(state="attached", timeout=10_000)  # u and v: 8 + 8
    page.mouse.move(5, 5)
    assert "Point at a pixel" in text.inner_text()
    page.locator(".panel.run canvas").focus()  # by keyboard too
    page.keyboard.press("ArrowDown")
    text.get_by_text("row 25, column 24").wait_for()
    assert step(page) == 10


def test_plane_follows_its_menus_and_sixteen_draws_are_a_cloud(open_page):
    page = open_page("?task=grouping")
    live = "svg.plane circle.point"
    assert page.locator(live).count() == 11
    before = payload(page)
    page.locator("select.what").select_option("logits")
    another_payload(page, before)
    assert page.locator("svg.plane rect:not(.hit)").count() == 1  # the plain model: one point, same space
    before = payload(page)
    page.locator("select.points").select_option("regions")
    another_payload(page, before)
    assert page.locator(live).count() == 22
    page.locator("select.view").select_option("time")
    assert "PC1" in page.locator("svg.plane").text_content() and page.locator(live).count() == 0
    before = payload(page)
    page.get_by_text("16 noise draws", exact=True).click()
    another_payload(page, before)
    assert page.locator("svg.plane path[opacity='0.3']").count() == 32
    assert page.locator("svg.over-time polygon").count() == 1
    assert "16 noise draws" in page.locator(".contraction").inner_text()
    page.wait_for_function("location.search.includes('draws=true')")
    assert page.faults == []


@pytest.mark.parametrize("curve", ["f1", "iou", "update", "entropy", "norms"])
def test_every_curve_is_drawn(open_page, curve):
    page = open_page(f"?task=grouping&curve={curve}&lesson=late-kick&t=3")
    assert page.locator("svg.over-time path").count() >= 2
    assert page.locator("svg.over-time").get_attribute("aria-label")
    assert "NaN" not in page.locator(".charts").inner_html()


# ---- noise --------------------------------------------------------------------------------------------


def test_dragging_sigma_shows_the_input_at_once_and_the_last_value_wins(open_page):
    page = open_page()
    before, noisy = run_id(page), pixels(page, "input")
    box = page.locator(".sigma").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in np.linspace(0.5, 0.8, 12):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_timeout(40)
    assert not (pixels(page, "input") == noisy).all()
    page.mouse.up()
    value = float(page.locator(".sigma").input_value())
    another_run(page, before)
    page.wait_for_function(f"location.search.includes('sigma={value:g}')")
    want = reference("shapes-feedback", sigma=value)
    assert shows(page, "run", shape(want, 10))
    assert f"{value:.2f} (paper σ {8 * value:.1f}" in page.locator(".sigma-text").inner_text()
    assert page.faults == []


def test_the_preview_is_the_input_that_the_model_gets(open_page):
    page = open_page("?sigma=0.5")
    page.locator(".sigma").evaluate(
        "range => { range.value = 1.5; range.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.wait_for_timeout(30)
    preview = pixels(page, "input")
    page.locator(".sigma").dispatch_event("change")
    page.wait_for_function("location.search.includes('sigma=1.5')")
    settle(page)
    difference = abs(pixels(page, "input") - preview)
    assert (
        difference.mean() < 1.5 and np.quantile(difference, 0.99) <= 4
    )  # noise sent in 256 levels, cut at 4 σ


# ---- interventions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, item",
    [
        ("Cut the loop", Flip(t=3)),
        ("Softmax off", Flip(t=3, switch="softmax")),
        ("Decay off", Flip(t=3, switch="decay")),
        ("Hold the decay's clock", Freeze(t=3)),
        ("Show the model another image", Swap(t=3, seed=3)),
        ("Add noise to every neuron", Kick(t=3)),
    ],
)
def test_each_intervention_acts_at_the_step_on_show(open_page, name, item):
    page = open_page("?task=grouping&image=2&t=3")
    plain = reference("grouping-feedback", image=2)
    before = run_id(page)
    page.locator(".acts").get_by_role("button", name=name).click()
    another_run(page, before)
    want = reference("grouping-feedback", image=2, do=(item,))
    for t in (2, 3, 7):
        go(page, t)
        assert shows(page, "run", shape(want, t)) and shows(page, "ghost", shape(plain, t))
        assert shows(page, "truth", want.labels[t, 0] > 0)
    assert page.locator(".marks span").count() == 1
    chip = page.locator(".chips button").first
    assert chip.inner_text().startswith("t = 3")
    link = page.evaluate("location.search")
    again = open_page("/" + link if not link.startswith("?") else link)
    go(again, 7)
    assert shows(again, "run", shape(want, 7))
    before = run_id(page)
    chip.click()
    another_run(page, before)
    assert page.locator(".panel.ghost").count() == 0 and page.locator(".marks span").count() == 0
    assert page.faults == []


def test_painting_and_erasing_with_the_pointer(open_page):
    page = open_page("?task=grouping&image=2&t=7")
    for name, kind in (("Wipe the state", "erase"), ("Paint into the feedback neurons", "paint v")):
        tool = page.locator(".acts").get_by_role("button", name=name)
        tool.click()
        box = page.locator(".panel.run canvas").bounding_box()
        before, masks = run_id(page), pixels(page, "run")
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5, steps=5)
        page.mouse.up()
        another_run(page, before)
        page.mouse.move(5, 5)
        assert page.locator(".chips").get_by_text(kind).count() == 1
        if kind == "erase":
            changed = (pixels(page, "run") != masks).any(-1)
            assert changed[16:22, 43].all() and not changed[:, :40].any()
        page.locator(".acts").get_by_role("button", name=name).click()  # put the tool down
    assert page.faults == []


def test_clear_all_and_the_most_that_is_allowed(open_page):
    items = "~".join(f"kick,t:{t}" for t in range(1, 13))
    page = open_page(f"?task=grouping&do={items}&t=2")
    assert page.locator(".chips").get_by_text("At most 12").count() == 1
    assert page.locator(".acts").get_by_role("button", name="Add noise to every neuron").is_disabled()
    before = run_id(page)
    page.get_by_role("button", name="Take back every intervention").click()
    another_run(page, before)
    assert page.locator(".chips button").count() == 0


# ---- drawing ------------------------------------------------------------------------------------------


def test_drawing_with_undo_clear_stamps_and_way_back(open_page):
    page = open_page("?sigma=0.2")
    page.get_by_role("button", name="Draw the clean image").click()
    tools = page.locator(".draw-tools")
    before = run_id(page)
    tools.get_by_role("button", name="Start from an empty image").click()
    another_run(page, before)
    empty = (pixels(page, "truth") == LUT[0]).all()
    assert empty
    tools.get_by_role("button", name="Stamp a circle").click()
    box = page.locator(".panel.input canvas").bounding_box()
    before = run_id(page)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    another_run(page, before)
    page.mouse.move(5, 5)  # no crosshair in the pictures that are compared
    disc = (pixels(page, "truth") == LUT[255]).all(-1)
    assert disc[32, 32] and 0.1 < disc.mean() < 0.15
    go(page, 10)
    assert "F1 0.9" in page.locator(".panel.run figcaption").inner_text()  # and the models answer it
    tools.get_by_role("button", name="Draw", exact=True).click()
    before = run_id(page)
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] + 100, steps=2)
    page.mouse.up()
    another_run(page, before)
    assert (pixels(page, "truth") == LUT[255]).all(-1).sum() > disc.sum() + 20
    before = run_id(page)
    tools.get_by_role("button", name="Take back the last stroke").click()
    another_run(page, before)
    assert ((pixels(page, "truth") == LUT[255]).all(-1) == disc).all()
    again = open_page(page.evaluate("location.search"))
    assert ((pixels(again, "truth") == LUT[255]).all(-1) == disc).all()
    before = run_id(page)
    tools.get_by_role("button", name="Drop the drawing").click()
    another_run(page, before)
    page.wait_for_function("!location.search.includes('drawing')")
    assert page.faults == []


def test_a_click_or_the_keyboard_moves_the_cue(open_page):
    page = open_page("?task=grouping&image=2")
    truth = pixels(page, "truth")
    box = page.locator(".panel.input canvas").bounding_box()
    before = run_id(page)
    page.mouse.click(box["x"] + box["width"] * 5.5 / 48, box["y"] + box["height"] * 5.5 / 48)
    another_run(page, before)
    asked = pixels(page, "truth")
    assert not (asked == truth).all() and (asked[5, 5] == LUT[255]).all()
    page.wait_for_function("location.search.includes('cue=')")
    page.mouse.move(5, 5)
    page.locator(".panel.input canvas").focus()
    before = run_id(page)
    page.keyboard.press("ArrowUp")  # from the middle, one up
    page.keyboard.press("Enter")
    another_run(page, before)
    page.wait_for_function("decodeURIComponent(location.search).includes('cue=[23,24]')")
    assert page.faults == []


# ---- links and exports --------------------------------------------------------------------------------


def test_a_link_brings_back_the_whole_screen(open_page):
    page = open_page("?task=grouping")
    page.locator("select.layer").select_option("entropy")
    go(page, 6)
    page.wait_for_function("location.search.includes('t=6') && location.search.includes('layer=entropy')")
    page.get_by_text("Exponential decay").click()
    page.wait_for_function("location.search.includes('decay=false')")
    again = open_page(page.evaluate("location.search"))
    assert step(again) == 6 and again.locator("select.layer").input_value() == "entropy"
    assert again.get_by_text("decay = False").count() == 1
    assert (pixels(again, "run") == pixels(page, "run")).all()
    assert run_id(again) == run_id(page)


@pytest.mark.parametrize(
    "bad",
    [
        "?sigma=1e400", "?T=-1", "?t=nan", "?task=%3Cscript%3Ealert(1)%3C/script%3E", "?v=99&task=grouping",
        "?shapes-sigma=1", "?do=boom", "?do=paint,mask:AAAA,t:2~kick,t:1e99", "?drawing=" + "A" * 9000,
        "?cue=%5B99999,1%5D&task=grouping", "?drawing=AAAA", "?hide=%5B%22x%22%5D", "?lesson=none",
        "?model=../../etc/passwd", "?image=" + "9" * 3000,
    ],
)  # fmt: skip
def test_a_hostile_or_stale_link_gives_defaults_and_one_notice(open_page, bad):
    page = open_page(bad)
    assert summary(page).startswith("Step 10 of 10")
    alerts = page.locator("[data-testid=stAlert]")
    assert alerts.count() == 1 and "defaults are shown" in alerts.inner_text()
    assert shows(page, "run", shape(reference("shapes-feedback"), 10))
    assert page.faults == []


def test_a_teacher_link_hides_what_it_says(open_page):
    hidden = ["models", "switches", "layers", "interventions", "draw", "export", "plane"]
    page = open_page(f"?task=grouping&hide={json.dumps(hidden)}")
    for selector in (".layer", ".acts", ".draw-tools", ".plane-figure", ".save"):
        assert not page.locator(selector).is_visible(), selector
    for text in ("Beside it", "Exponential decay", "Take it along"):
        assert page.get_by_text(text).count() == 0
    assert page.locator(".sigma").is_visible() and page.get_by_text("Image seed").count() == 1
    page.get_by_role("button", name="Reset everything").click()
    page.wait_for_function("!location.search.includes('task')")
    assert "hide" in page.evaluate("location.search")  # a reset does not unhide


def test_reset_brings_back_the_defaults_and_an_empty_link(open_page):
    page = open_page("?lesson=late-kick&layer=error")
    page.get_by_role("button", name="Reset everything").click()
    page.wait_for_function("location.search === ''")
    settle(page)
    assert page.locator(".panel.ghost").count() == 0
    assert shows(page, "run", shape(reference("shapes-feedback"), 10))


def test_back_in_the_browser_goes_back(open_page):
    page = open_page("?task=grouping")
    page.get_by_role("button", name="New").first.click()
    page.wait_for_function("location.search.includes('image=1')")
    page.wait_for_timeout(1200)  # sooner, the old address counts as overtaken by the click
    page.go_back()
    page.wait_for_function("!location.search.includes('image=1')")
    settle(page)
    page.wait_for_timeout(500)
    settle(page)
    assert shows(page, "run", shape(reference("grouping-feedback"), step(page)))


def test_frame_and_files_can_be_saved(open_page, tmp_path):
    page = open_page("?task=grouping")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save frame").click()
    from PIL import Image

    path = tmp_path / "frame.png"
    caught.value.save_as(path)
    assert Image.open(path).size[0] > 4 * 384
    page.get_by_text("Take it along").click()
    for label, start in (("Curves", b"t,model_f1"), ("Trajectory", b"PK"), ("Animation", b"\x89PNG")):
        with page.expect_download() as caught:
            page.get_by_role("button", name=label).click()
        caught.value.save_as(path)
        assert path.read_bytes().startswith(start)
    assert page.faults == []


# ---- phone --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_phone_has_no_sideways_scroll_and_two_pictures_in_a_row(open_page, theme):
    page = open_page("?lesson=erase&layer=error", width=390, height=844, theme=theme, has_touch=True)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(e => {
            const box = e.getBoundingClientRect();
            return box.width && box.right > innerWidth + 1 && !e.closest('pre, [data-testid=stSidebar]');
        }).map(e => e.className)"""
    )
    assert wide == []
    inside = page.locator(".player").evaluate(
        """root => [...root.querySelectorAll('*')].filter(e => {
            const box = e.getBoundingClientRect();
            return box.width && (box.right > innerWidth + 1 || box.left < -1) && !e.closest('.film, svg');
        }).map(e => e.className)"""
    )
    assert inside == []
    boxes = [page.locator(".panel canvas").nth(i).bounding_box() for i in range(4)]
    assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=1) and boxes[2]["y"] > boxes[0]["y"]
    page.locator(".transport .back").tap()
    assert step(page) == 19
    assert page.faults == []


def test_a_finger_draws(open_page):
    page = open_page("?sigma=0.2", width=390, height=844, has_touch=True)
    page.get_by_role("button", name="Draw the clean image").tap()
    page.get_by_role("button", name="Stamp a square").tap()
    before = run_id(page)
    page.locator(".panel.input canvas").tap(position={"x": 40, "y": 120})
    another_run(page, before)
    truth = (pixels(page, "truth") == LUT[255]).all(-1)
    assert truth[40:46, 12:16].all()


def test_make_batch_is_what_the_reference_draws():
    """The reference of these tests is the library's own batch, so that both are held to the same images."""
    _, card = load("shapes-feedback")
    assert torch.equal(draw(card.task, 0, 0).x, make_batch(card.task, 1, 0).x)
    assert rollout(load("shapes-feedback")[0], draw(card.task, 0, 0).x, 2).h.shape[0] == 3


CONTRAST = """() => {
    const parse = c => (c.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const up = e => e.parentElement ?? e.getRootNode().host ?? null;
    const over = (top, a, under) => top.map((v, i) => v * a + under[i] * (1 - a));
    const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = rgb => rgb.map(v => linear(v / 255))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = e => {
        const layers = [];
        for (; e; e = up(e)) {
            const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
            if (a) layers.push([[r, g, b], a]);
            if (a === 1) break;
        }
        return layers.reverse().reduce((under, [rgb, a]) => over(rgb, a, under), [255, 255, 255]);
    };
    const faults = [];
    const visit = e => {
        if (e.shadowRoot) [...e.shadowRoot.children].forEach(visit);
        [...e.children].forEach(visit);
        const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim()).join(' ').trim();
        const style = getComputedStyle(e);
        if (!text || !e.checkVisibility({visibilityProperty: true})) return;
        if (e.closest('[disabled], style, script, title, [aria-hidden], [data-testid=stSlider]')) return;
        const [r, g, b, a = 1] = parse(e instanceof SVGElement ? style.fill : style.color);
        let alpha = a;
        for (let p = e; p; p = up(p)) alpha *= +getComputedStyle(p).opacity;
        const under = ground(e);
        const pair = [light(over([r, g, b], alpha, under)), light(under)];
        const [x, y] = pair.sort((p, q) => q - p);
        const ratio = (x + 0.05) / (y + 0.05);
        const large = parseFloat(style.fontSize) >= 24;
        if (ratio < (large ? 3 : 4.5)) faults.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
    };
    visit(document.querySelector('.stApp'));
    return faults;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_contrast_is_AA(open_page, theme):
    page = open_page("?lesson=erase&layer=error", theme=theme)
    page.get_by_text("What it costs").click()
    page.locator(".panel.run canvas").hover()
    page.wait_for_timeout(400)
    assert page.evaluate(CONTRAST) == []


def test_focus_survives_what_it_sets_off(open_page):
    page = open_page("?task=grouping&t=3")
    focused = (
        "document.activeElement.shadowRoot?.activeElement?.textContent ?? document.activeElement.textContent"
    )
    page.locator(".acts").get_by_role("button", name="Cut the loop").focus()
    before = run_id(page)
    page.keyboard.press("Enter")
    another_run(page, before)
    assert page.evaluate(focused) == "Close the loop"
    before = run_id(page)
    page.keyboard.press("Enter")
    another_run(page, before)
    assert page.evaluate(focused) == "Cut the loop"
    page.locator(".acts").get_by_role("button", name="Wipe the state").click()
    page.locator(".panel.run canvas").focus()  # and a stroke by keyboard leaves its panel in focus
    before = run_id(page)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    another_run(page, before)
    page.keyboard.press("ArrowUp")
    page.locator(".pixel-text").get_by_text("row 22, column 24").wait_for()
