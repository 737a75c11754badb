"""Learn in a real browser: by keyboard alone, and gone on with in another visit."""

import re

import pytest
from served import at_rest, eventually, watched

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_guess_by_keyboard_is_answered_and_another_visit_goes_on_from_it(new_context, url):
    context = new_context(width=390)
    page = watched(context)
    page.goto(f"{url}/learn")
    page.get_by_role("button", name="Show the answer").focus()
    page.keyboard.press("Enter")
    eventually(lambda: page.get_by_text("updates r is at").count())
    eventually(lambda: page.evaluate("location.href"), lambda found: "guesses" in found)
    page.get_by_role("button", name=re.compile(r"^Next\b")).focus()
    page.keyboard.press("Enter")
    eventually(lambda: page.evaluate("location.href"), lambda found: "at=2" in found)
    at_rest(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not page.locator("dt").first.is_visible()
    page.get_by_role("link", name="δ", exact=True).click()
    row = page.locator("dt", has_text="δ, δ̃")
    eventually(lambda: row.is_visible() and 0 < row.bounding_box()["y"] < 1100)
    page.goto(f"{url}/learn?v=1&at=8")
    picture = page.get_by_role("application")
    picture.click(position={"x": 5, "y": 5})
    for key in ("ArrowDown", "ArrowRight", "Shift+ArrowRight"):
        picture.press(key)  # and no lesson is turned to
    assert picture.get_by_text("Row 4, column 5 of 48").count()
    page.get_by_role("button", name="Show the answer").focus()  # which Python hears of before the press
    page.keyboard.press("Enter")
    eventually(lambda: page.get_by_text("row 4, column 5").count())
    page.goto(f"{url}/learn?v=1&at=2")
    eventually(lambda: page.get_by_text("Lesson 2 of").count())
    again = watched(context)
    again.goto(f"{url}/learn")
    eventually(lambda: again.get_by_text("Lesson 2 of").count())
    assert not page.faults and not again.faults
