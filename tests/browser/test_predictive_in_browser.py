"""The predictive-coding screen in a real browser: it settles, follows the hand, and learns in view."""

import pytest
from served import at_rest, eventually, watched

pytestmark = pytest.mark.browser


@pytest.fixture
def opened(new_context, url):
    def opened(query="", **options):
        page = watched(new_context(**options))
        page.goto(f"{url}/predictive{query}")
        page.wait_for_selector(".predictive[data-ready]")
        return page

    return opened


def told(page, name):
    return page.locator(".predictive").get_attribute(f"data-{name}")


def number(page, selector):
    text = page.locator(selector).first.inner_text()
    return float(next(word for word in text.replace(",", " ").split() if word.replace(".", "").isdigit()))


def test_the_energy_falls_beside_the_papers_loop(opened):
    page = opened("?v=1&source=shapes")
    eventually(lambda: int(told(page, "t") or 0), lambda t: t > 25)
    assert told(page, "rises") == "0"
    assert number(page, ".labelled .f1") > 0.5
    eventually(lambda: page.locator(".loops figcaption span").inner_text(), lambda text: "F1" in text)
    cells = page.locator(".compared tbody tr").nth(3).inner_text()
    assert "lets" in cells and "the last update moved r and s by" in cells
    assert not page.faults


@pytest.mark.slow
def test_what_is_covered_and_cut_moves_the_model_and_stands_in_the_link(opened):
    page = opened("?v=1&source=shapes")
    box = page.locator(".image canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 60, steps=5)
    page.mouse.up()
    assert page.locator(".uncover").is_enabled()
    page.locator(".cut").click()
    eventually(lambda: page.evaluate("location.href"), lambda found: "trust_top=0" in found)
    at_rest(page)
    assert told(page, "rises") == "0" and not page.faults


@pytest.mark.thorough
def test_new_filters_learn_in_view_until_the_button_is_pressed_again(opened):
    page = opened("?v=1&source=shapes", reduced_motion="reduce")
    page.locator(".blank").click()
    page.locator(".teach").click()
    told = lambda: page.locator(".learned").inner_text()  # noqa: E731
    eventually(told, lambda text: text and int(text.split()[0]) > 1)
    page.locator(".teach").click()
    eventually(page.locator(".learning").is_visible)
    assert page.locator(".teach").get_attribute("aria-pressed") == "false"
    last = told()
    page.wait_for_timeout(300)
    assert told() == last and not page.faults


@pytest.mark.slow
def test_by_keyboard_alone_the_image_is_covered_and_an_update_made(opened):
    page = opened("?v=1&source=grouping", reduced_motion="reduce", width=390)
    page.locator(".image canvas").focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    eventually(lambda: page.locator(".uncover").is_enabled())
    page.locator(".single").focus()
    page.keyboard.press("Enter")
    eventually(lambda: told(page, "t"), lambda t: t == "1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
