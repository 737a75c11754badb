"""The time left is told from the pace on this machine, and not before there is one."""

import re
from pathlib import Path

from pages.ui.pace import Pace

PAGES = Path(__file__).resolve().parents[2] / "pages"


def test_the_time_left_follows_from_what_was_done_in_the_time_taken():
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.left(0.5) == ""  # no time has passed
    now[0] = 10.0
    assert pace.left(0.5) == "; at this pace up to 10 s more"
    now[0] = 90.0
    assert pace.left(0.9) == "; at this pace up to 10 s more"
    assert pace.left(0.1) == ""  # the next thing begins
    now[0] = 100.0
    assert pace.left(0.3) == "; at this pace up to 35 s more"


def test_too_small_a_share_tells_nothing():
    now = [0.0]
    pace = Pace(lambda: now[0])
    now[0] = 30.0
    assert pace.left(0.01) == ""


def test_no_screen_promises_a_time_that_was_not_measured():
    """A number of seconds or minutes on a screen is computed, never written out."""
    promise = re.compile(r"\b(a|an|one|two|few|some|\d+) (second|minute|hour)s?\b|\bseconds? or\b", re.I)
    for file in PAGES.rglob("*.py"):
        code = re.sub(r'"""[\s\S]*?"""|#.*', "", file.read_text())  # comments and docstrings are no screens
        found = [text for text in re.findall(r'"[^"\n]*"', code) if promise.search(text)]
        assert not found, (file.name, found)
