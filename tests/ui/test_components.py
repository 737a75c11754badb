"""Components in plain JavaScript: what Streamlit knows them by."""

from importlib import import_module

import pytest

from pages.ui.web import component

MADE = (
    "engine.carrier", "explore.offered", "explore.player", "few_shot.gallery", "few_shot.live_charts",
    "live.stage", "predictive.stage", "stability.race",
)  # fmt: skip


def test_each_has_a_name_of_its_own_whichever_screens_are_opened():
    for name in MADE:  # a name that another component has is refused
        import_module(f"pages.{name}")


def test_a_name_is_one_component_s():
    component("of a test", "<p>\n</p>", css=(), js=("decode",), base=False)
    component("of a test", "<p>\n</p>", css=(), js=("decode",), base=False)  # its module is loaded anew
    with pytest.raises(ValueError, match="two are called 'of a test'"):
        component("of a test", "<p>\n</p>", css=(), js=("decode", "charts"), base=False)
