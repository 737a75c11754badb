"""Few-shot lab: what a run is set up from, and what is told before it starts."""

import json

import numpy as np
import pytest
from few_shot_lab import STRANGER, app, sound, until, view
from received import header

from fbseg_core.rollout.interventions import pack_mask
from pages.few_shot import computed
from pages.few_shot.state import FewShotState, job_of, runs_of
from pages.ui import screen

# one worker drives all runs of the lab: they share a pool, and the run that these tests begin with takes long
pytestmark = [pytest.mark.xdist_group("few-shot"), pytest.mark.usefixtures("nothing_is_left_running")]


@pytest.mark.thorough
def test_opened_alone_it_asks_nothing_and_measures_what_it_would_cost():
    at = sound(app())
    assert header(at)["own"] == ["", ""] and not at.button(key="start").disabled
    until(at, lambda: any("measured: 20 updates" in caption.value for caption in at.caption))
    assert not at.get("plotly_chart")
    assert view(at).protocol == "paper" and any("**A puzzle.**" in text.value for text in at.markdown)
    assert any("polygons were drawn with corners not jittered" in caption.value for caption in at.caption)
    found = next(box for box in at.expander if box.label.startswith("What we found"))
    assert not found.proto.expanded


@pytest.mark.parametrize(
    "field, value, read",
    [
        ("examples", 3, lambda task, run: run.train.examples),
        ("sigma", 1.0, lambda task, run: task.sigma),
        ("steps", 4, lambda task, run: run.train.steps_max),
        ("tau", 4.0, lambda task, run: run.model.tau),
        ("softmax", False, lambda task, run: run.model.projection != "none"),
        ("decay", False, lambda task, run: run.model.decay != "none"),
        ("seed", 7, lambda task, run: run.train.seed),
        ("updates", 30, lambda task, run: run.train.total),
    ],
)
def test_every_control_reaches_the_run(field, value, read):
    at = app()
    widget = at.toggle if isinstance(value, bool) else at.slider
    widget(key=f"few_shot-{field}").set_value(value).run()
    task, run, _ = runs_of(view(sound(at)))
    assert read(task, run) == value
    assert FewShotState.from_link(view(at).link({}), {}) == view(at)


def test_protocol_and_task_are_chosen_and_reset():
    at = app()
    at.selectbox(key="few_shot-protocol").set_value("matched").run()
    at.selectbox(key="few_shot-task").set_value("grouping").run()
    assert (view(at).protocol, view(at).task) == ("matched", "grouping") and all(header(sound(at))["cues"])
    next(button for button in at.button if button.label == "Reset everything").click().run()
    assert view(sound(at)) == FewShotState()


def test_what_would_take_too_long_is_told_before_the_start():
    at = sound(app(steps="10", updates="2000", seconds="5"))
    until(at, lambda: any("It will be ended after 5 s" in caption.value for caption in at.caption))


def test_only_back_and_forward_take_the_view_from_an_address_that_was_left(monkeypatch):
    at = app(seed="3")
    at.slider(key="few_shot-examples").set_value(4).run()
    at.query_params.clear()
    at.query_params["seed"] = "3"  # a timer's call set out before the new address arrived, however long ago
    at.run()
    assert (view(sound(at)).examples, view(at).seed) == (4, 3)
    monkeypatch.setattr(screen, "travelled", lambda: True)
    at.query_params.clear()
    at.query_params["seed"] = "3"
    at.run()
    assert (view(sound(at)).examples, view(at).seed) == (2, 3)


@pytest.mark.parametrize("mask", [np.zeros((64, 64), bool), np.ones((48, 48), bool)])
def test_a_link_with_a_drawing_that_is_none_gives_defaults(mask):
    at = app(own=json.dumps([f"0.d.{pack_mask(mask)}"]))
    assert view(at) == FewShotState() and "could not be read" in at.warning[0].value


@pytest.mark.parametrize("bad", ["-1", "1e99", "nan", "<script>", "x" * 9000, "🔥", "[]"])
def test_hostile_links_give_defaults(bad):
    at = app(examples=bad, own=bad, job=bad, sigma=bad, protocol=bad)
    assert view(at) == FewShotState() and "could not be read" in at.warning[0].value


def test_a_link_to_a_strangers_run_shows_its_setting_and_says_so():
    job = computed.pool().start(job_of(FewShotState(updates=10, steps=2), {}), STRANGER)
    at = app(job=job, updates="10", steps="2", seed="3")
    assert "not this browser's" in at.warning[0].value and not at.get("plotly_chart")
    assert (view(at).job, view(at).seed) == ("", 3)
    computed.pool().stop(job, STRANGER)
