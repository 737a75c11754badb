"""A presentation in a real browser: text for the back of the room, and the keys of a remote."""

from urllib.parse import urlencode

import pytest
from served import at_rest, eventually, watched

from pages.learn.course import COURSE
from pages.learn.state import LearnState

pytestmark = pytest.mark.browser
LEAST = 24  # px, on a screen of 1920 × 1080

# Every piece of text on the page that is smaller, charts and what the components draw included.
SMALL = """least => {
  const found = [];
  const sizeOf = (element) => {
    const size = parseFloat(getComputedStyle(element).fontSize);
    const matrix = element.ownerSVGElement ? element.getScreenCTM() : { a: 1, b: 0 };
    return size * Math.hypot(matrix.a, matrix.b);
  };
  const search = (root) => {
    const all = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let one = all.nextNode(); one; one = all.nextNode()) {
      if (one.shadowRoot) search(one.shadowRoot);
      const element = one.parentElement;
      if (one.nodeType !== Node.TEXT_NODE || !one.textContent.trim()) continue;
      if (!element || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const range = document.createRange();
      range.selectNodeContents(one);
      const box = range.getBoundingClientRect();
      const seen = box.width > 1 && box.height > 1;
      if (seen && sizeOf(element) < least - 0.01) found.push([sizeOf(element), one.textContent.trim()]);
    }
  };
  search(document.body);
  return found;
}"""


def opened(new_context, address):
    page = watched(new_context(width=1920, height=1080, reduced_motion="reduce"))
    page.goto(address)
    at_rest(page)
    return page


def shows(page, words):
    eventually(lambda: page.get_by_text(words).count())


@pytest.mark.slow
def test_a_remote_s_keys_turn_the_course_s_pages_and_escape_ends_it(new_context, url):
    page = opened(new_context, f"{url}/learn?v=1&guesses=[5]&presented=true")
    page.wait_for_selector(".js-plotly-plot .xtick")
    assert page.evaluate(SMALL, LEAST) == []
    assert not page.get_by_test_id("stHeader").is_visible()
    page.get_by_role("slider").first.focus()  # a remote's keys are no control's
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")  # before there is an answer to the first
    shows(page, "Lesson 3 of")
    page.locator("h3").click()
    page.keyboard.press("ArrowLeft")
    shows(page, "Lesson 2 of")
    page.keyboard.press("PageUp")
    shows(page, "Lesson 1 of")
    page.keyboard.press("Escape")
    shows(page, "Learn: guess")
    eventually(lambda: page.evaluate("location.search"), lambda query: "presented" not in query)
    page.get_by_test_id("stHeader").wait_for()
    assert not [fault for fault in page.faults if "/media/" not in fault]  # of lessons that were left
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "16px"


@pytest.mark.thorough
def test_every_answer_of_the_course_fits_a_screen(new_context, url):
    page = opened(new_context, f"{url}/learn?v=1&presented=true")
    too_tall = {}
    for at, lesson in enumerate(COURSE, 1):
        view = LearnState(at=at, presented=True)
        value = next(value for value in range(101) if lesson.takes(value))
        page.goto(f"{url}/learn?{urlencode(view.replace(guesses=view.guessed(value)).link({}))}")
        shows(page, "Simplified:")
        at_rest(page)
        height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight - main.clientHeight")
        too_tall |= {at: height} if height else {}
    assert too_tall == {}


@pytest.mark.thorough
def test_explore_is_presented_with_the_player_s_keys_kept(new_context, url):
    page = opened(new_context, f"{url}/explore?v=1&lesson=loop-everything&presented=true")
    page.wait_for_selector(".player[data-run]")
    page.wait_for_selector(".player svg.plane text")
    assert page.evaluate(SMALL, LEAST) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1920
    assert page.get_by_test_id("stSidebar").count() == 0
    transport = page.locator(".player .timeline").bounding_box()
    assert transport["y"] + transport["height"] <= 1080  # in view with the pictures
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".player[data-t='9']")
    page.keyboard.press("PageDown")
    eventually(lambda: page.evaluate("location.search"), lambda query: "lesson=loop-nothing" in query)
    assert "presented=true" in page.evaluate("location.search")
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-testid=stSidebar]")
    assert not page.faults
