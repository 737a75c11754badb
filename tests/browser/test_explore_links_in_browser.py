"""Explore in a real Chromium: what a link brings back, hides or is refused for, and what can be saved."""

import json
import re

import pytest
from explorer import (
    another_run,
    go,
    pixels,
    reference,
    run_id,
    settle,
    shape,
    shows,
    shows_soon,
    step,
    summary,
)

pytestmark = pytest.mark.browser


@pytest.mark.slow
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


@pytest.mark.thorough
def test_a_hostile_or_stale_link_gives_defaults_and_one_notice(open_page):
    page = open_page("?sigma=1e400&task=%3Cscript%3Ealert(1)%3C/script%3E&do=paint,mask:AA,t:2~perturb,t:1e9")
    assert summary(page).startswith("Step 10 of 10")
    alerts = page.locator("[data-testid=stAlert]")
    assert alerts.count() == 1 and "defaults are shown" in alerts.inner_text()
    assert shows(page, "run", shape(reference("shapes-feedback"), 10))
    assert page.faults == []


@pytest.mark.thorough
def test_a_teacher_link_hides_what_it_says(open_page):
    hidden = ["models", "switches", "layers", "interventions", "draw", "export", "plane"]
    page = open_page(f"?task=grouping&hide={json.dumps(hidden)}")
    for selector in (".layer", ".acts", ".draw-tools", ".plane-figure", ".save"):
        assert not page.locator(selector).is_visible(), selector
    for text in ("Comparison", "Exponential decay", "Take it along"):
        assert page.get_by_text(re.compile(text)).count() == 0
    assert page.locator(".sigma").is_visible() and page.get_by_text("Image seed").count() == 1
    page.get_by_role("button", name="Reset everything").click()
    page.wait_for_function("!location.search.includes('task')")
    settle(page)
    assert "hide" in page.evaluate("location.search")  # a reset does not unhide
    hidden = ["models", "image", "noise", "switches", "numbers", "lesson"]
    page.set_viewport_size({"width": 1920, "height": 1100})
    page.goto(f"{page.url.split('?')[0]}?hide={json.dumps(hidden)}")
    page.locator("svg.plane circle.point").first.wait_for(state="attached")
    settle(page)
    assert page.locator("svg.plane").bounding_box()["width"] < 700
    assert page.locator("[data-testid=stSidebar]").count() == 0
    assert page.get_by_role("button", name="Reset everything").is_visible()


@pytest.mark.thorough
def test_reset_brings_back_the_defaults_and_an_empty_link(open_page):
    page = open_page("?lesson=late-perturbation&layer=error")
    page.get_by_role("button", name="Reset everything").click()
    page.wait_for_function("location.search === ''")
    settle(page)
    assert page.locator(".panel.ghost").count() == 0
    assert shows(page, "run", shape(reference("shapes-feedback"), 10))


@pytest.mark.slow
def test_back_and_forward_go_there_however_soon(open_page):
    page = open_page("?task=grouping")
    first = run_id(page)
    page.get_by_role("button", name="New").first.click()
    page.wait_for_function("location.search.includes('image=1')")
    page.go_back()  # within a second of the change
    page.wait_for_selector(f".player[data-run='{first}']")
    settle(page)
    page.wait_for_function("!location.search.includes('image=1')")
    shows_soon(page, "run", shape(reference("grouping-feedback"), step(page)))
    page.go_forward()
    another_run(page, first)
    page.wait_for_function("location.search.includes('image=1')")
    settle(page)
    shows_soon(page, "run", shape(reference("grouping-feedback", image=1), step(page)))
    assert "image=1" in page.url


@pytest.mark.slow
def test_frame_and_files_can_be_saved(open_page, tmp_path):
    page = open_page("?task=grouping")
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save frame").click()
    from PIL import Image

    path = tmp_path / "frame.png"
    caught.value.save_as(path)
    assert Image.open(path).size[0] > 4 * 384
    page.get_by_text("Take it along").click()
    files = {
        "Curves": b"t,model_f1",
        "Trajectory": b"PK",
        "Animation (PNG)": b"\x89PNG",
        "Animation (GIF)": b"GIF8",
    }
    for label, start in files.items():
        with page.expect_download() as caught:
            page.get_by_role("button", name=label).click()
        caught.value.save_as(path)
        assert path.read_bytes().startswith(start)
    assert page.faults == []
