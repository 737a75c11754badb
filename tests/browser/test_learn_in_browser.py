"""Learn in a real browser: by keyboard alone, to the glossary and back, and gone on with in another visit."""

import re

import pytest
from served import at_rest, eventually, watched

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def reads(page, words):
    """Wait until the keyboard stands where a screen reader begins with these words."""
    focused = "document.activeElement.ariaLabel ?? document.activeElement.textContent"
    eventually(lambda: page.evaluate(focused), lambda found: found.startswith(words))


def test_a_guess_by_keyboard_is_answered_and_another_visit_goes_on_from_it(new_context, url):
    context = new_context(width=390)
    page = watched(context)
    page.goto(f"{url}/learn")
    at_rest(page)  # a press while it settles may come to nothing
    page.get_by_role("button", name="Show the answer").focus()
    page.keyboard.press("Enter")
    eventually(lambda: page.get_by_text("updates r is at").count())
    reads(page, "You said 5.0; it is 3.5.")
    page.keyboard.press("Tab")
    reads(page, "Try: ")
    eventually(lambda: page.evaluate("location.href"), lambda found: "guesses" in found)
    page.get_by_role("button", name=re.compile(r"^Next\b")).focus()
    page.keyboard.press("Enter")
    eventually(lambda: page.evaluate("location.href"), lambda found: "at=2" in found)
    at_rest(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not page.locator("dt").first.is_visible()
    term = page.get_by_role("link", name="δ", exact=True)
    for way_back in ("link", "browser"):
        term.press("Enter")
        row = page.locator("dt", has_text="δ, δ̃")
        eventually(lambda row=row: row.is_visible() and 0 < row.bounding_box()["y"] < 1100)
        reads(page, "δ, δ̃")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter") if way_back == "link" else page.go_back()
        reads(page, "δ")
        assert 0 < term.bounding_box()["y"] < 1100
    at_rest(page)
    assert page.get_by_text("Lesson 2 of 11; 1 answered").count()
    page.goto(f"{url}/learn?v=1&at=8")
    at_rest(page)
    picture = page.get_by_role("application")
    picture.click(position={"x": 5, "y": 5})
    for key in ("ArrowDown", "ArrowRight", "Shift+ArrowRight"):
        picture.press(key)  # and no lesson is turned to
    assert picture.get_by_text("Row 4, column 5 of 48").count()
    page.get_by_role("button", name="Show the answer").focus()  # which Python hears of before the press
    page.keyboard.press("Enter")
    reads(page, "You said row 4, column 5; it is row")
    page.goto(f"{url}/learn?v=1&at=2")
    eventually(lambda: page.get_by_text("Lesson 2 of").count())
    again = watched(context)
    again.goto(f"{url}/learn")
    eventually(lambda: again.get_by_text("Lesson 2 of").count())
    assert not page.faults and not again.faults
