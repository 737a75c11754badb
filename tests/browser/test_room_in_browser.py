"""A room in real browsers: a teacher and two phones, each a browser of its own."""

import re

import pytest
from served import at_rest, eventually, watched

from pages.learn.course import COURSE

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def opened(new_context, address, **options):
    page = watched(new_context(**options))
    page.goto(address)
    at_rest(page)
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def shows(page, words):
    eventually(lambda: page.get_by_text(words).count())


def test_a_teacher_and_two_phones(new_context, url):
    teacher = opened(new_context, f"{url}/learn?v=1&at=3")
    teacher.get_by_text("For a class").click()
    press(teacher, "Open a room for this question")
    code = eventually(lambda: teacher.locator(".room-code").all_inner_texts())[0]
    assert re.fullmatch("[A-Z]{4}", code)
    box = teacher.locator(".room-qr").bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1) and box["width"] > 120
    address = f"{url}/learn?room={code}"
    phones = [opened(new_context, address, width=390, height=844) for _ in range(2)]
    options = COURSE[2].options
    for phone, option in zip(phones, options[1:]):
        phone.get_by_text(option, exact=True).click()
        press(phone, "Send")
        shows(phone, "Sent: ")
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    shows(teacher, "2 answers to lesson 3")
    assert not any(page.locator(".answers").count() for page in (teacher, *phones))
    phones[0].reload()  # as a phone does by itself: it is still the same one
    shows(phones[0], "Sent: ")
    press(teacher, "Show the answers")
    for page in (teacher, *phones):
        rows = eventually(lambda page=page: page.locator(".answers li b").all_inner_texts())
        assert rows == ["0", "1", "1"]
    for phone, option in zip(phones, options[1:]):
        assert option in phone.locator(".answers li", has_text="you").inner_text()
    # a second tab of the teacher's browser steers the room, another browser does not
    again = watched(teacher.context)
    again.goto(f"{url}/learn?v=1&at=4")
    eventually(lambda: again.locator(".room-code").count())
    assert code not in teacher.url and code not in again.url
    stranger = opened(new_context, teacher.url)
    assert stranger.locator(".room-code").count() == 0
    press(again, "Ask lesson 4")
    for phone in phones:
        shows(phone, COURSE[3].title)
    press(again, "Close the room")
    for phone in phones:
        shows(phone, "There is no room")
    eventually(lambda: teacher.locator(".room-code").count(), lambda count: count == 0)
    assert not any(page.faults for page in (teacher, again, stranger, *phones))
