"""Live in a real Chromium: it runs by itself, follows the hand, and can be rewound, linked and saved."""

import itertools

import pytest
from explorer import CONTRAST
from served import eventually, watched
from stage import (
    WOKEN,
    clock,
    controls,
    drag,
    marked,
    picture,
    place,
    playing,
    slide,
    step,
    told,
    until_step,
)
from tiers import forms

pytestmark = pytest.mark.browser


@pytest.fixture
def open_live(new_context, url):
    def open_live(query="", **options):
        page = watched(new_context(**{"height": 900} | options))
        page.goto(f"{url}/{query}")
        page.wait_for_selector(WOKEN)
        return page

    return open_live


def test_the_mask_spreads_by_itself_and_follows_the_dot_once_the_clock_is_wound(open_live):
    page = open_live()
    until_step(page, 14)
    grown = marked(page)
    score = float(page.locator(".hero .numbers").inner_text().split("F1 ")[1])
    assert grown.sum() > 500 and score >= 0.9
    requests = []
    page.on("websocket", lambda _: requests.append("socket"))
    page.on("request", lambda request: requests.append(request.url))
    feedforward = picture(page, ".smalls figure:nth-child(2)")
    drag(page, (18, 33), (20, 10), (14, 8))  # from one region to the next
    slide(page, ".sigma", 0.25)
    assert playing(page) and requests == []
    page.get_by_role("button", name="Wind up the clock").click()
    until_step(page, step(page) + 14)
    moved = marked(page)
    assert clock(page) < step(page) and moved[14, 8] and not grown[14, 8]
    assert (moved & ~grown).sum() > 60 and page.faults == []
    changed = abs(picture(page, ".smalls figure:nth-child(2)") - feedforward).max(-1) > 30
    assert changed.sum() > 40  # it answers each image anew


@pytest.mark.slow
def test_a_switch_is_flipped_in_the_diagram_while_it_runs_and_leaves_a_ghost(open_live):
    page = open_live()
    until_step(page, 10)
    assert "first run" in page.locator(".plane-note").inner_text()
    loop = page.locator(".box.loop")
    loop.click()
    assert loop.get_attribute("aria-checked") == "false"
    assert "v̂ is zero" in page.locator(".explain").inner_text()
    before = step(page)
    until_step(page, before + 4)
    assert playing(page) and "Grey" in page.locator(".plane-note").inner_text()
    page.keyboard.press("Escape")
    page.locator(".first .loop").click()
    assert loop.get_attribute("aria-checked") == "true"


@pytest.mark.slow
def test_time_is_stopped_stepped_pulled_back_and_gone_on_from(open_live):
    page = open_live()
    until_step(page, 12)
    page.locator(".play").click()
    assert not playing(page)
    controls(page)
    n = eventually(lambda: step(page))
    page.get_by_role("button", name="Step ▶").click()
    until_step(page, n + 1)
    late = marked(page).sum()
    slide(page, ".past", 2)
    eventually(lambda: step(page), lambda found: found == 2)
    assert marked(page).sum() < late - 100 and "Looking back" in page.locator(".hint").inner_text()
    page.locator(".play").click()
    eventually(lambda: step(page), lambda found: 4 <= found < 12)
    page.get_by_role("button", name="Start again").click()
    eventually(lambda: clock(page), lambda found: found <= 3)
    assert page.faults == []


@pytest.mark.slow
def test_drawn_walled_rubbed_sprayed_it_comes_back_by_its_link(open_live):
    page = open_live(reduced_motion="reduce")
    assert not playing(page) and page.locator(".play").inner_text() == "▶ Play"
    controls(page)
    for _ in range(8):
        page.get_by_role("button", name="Step ▶").click()
        page.wait_for_timeout(30)
    until_step(page, 8)
    page.locator(".tool").select_option("wall")
    drag(page, (26, 30), (40, 30))
    page.locator(".tool").select_option("draw")
    drag(page, (5, 2), (5, 20))
    page.locator(".tool").select_option("spray")
    drag(page, (44, 4), (44, 12))
    assert marked(page)[12, 24:34].sum() > 7
    page.locator(".tool").select_option("rub")
    drag(page, (12, 24), (12, 34))
    eventually(lambda: marked(page)[12, 24:34].sum(), lambda found: found < 3)
    slide(page, ".sigma", 0.3)
    page.locator(".sigma").dispatch_event("change")
    told(page)
    link = page.url.split("?")[1]
    assert all(f"{name}=" in link for name in ("drawn", "sprayed", "noise_sd")) and "cue_at" not in link
    again = open_live(f"?{link}", reduced_motion="reduce")
    assert step(again) == 0 and not playing(again)
    slide(again, ".sigma", 0.4)  # from here it writes its own link, of the drawings that it read
    again.locator(".sigma").dispatch_event("change")
    told(again)
    assert again.url.split("?")[1] == link.replace("noise_sd=0.3", "noise_sd=0.4")
    assert page.faults == [] and again.faults == []


@pytest.mark.thorough
def test_where_the_engine_cannot_run_one_sentence_leads_to_explore(new_context, url):
    page = watched(new_context())
    page.add_init_script("delete window.Worker")
    page.goto(url)
    said = page.locator(".live .refused")
    said.wait_for()
    assert "could not be started" in said.inner_text() and not page.locator(".scene").is_visible()
    said.get_by_role("link", name="Explore").click()
    page.wait_for_selector(".player[data-run]")
    assert "/explore" in page.url


def test_it_is_saved_as_one_file_that_runs_without_a_network(open_live, new_context, tmp_path):
    page = open_live("?v=1&noise_sd=0.3&cue_at=[14,8]", reduced_motion="reduce")
    controls(page)
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save as one HTML file").click()
    path = tmp_path / "live.html"
    caught.value.save_as(path)
    alone = watched(new_context(offline=True))
    alone.goto(f"file://{path}")
    alone.wait_for_selector(WOKEN)
    until_step(alone, 12)
    assert marked(alone)[14, 8] and "0.30" in alone.locator(".sigma-text").inner_text()
    assert not alone.locator(".worlds").is_visible() and alone.faults == []


@pytest.mark.parametrize(
    "size, theme",
    forms(itertools.product([(1440, 900), (390, 844)], ["light", "dark"]), slow=[((390, 844), "dark")]),
)
def test_mask_and_path_stand_above_the_fold_and_all_can_be_read_and_touched(open_live, size, theme):
    page = open_live(width=size[0], height=size[1], theme=theme, has_touch=size[0] < 640)
    until_step(page, 6)
    phone = size[0] < 640
    boxes = {one: page.locator(one).bounding_box() for one in (".hero canvas.picture", "canvas.plane")}
    assert all(box["y"] + box["height"] <= size[1] for box in boxes.values())
    assert phone or boxes[".hero canvas.picture"]["height"] >= 420
    assert phone or page.locator(".box.softmax").bounding_box()["y"] < size[1]
    controls(page)
    assert page.evaluate(CONTRAST) == []
    assert page.locator("[data-testid=stMain]").evaluate("e => e.scrollWidth <= e.clientWidth")
    if phone:
        small = (
            "e => { const { width, height } = e.getBoundingClientRect(); return Math.min(width, height); }"
        )
        for one in page.locator(".live :is(button, select, label):visible").all():
            assert one.evaluate(small) >= 40, one.evaluate("e => e.outerHTML")


@pytest.mark.slow
def test_a_finger_drags_the_dot_and_a_tap_moves_it(open_live):
    page = open_live(width=390, height=844, has_touch=True, reduced_motion="reduce")
    before = page.locator(".said").inner_text()
    page.touchscreen.tap(*place(page, 14, 8))
    eventually(lambda: page.locator(".said").inner_text(), lambda said: said != before)
    assert "row 15, column 9" in page.locator(".said").inner_text()
    page.locator(".hero canvas.picture").press("ArrowRight")
    eventually(lambda: page.locator(".said").inner_text(), lambda said: "row 15, column 10" in said)


@pytest.mark.thorough
@pytest.mark.parametrize("query", ["?v=1&task=grouping&sigma=0.4", "?lesson=erase&layer=error"])
def test_an_old_link_of_the_bare_address_opens_explore(new_context, url, query):
    page = watched(new_context(reduced_motion="reduce"))
    page.goto(f"{url}/{query}")
    page.wait_for_selector(".player[data-run]")
    eventually(lambda: page.url, lambda found: "/explore?" in found)
    assert query.split("&")[-1] in page.url
