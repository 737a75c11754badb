"""What the browser sends in another shape, costs that cannot be told, a cookie that is late."""

import importlib

import pytest
from few_shot_lab import ME, STRANGER, app, sound, view

from fbseg_core.settings import ConfigError
from pages.explore.player import requests
from pages.few_shot import computed, gallery
from pages.few_shot.state import FewShotState, examples, job_of
from pages.jobs import JobError
from pages.ui import web

LOOK = ("t", "layer", "channel")
pytestmark = [pytest.mark.xdist_group("few-shot"), pytest.mark.usefixtures("nothing_is_left_running")]


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"redraw": "0"},
        {"redraw": True},
        {"redraw": -1},
        {"redraw": 0, "back": 0},
        {"draw": {}},
        {"draw": [1]},
        {"draw": {"row": 0, "mask": "x"}},
        {"draw": {"row": 0, "mask": "x", "cue": [1]}},
        {"draw": {"row": 0, "mask": "x", "cue": [1.5, 2]}},
        {"draw": {"row": 0, "mask": None, "cue": None}},
        {"erase": 0},
    ],
)
def test_a_wish_of_another_shape_is_refused_in_a_sentence(wish, monkeypatch):
    monkeypatch.setattr(gallery, "asked", lambda key: wish)
    with pytest.raises(ConfigError) as told:
        gallery.wished()
    assert "\n" not in str(told.value)


def test_a_wish_of_the_right_shape_is_read(monkeypatch):
    for wish, expected in (
        ({"redraw": 3}, (3, None, None)),
        ({"back": 0}, (None, 0, None)),
        ({"draw": {"row": 1, "mask": "x", "cue": None}}, (None, None, (1, "x", None))),
        ({"draw": {"row": 1, "mask": "x", "cue": [4, 5]}}, (None, None, (1, "x", (4, 5)))),
    ):
        monkeypatch.setattr(gallery, "asked", lambda key, wish=wish: wish)
        found = gallery.wished()
        drawn = found.draw and (found.draw.row, found.draw.mask, found.draw.cue)
        assert (found.redraw, found.back, drawn) == expected


@pytest.mark.parametrize(
    "wish",
    [
        {"cue": 3},
        {"cue": "12"},
        {"do": None},
        {"do": {"kind": "perturb"}},
        {"do": [3]},
        {"do": [{"kind": "sneeze"}]},
        {"look": None},
        {"look": {"t": 3}},
    ],
)
def test_a_request_of_the_player_of_another_shape_is_refused_in_a_sentence(wish):
    with pytest.raises(ConfigError):
        requests.changes(wish, LOOK)


def test_a_request_of_the_player_is_taken_as_it_is_meant():
    look = dict.fromkeys(LOOK, 1)
    found = requests.changes({"sigma": 1, "cue": [1, 2], "look": look | {"more": 2}, "do": [], "n": 5}, LOOK)
    assert found == {"sigma": 1, "cue": (1, 2), "do": (), **look}
    assert requests.changes({"cue": None, "n": 5}, LOOK) == {"cue": None}


class Noted:
    """What a callback needs of a screen."""

    notes = ()

    def __init__(self, view):
        self.view = view

    def note(self, sentence):
        self.notes = (*self.notes, sentence)


@pytest.mark.parametrize("name, made", [("few_shot", "examples"), ("explore", "scene_for")])
def test_a_fault_of_the_program_surfaces_and_a_refusal_is_a_sentence(name, made, monkeypatch):
    page = importlib.import_module(f"pages.{name}.page")  # runs it once, bare
    view = page.SCREEN.kind()
    monkeypatch.setattr(page, "SCREEN", Noted(view))
    monkeypatch.setattr(gallery, "asked", lambda key: {"back": 0})
    monkeypatch.setattr(web, "asked", lambda key: {"drawing": ""} if name == "explore" else {"back": 0})
    monkeypatch.setattr(type(view), "replace", lambda self, **_: self)
    for error in (KeyError, TypeError, IndexError, ValueError, ConfigError):

        def broken(*_, error=error):
            raise error("put in on purpose")

        monkeypatch.setattr(page, made, broken)
        if error is ConfigError:
            page.take_wish()
            assert "put in on purpose" in page.SCREEN.notes[-1]
        else:
            with pytest.raises(error):
                page.take_wish()
            assert not page.SCREEN.notes


def test_an_upload_that_is_gone_is_told():
    with pytest.raises(ConfigError, match="example 2 is no longer kept"):
        examples(FewShotState(own=(f"1.u.{'0' * 32}",)), {})


def test_a_cost_that_cannot_be_measured_is_told_once_and_the_run_may_be_started(monkeypatch):
    asked = []

    def estimate(spec, wait=0.0):
        asked.append(spec)
        if len(asked) < 3:
            return None
        raise JobError("What this costs here could not be measured: put in on purpose.")

    monkeypatch.setattr(computed.pool(), "estimate", estimate)
    at = app()
    while len(asked) < 3:
        at.run()
    at.run()
    assert [one.value for one in sound(at).caption].count(
        "What this costs here could not be measured: put in on purpose."
    ) == 1
    assert not at.button(key="start").disabled


@pytest.fixture
def stopped(jobs):
    """A run that was stopped, before or after it began."""
    job = computed.pool().start(job_of(FewShotState(updates=10, steps=2), {}), ME)
    computed.pool().stop(job, ME)
    return job


def test_a_run_is_taken_up_again_once_the_browser_has_told_whose_it_is(stopped):
    at = app(owner=STRANGER, job=stopped)  # the cookie had not come with the first request
    assert view(at).job == "" and "not this browser's" in at.warning[0].value
    at.session_state["owner"] = ME
    at.run()
    assert view(sound(at)).job == stopped
    assert at.get("progress")


def test_a_run_whose_folder_cannot_be_read_just_now_stays_in_the_link(stopped, monkeypatch):
    poll = computed.pool().poll

    def refused(*_):
        raise JobError("The run's folder cannot be read (Too many open files); try again.")

    monkeypatch.setattr(computed.pool(), "poll", refused)
    at = app(job=stopped)
    assert view(at).job == stopped and "cannot be read" in at.warning[0].value
    monkeypatch.setattr(computed.pool(), "poll", poll)
    at.run()
    assert view(at).job == stopped and at.get("progress")
