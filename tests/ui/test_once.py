"""What visitors share is made once, and no message of a browser empties it."""

import ast
import threading
import time
from pathlib import Path

import pytest
import streamlit as st

from pages.ui.once import once, recent

PAGES = Path(__file__).resolve().parents[2] / "pages"


@pytest.mark.parametrize("kept", [once, recent(1)])
def test_made_once_whoever_asks_and_again_once_cleared(kept):
    made, gate = [], threading.Barrier(4)

    @kept
    def slow():
        time.sleep(0.02)
        made.append(object())
        return made[-1]

    def ask():
        gate.wait()
        slow()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and slow() is made[0]
    slow.clear()
    assert slow() is made[1]
    slow.clear()


def test_the_results_asked_for_last_are_kept_by_the_arguments_that_count():
    made = []

    @recent(2)
    def square(n, power=2, _told=None):
        made.append(n)
        return n**power

    assert square(3, _told="a") == square(n=3, power=2, _told="b") == 9 and made == [3]
    square(4), square(3), square(5)
    assert square(3) == 9 and made == [3, 4, 5]
    square(4)
    assert made == [3, 4, 5, 4]
    square.clear(4)
    square(3), square(4)
    assert made == [3, 4, 5, 4, 4]
    square.clear()
    square(3)
    assert made[-1] == 3


def test_what_is_held_outlives_the_message_that_clears_streamlits_caches():
    @once
    def held():
        return object()

    @recent(1)
    def known():
        return object()

    before = held(), known()
    st.cache_data.clear()  # all that the message does
    st.cache_resource.clear()
    assert (held(), known()) == before
    held.clear()


def test_nothing_is_kept_where_any_browser_can_empty_it():
    names = {
        (path.name, node.attr)
        for path in PAGES.rglob("*.py")
        if "cache_" in (text := path.read_text("utf-8"))  # few are: reading the others takes seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr in ("cache_data", "cache_resource")
    }
    assert not names
