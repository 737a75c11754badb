"""Explore's links by AppTest: what one opens, what is refused in one sentence, what a teacher's hides."""

import json

import pytest
from driven import explore as app
from driven import link, sound
from received import header

from fbseg_core import ConfigError
from pages.explore.run import scene_of
from pages.explore.state import ExploreState
from pages.ui import models


def test_a_link_opens_its_task_seed_and_switches():
    at = app(task="grouping", image="7", loop="false", T="5")
    assert at.slider(key="explore-image").value == 7
    assert not at.toggle(key="explore-loop").value
    assert header(at)["steps"] == 5


KEYS = ["task", "T", "image", "loop", "do", "cue", "drawing", "hide", "layer"]
BAD = ["-1", "1e99", "1e400", "inf", "nan", "<script>", "x" * 5000, "🔥", "null", "[]"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("key", KEYS)
def test_a_hostile_link_is_refused_or_says_a_default(key, bad):
    try:
        view = ExploreState.from_link({key: bad}, {})
        scene_of(view, models.cards())
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert view == ExploreState() and (key, bad) in {("T", "null"), ("cue", "null"), ("hide", "[]")}


@pytest.fixture(scope="module")
def default_run():
    return header(app())["run"]


@pytest.mark.parametrize("key, bad", zip(KEYS, BAD))
def test_hostile_links_give_defaults_and_one_notice(key, bad, default_run):
    at = app(**{key: bad})
    assert len(at.warning) == 1 and "defaults are shown" in at.warning[0].value
    assert header(at)["run"] == default_run


@pytest.mark.parametrize(
    "bad",
    [
        {"t": "nan"}, {"v": "99", "task": "grouping"}, {"shapes-sigma": "1"}, {"do": "boom"},
        {"drawing": "A" * 9000}, {"drawing": "AAAA"}, {"cue": "[99999,1]", "task": "grouping"},
        {"hide": '["x"]'}, {"lesson": "none"}, {"model": "../../etc/passwd"}, {"image": "9" * 3000},
    ],
)  # fmt: skip
def test_a_stale_link_gives_defaults_and_one_notice(bad, default_run):
    at = app(**bad)
    assert len(at.warning) == 1 and "defaults are shown" in at.warning[0].value
    assert header(at)["run"] == default_run


def test_reset_brings_the_defaults_back_but_a_teacher_s_choice_stays():
    at = app(task="grouping", decay="false", hide='["numbers"]')
    next(b for b in at.button if b.label == "Reset everything").click().run()
    sound(at)
    assert link(at) == {"v": "1", "hide": '["numbers"]'}
    assert [e.label for e in at.expander] == ["Take it along: files, code, links"]


def test_a_sidebar_with_nothing_of_use_is_not_shown_and_the_way_back_stays():
    parts = ["models", "image", "noise", "switches", "numbers"]
    assert len(app(hide=json.dumps(parts[:-1])).sidebar) > 1
    at = app(hide=json.dumps(parts), task="grouping", image="2", cue="[0,0]")
    assert len(at.sidebar) == 0
    assert header(at)["cueNote"].startswith("The cue stands on background")
    next(b for b in at.button if b.label == "Reset everything").click().run()
    assert set(link(sound(at))) == {"v", "hide"}


def test_the_teacher_link_is_made_from_what_is_chosen():
    at = app(task="grouping")
    at.multiselect(key="teacher").set_value(["plane", "noise"]).run()
    sound(at)
    assert "hide=%5B%22plane%22%2C%22noise%22%5D" in at.code[2].value and "task=grouping" in at.code[2].value


def test_a_presentation_has_no_sidebar_and_keeps_to_itself_through_a_lesson():
    at = app(presented="true", hide='["export"]')
    assert not at.sidebar.children and not at.title and not at.expander
    at.selectbox(key="explore-lesson").set_value("loop-nothing").run()
    assert link(sound(at)) == {
        "v": "1", "lesson": "loop-nothing", "presented": "true", "hide": '["export"]',
    }  # fmt: skip
    next(button for button in at.button if button.label == "Leave (Esc)").click().run()
    assert sound(at).sidebar.children and link(at) == {
        "v": "1", "lesson": "loop-nothing", "hide": '["export"]',
    }  # fmt: skip
