"""Help says more than the label it stands beside: what a control does to the run, and what to try."""

import re
from html.parser import HTMLParser

import driven
import pytest

from fbseg_core.config import FewShotConfig, GroupingConfig, ModelConfig, ShapesConfig, Switches, TrainConfig
from fbseg_core.settings import settings_of
from pages.explore import player
from pages.explore.state import ExploreState
from pages.few_shot.state import FewShotState
from pages.stability.state import StabilityState
from pages.your_data.state import YourDataState

SETTINGS = (Switches, ModelConfig, ShapesConfig, GroupingConfig, TrainConfig, FewShotConfig)
OPENS = {"Lesson", "Preset", "Your runs"}  # menus of what is on show
PAGES = {"pages/explore/page.py": {}, "pages/stability/page.py": {"T": "12"}, "pages/few_shot/page.py": {}}


def words(text):
    return set(re.findall(r"\w+", text.lower().replace("_", " ")))


def tells(text, label):
    """Whether it is at least a sentence, and not one made of the label."""
    return text.endswith((".", "?")) and len(words(text) - words(label)) >= 6


@pytest.mark.parametrize("config", SETTINGS)
def test_no_setting_s_help_is_its_name_over_again(config):
    for setting in settings_of(config).values():
        assert setting.name == "name" or words(setting.help) - words(setting.name), setting


@pytest.mark.parametrize("screen", [ExploreState, StabilityState, FewShotState, YourDataState])
def test_every_number_and_switch_of_a_screen_has_a_sentence_of_help(screen):
    drawn = {"layer", "channel", "against", "plane", "points", "chart", "curve", "t"}  # by the player
    for setting in settings_of(screen).values():
        if setting.help and not (screen is ExploreState and setting.name in drawn):
            assert tells(setting.help, setting.name), (setting.name, setting.help)


@pytest.mark.parametrize("file", PAGES)
def test_every_slider_toggle_and_choice_on_a_screen_says_what_it_does(file):
    at = driven.app(file, **PAGES[file])
    shown = [*at.slider, *at.toggle, *at.radio, *(menu for menu in at.selectbox if menu.label not in OPENS)]
    assert len(shown) > 5
    for widget in shown:
        assert tells(widget.proto.help, widget.label), (widget.label, widget.proto.help)


class Titles(HTMLParser):
    """Label and title of every menu and slider of the player."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag in ("select", "input"):
            attrs = dict(attrs)
            self.found.append((attrs["aria-label"], attrs.get("title", "")))


def test_the_player_s_menus_sliders_and_interventions_say_what_they_do():
    parser = Titles()
    parser.feed((player.HERE / "player.html").read_text())
    script = (player.HERE / "interventions.js").read_text()
    hints = re.findall(r'^  "([^"]+)": "([^"]+)",$', script, re.M)
    assert len(parser.found) == 12 and len(hints) == 12
    for label, title in parser.found + hints:
        assert tells(title, label), (label, title)
    for text, _ in hints:  # each belongs to a button
        assert script.count(f'"{text}"') >= 2
