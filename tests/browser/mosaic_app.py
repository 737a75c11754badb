"""Explore with the tests' own tasks in it; with ?old=1 the player, sent a payload of another version."""

import runpy
import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "pages")]

import mosaics  # noqa: E402

mosaics.register()
if "old" in st.query_params:
    from pages.explore import computed
    from pages.explore.player import payload, player
    from pages.explore.run import scene_of
    from pages.explore.state import ExploreState
    from pages.ui import models
    from pages.ui.web import wire

    run = computed.run(scene_of(ExploreState(), models.cards()))
    raw = payload.pack(payload.lay_out(run, run, None, None, fed=False, state=False), {})
    told = f'"version": {wire.VERSION}'.encode()
    assert raw.count(told) == 1
    player(raw.replace(told, f'"version": {wire.VERSION - 1}'.encode()), lambda: None)
else:
    runpy.run_path(str(ROOT / "pages" / "explore" / "page.py"))
