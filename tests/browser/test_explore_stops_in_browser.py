"""Stop by itself: where playing comes to rest, and that nothing is lost by it."""

import pytest
from explorer import another_payload, go, payload, reference, settle, shape, shows, step, summary

from fbseg_core.rollout.halting import AUTO

pytestmark = pytest.mark.browser


def stop_of(result):
    return int(AUTO.stop(result.trajectory)[0])


@pytest.mark.slow
def test_playing_rests_at_the_marked_step_and_what_follows_can_still_be_seen(open_page):
    page = open_page("?task=grouping&image=1&auto=true&T=20", reduced_motion="no-preference")
    result = reference("grouping-feedback", image=1, steps=20)
    stop = stop_of(result)
    assert 1 < stop < 20 and step(page) == stop  # it played on load
    assert f"stopped at t = {stop}, {AUTO.reason};" in page.locator(".auto").inner_text()
    line, flag = page.locator(".time").bounding_box(), page.locator(".flag").bounding_box()
    share = (flag["x"] + flag["width"] / 2 - line["x"] - 8) / (line["width"] - 16)
    assert share * 20 == pytest.approx(stop, abs=0.1)
    film, veil = page.locator(".film").bounding_box(), page.locator(".beyond").bounding_box()
    assert (veil["x"] - film["x"]) / film["width"] * 21 == pytest.approx(stop + 1, abs=0.1)
    assert page.locator("svg.over-time line.stop").count() == 1
    go(page, 20)
    assert shows(page, "run", shape(result, 20)) and summary(page).startswith("Step 20 of 20")
    page.locator(".speed").select_option("4")
    page.locator(".transport .play").click()  # from the end it plays again, and rests there again
    page.wait_for_selector(f".player[data-t='{stop}'][data-playing=false]")
    assert step(page) == stop and shows(page, "run", shape(result, stop))
    page.wait_for_function("!location.search.includes('&t=')")  # where it rests needs no word in the link
    go(page, stop + 1)
    page.locator(".transport .play").click()  # past the stop it plays on
    page.wait_for_selector(".player[data-t='20'][data-playing=false]")
    assert page.faults == []


@pytest.mark.thorough
def test_the_toggle_takes_a_run_at_rest_to_its_stop_and_back(open_page):
    page = open_page("?task=grouping&image=1")
    assert step(page) == 10 and page.locator(".auto").is_hidden() and page.locator(".flag").is_hidden()
    stop = stop_of(reference("grouping-feedback", image=1))
    for want in (stop, 10):
        before = payload(page)
        page.get_by_text("Stop by itself", exact=True).click()
        another_payload(page, before)
        settle(page)
        assert step(page) == want
    page.wait_for_function("!location.search.includes('auto')")
    assert page.faults == []


@pytest.mark.thorough
def test_a_run_that_is_not_stopped_says_so_and_plays_to_its_end(open_page):
    page = open_page("?task=grouping&auto=true&T=3", width=390, height=844)
    assert step(page) == 3 and "not stopped within 3 steps" in page.locator(".auto").inner_text()
    assert page.locator(".flag").is_hidden() and page.locator(".beyond").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
