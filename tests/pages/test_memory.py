import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import streamlit as st
import torch
from driven import ROOT, app, explore
from streamlit.delta_generator import DeltaGenerator
from streamlit.testing.v1 import AppTest

from fbseg_core.tasks import Content
from pages.explore import computed as explore_computed
from pages.explore import exports
from pages.explore.run import scene_of
from pages.explore.state import ExploreState
from pages.few_shot import computed, kept_uploads
from pages.stability import computed as stability_computed
from pages.stability.state import StabilityState, variants_of
from pages.ui import models, server
from pages.ui.memo import size_of


def handed_over(monkeypatch):
    """What is given to Streamlit's download buttons."""
    given = []
    plain = DeltaGenerator.download_button

    def button(self, label, data, *more, **options):
        given.append(data)
        return plain(self, label, data, *more, **options)

    monkeypatch.setattr(DeltaGenerator, "download_button", button)
    monkeypatch.setattr(st, "download_button", lambda *args, **options: button(st._main, *args, **options))
    return given


def test_a_visitor_on_explore_holds_on_to_no_run_and_can_still_take_it_along(monkeypatch):
    given = handed_over(monkeypatch)
    at = explore(T="7", do="swap,t:2,seed:3")
    scene = scene_of(ExploreState(T=7, do=at.session_state["explore/view"].do), models.cards())
    before = exports.table(*explore_computed.runs(scene))
    held = weakref.ref(explore_computed.run(scene).trajectory.h)
    server.memo().clear()
    gc.collect()
    assert held() is None
    assert next(make() for make in given if callable(make)) == before  # made again


@pytest.mark.slow
def test_a_visitor_in_the_stability_lab_holds_on_to_no_run(monkeypatch):
    given = handed_over(monkeypatch)
    app("pages/stability/page.py", {"stability-files": True}, T="12")
    variant = variants_of(StabilityState(T=12), models.cards())["neither"]
    held = weakref.ref(stability_computed.walk_of(variant).clocked.sample)
    server.memo().clear()
    gc.collect()
    assert held() is None and any("neither" in str(make()) for make in given if callable(make))


@pytest.mark.slow
def test_a_whole_default_screen_fits_into_what_is_kept():
    server.memo().clear()
    explore()
    app("pages/stability/page.py")
    explore()
    kept = server.memo().held()
    assert all(0 < held <= server.BUDGET[shelf] for shelf, (_, held) in kept.items())
    assert (
        kept["runs"][0] == 1
        and size_of(explore_computed.run(scene_of(ExploreState(), models.cards()))) < 2**24
    )


def test_uploads_are_bounded_in_bytes_and_the_oldest_go():
    kept_uploads.kept().clear()
    try:
        for number in range(9):
            clean = torch.zeros(1, 3, 512, 512)
            computed.keep_upload(str(number), Content(clean, torch.zeros(1, 512, 512, dtype=torch.int64)))
        assert list(computed.uploads())[-1] == "8" and "0" not in computed.uploads()
        assert size_of(dict(computed.uploads())) <= kept_uploads.EACH.size + 2**16
    finally:
        kept_uploads.kept().clear()


def test_a_place_that_waits_gives_way_to_a_stop():
    def script():
        import streamlit as st
        from streamlit.runtime.scriptrunner import StopException, get_script_run_ctx

        from pages.ui import visitor

        state = get_script_run_ctx().session_state

        def stop():
            object.__setattr__(state, "_yield_callback", lambda: None)
            raise StopException

        st.text("began")
        object.__setattr__(state, "_yield_callback", stop)
        visitor.heed()
        st.text("went on")

    assert [text.value for text in AppTest.from_function(script).run().text] == ["began"]


# In a process of its own: one that has run other tests holds free memory to take from.
FREED = """
import os
from pathlib import Path

import numpy as np

from fbseg_core.memory import give_back_freed_memory, trim


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


give_back_freed_memory()
before = resident()
small = [np.ones(2**13) for _ in range(1000)]  # 64 kB each: from the pool
apart = [np.ones(1000) for _ in small]
taken = resident() - before
del small
trim()
print(taken > 50e6, resident() - before < 25e6, len(apart))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read as Linux tells it")
def test_freed_memory_is_given_back():
    done = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "1000"]
