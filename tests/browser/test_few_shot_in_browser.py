"""The Few-shot lab in a real Chromium: runs left and found again, examples drawn by hand, no blinking."""

from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from few_shot_page import MASKS, WORKERS, job_of, opened, press, started, state, updates
from served import PATIENCE, eventually, start_app
from tiers import forms

from fbseg_core.config import TexturesConfig
from pages.few_shot.drawn_labels import unpack_labels

pytestmark = pytest.mark.browser
QUICK = "v=1&updates=2000&steps=3"  # short steps, and more of them than a test waits for


def overflows(page):
    return page.evaluate(
        """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
            .some(e => e.scrollWidth > e.clientWidth + 1)"""
    )


@pytest.mark.thorough
def test_two_tabs_of_a_browser_show_and_steer_one_run_and_a_double_click_starts_one(new_context, url):
    context = new_context()
    page = opened(context, f"{url}/few_shot?{QUICK}")
    page.get_by_role("button", name="Start training", exact=True).dblclick()
    page.get_by_text(MASKS).wait_for(timeout=1000 * WORKERS)
    page.wait_for_function("location.search.includes('job=')")
    job = job_of(page)
    other = opened(context, page.url)
    state(other, "Training")
    press(other, "Pause")
    for tab in (page, other):
        state(tab, "Paused")
    assert eventually(lambda: updates(other) == updates(page))
    press(page, "Resume")
    for tab in (page, other):
        state(tab, "Training")
    press(other, "Stop")
    for tab in (page, other):
        state(tab, "Stopped")
        assert job_of(tab) == job and tab.faults == []


@pytest.mark.thorough
def test_a_run_outlives_its_server_and_goes_on(new_context, tmp_path, monkeypatch):
    monkeypatch.setenv("FBSEG_JOBS", str(tmp_path))
    browser = new_context()
    server, url = start_app()
    try:
        page = opened(browser, f"{url}/few_shot?{QUICK}")
        started(page)
        page.wait_for_function("location.search.includes('job=')")
        link, seen = page.url.split("/few_shot")[1], updates(page)
        page.close()
        server.terminate()
        server.wait(PATIENCE)
        server, url = start_app()
        page = opened(browser, f"{url}/few_shot{link}")
        page.get_by_role("link", name="Explore").wait_for()  # a server's first visitor gets the menu too
        state(page, "Interrupted")
        assert updates(page) >= seen
        press(page, "Resume")
        state(page, "Training")
        press(page, "Stop")
        state(page, "Stopped")
        assert page.faults == []
    finally:
        server.terminate()
        server.wait(PATIENCE)


INKED = """canvas => {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let found = 0;
    for (let i = 0; i < data.length; i += 4) found += data[i] > 200;
    return found;
}"""


@pytest.mark.parametrize("width, theme", forms([(1440, "light"), (390, "dark")], slow=[(390, "dark")]))
def test_an_example_is_drawn_redrawn_and_taken_back(new_context, url, width, theme):
    page = opened(new_context(width, 900, theme, has_touch=width < 500), f"{url}/few_shot")
    label = page.get_by_role("img", name="Mask of example 2")
    first = eventually(lambda: label.evaluate(INKED))
    page.get_by_role("button", name="Draw example 2 yourself").click()
    press(page, "Start from an empty image")
    assert page.get_by_role("button", name="Use this drawing").is_disabled()
    page.get_by_role("button", name="Stamp a square").click()
    paper = page.get_by_role("img", name="Your drawing")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if width < 500:
        page.touchscreen.tap(*middle)
    else:
        page.mouse.click(*middle)
    inked = eventually(lambda: paper.evaluate(INKED), lambda found: found > 100)
    press(page, "Use this drawing")
    page.get_by_text("2 · yours").wait_for()
    assert inked != first
    eventually(lambda: label.evaluate(INKED), lambda found: found == inked)
    page.wait_for_function("location.search.includes('own=')")
    again = opened(page.context, page.url)
    mask = again.get_by_role("img", name="Mask of example 2")
    eventually(lambda: mask.evaluate(INKED), lambda found: found == inked)
    press(page, "Redraw example 2")
    page.get_by_text("2 · redrawn").wait_for()
    press(page, "Take back example 2")
    page.get_by_text("2 · redrawn").wait_for(state="detached")
    eventually(lambda: label.evaluate(INKED), lambda found: found == first)
    box = page.locator("[data-testid=stExpander]").filter(has_text="Use an image of your own")
    box.locator("summary").click()
    press(page, "Use it")
    box.get_by_text("Give both an image and its mask.").wait_for()  # the box is still open
    assert page.faults == [] and not overflows(page)


# Where the charts and pictures are, and how often each was seen before: one drawn anew would start over.
BOXES = """charts => [...charts, document.querySelector('[data-testid=stImage] img')].map(e => {
    const { x, y, width, height } = e?.getBoundingClientRect() ?? {};
    if (e) e.seen = (e.seen ?? 0) + 1;
    return [x, y, width, height, e?.seen];
})"""
FORGET = """charts => [...charts, document.querySelector('[data-testid=stImage] img')]
    .forEach(e => e && delete e.seen)"""


@pytest.mark.thorough
def test_nothing_moves_or_is_cut_while_it_trains(new_context, url):
    page = opened(new_context(1440, 1100, "dark"), f"{url}/few_shot?{QUICK}")
    found = page.locator("[data-testid=stTable] td").filter(has_text="normalised output").first
    assert not found.locator("li").count()  # a plus between changes makes no list
    started(page)
    stands_still(page, 1440)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 1100})
    stands_still(page, 390)
    press(page, "Stop")
    state(page, "Stopped")
    assert page.faults == []


def where(charts):
    return [box[:4] for box in charts.evaluate_all(BOXES)]


def laid_out(page, charts, width):
    """Whether the boxes fit the window and stand where they stood half a second ago."""
    before = where(charts)
    page.wait_for_timeout(500)
    return before == where(charts) and all(box[0] is not None and box[2] <= width for box in before)


def stands_still(page, width):
    """For three updates on show."""
    charts = page.locator(".live svg")
    eventually(lambda: laid_out(page, charts, width))
    charts.evaluate_all(FORGET)
    settled, seen = charts.evaluate_all(BOXES), []
    assert len(settled) == 4
    while len(seen) < 3:
        before = updates(page)
        eventually(lambda before=before: updates(page), lambda done, before=before: done > before, WORKERS)
        seen.append(charts.evaluate_all(BOXES))
    assert seen == [[[*box, 2 + i] for *box, _ in settled] for i in range(3)]
    assert all(x >= 0 and x + w <= width for x, _, w, *_ in settled) and not overflows(page)


@pytest.mark.slow
def test_labels_of_several_classes_are_drawn_over_the_image_by_brush_and_bucket(new_context, url):
    page = opened(new_context(), f"{url}/few_shot?v=1&task=textures")
    page.get_by_role("button", name="Draw example 1 yourself").click()
    paper = page.locator(".paper")
    colours = lambda: paper.evaluate(  # noqa: E731
        """canvas => new Set(Array.from(new Uint32Array(
            canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer))).size"""
    )
    press(page, "All plain")
    assert page.get_by_text("There must be two classes").count() == 1
    grey, box = colours(), paper.bounding_box()
    press(page, "Draw gravel")
    page.mouse.move(box["x"] + 20, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 60, steps=4)
    page.mouse.move(box["x"] + 1, box["y"] + 60, steps=4)
    page.mouse.up()
    assert colours() > grey
    press(page, "Draw brick")
    press(page, "Fill what is alike and connected")
    page.mouse.click(box["x"] + 20, box["y"] + 10)
    press(page, "Draw void")
    page.mouse.click(box["x"] + 20, box["y"] + 200)
    press(page, "Take back the last stroke")
    press(page, "Use this drawing")
    page.get_by_text("1 · your mask").wait_for()
    page.wait_for_function("location.search.includes('own=')")
    own = parse_qs(urlsplit(page.url).query)["own"][0]
    labels = unpack_labels(TexturesConfig(), own.split(".m.")[1].split('"')[0])
    assert set(np.unique(labels)) == {0, 1, 3}  # plain, brick and gravel; the void was taken back
    assert (labels[:8] == 1).all() and (labels[20:] == 0).all() and (labels == 3).any()
    assert not overflows(page) and page.faults == []
