"""Explore by AppTest: it opens with a run, and its controls do what they say."""

import contextlib
import io
import json
import subprocess
import sys

import driven
import numpy as np
import pytest
from driven import PATIENCE, ROOT, link, sound
from driven import explore as app
from received import header, payload
from streamlit.testing.v1 import AppTest

from fbseg_core import CheckpointError, checkpoint
from fbseg_core.experiments.halting_rows import saved
from fbseg_core.experiments.records import path_of, read
from fbseg_core.rollout.halting import AUTO
from fbseg_core.settings import settings_of
from pages.explore.run import choices, tasks
from pages.explore.state import ExploreState
from pages.ui import models


def f1(at, which="run"):
    return header(at)["curves"][which]["f1"]


def test_first_load_has_a_run_with_no_click_in_at_most_700_kB():
    at = app()
    assert header(at)["steps"] == 10 and f1(at)[-1] > 0.9 and f1(at, "comparison")[-1] > 0.9
    assert len(payload(at)) <= 700_000
    assert any("200 fresh images" in caption.value for caption in at.caption)
    assert link(at) == {}


def test_the_router_opens_the_same_page_for_a_link_of_explore_s():
    assert header(driven.app(image="0"))["id"] == header(app())["id"]


@pytest.mark.parametrize("task", ["shapes", pytest.param("grouping", marks=pytest.mark.slow)])
def test_every_switch_changes_the_run_says_so_and_is_in_the_link(task):
    at = app(task=task)
    before = header(at)["run"]
    for key, off in (("loop", False), ("softmax", False), ("decay", False), ("frozen", True)):
        at.toggle(key=f"explore-{key}").set_value(off).run()
        sound(at)
        assert header(at)["run"] != before
        assert any("inference" in info.value for info in at.info)
        assert link(at)["clock" if key == "frozen" else key] in ("false", "0")
        at.toggle(key=f"explore-{key}").set_value(not off).run()
        assert header(at)["run"] == before and not at.info
    for key, value in (("eigenvalue", 0.5), ("T", 7)):
        default = at.slider(key=f"explore-{key}").value
        at.slider(key=f"explore-{key}").set_value(value).run()
        sound(at)
        assert header(at)["run"] != before and key in link(at)
        at.slider(key=f"explore-{key}").set_value(default).run()
        assert header(at)["run"] == before and key not in link(at)


def test_new_noise_and_new_image_draw_again_and_sliders_follow_their_settings():
    at = app()
    seen = {header(at)["run"]}
    for key in ("next-image", "next-noise"):
        at.button(key=key).click().run()
        sound(at)
        seen.add(header(at)["run"])
    assert len(seen) == 3
    slider, setting = at.slider(key="explore-eigenvalue"), settings_of(ExploreState)["eigenvalue"]
    assert (slider.min, slider.max, slider.proto.help) == (setting.lo, setting.hi, setting.help)
    told, setting = header(at)["settings"][0], settings_of(ExploreState)["tau"]
    assert told["range"] == [setting.lo, setting.hi, setting.step] and told["help"] == setting.help
    assert told["field"] == "tau" and told["value"] == told["built"]


def test_a_new_image_takes_off_the_drawing():
    at = app(lesson="unlearned-size")
    assert header(at)["drawn"]
    at.button(key="next-image").click().run()
    assert not header(at)["drawn"] and header(at)["cue"] is None


def test_cut_loop_can_be_compared_with_feedback():
    at = app(task="grouping")
    at.selectbox(key="explore-comparison").set_value("grouping-loop-cut").run()
    sound(at)
    assert header(at)["names"] == ["feedback", "loop cut"] and len(set(f1(at, "comparison"))) > 2


def test_another_task_starts_from_its_own_defaults():
    at = app(lesson="no-decay", layer="error")
    at.selectbox(key="explore-task").set_value("grouping").run()
    sound(at)
    assert link(at) == {"v": "1", "task": "grouping"}


def test_a_task_of_more_than_two_classes_opens_on_the_masks_of_a_typical_image():
    at = app()
    at.selectbox(key="explore-task").set_value("textures").run()
    sound(at)
    assert link(at) == {"v": "1", "task": "textures", "image": "21", "layer": "mask"}


def test_one_model_of_a_task_is_enough_and_one_that_takes_no_steps_is_none():
    alone = {"grouping-feedback": models.cards()["grouping-feedback"]}
    assert choices(alone, "grouping") == (["grouping-feedback"],) * 2
    still = alone | {"shapes-feedforward": models.cards()["shapes-feedforward"]}
    assert tasks(still) == ["grouping"]
    with pytest.raises(CheckpointError, match="takes steps"):
        choices(still, "shapes")


def test_a_model_is_compared_with_one_that_marks_the_same():
    for named, plain in (
        ("digits-feedback", "digits-feedforward"),
        ("digits-whole-feedback", "digits-whole-feedforward"),
    ):
        first, second = choices(models.cards(), "digits", named)
        assert first[0] == "digits-feedback" and named in first and second[0] == plain


def test_models_trained_without_a_mechanism_are_not_offered_with_its_switch_on():
    at = app()
    assert "shapes-no-softmax" in checkpoint.shipped()
    assert at.selectbox(key="explore-model").options == ["shapes-feedback", "shapes-feedback-range"]
    first, *others = at.selectbox(key="explore-comparison").options
    assert first == "shapes-feedforward"
    assert set(others) == {
        f"shapes-{name}" for name in ("feedback-range", "feedforward-range", "feedforward-wide")
    }


@pytest.mark.parametrize(
    ("model", "sigmas"), [("shapes-feedback", [1]), ("shapes-feedback-range", [0.125, 8])]
)
def test_the_noise_of_training_stands_beside_the_noise_on_show(model, sigmas):
    assert header(app(model=model))["trained"] == sigmas


@pytest.mark.thorough
def test_overflow_is_a_warning_and_what_was_reached_is_shown():
    at = app(task="grouping", kernel="fractional", T="20")
    assert "step 12" in at.warning[0].value and header(at)["steps"] == 11
    at = app(eigenvalue="2", T="60", tau="0.1", draws="true", points="regions")
    assert [w.value[:23] for w in at.warning] == ["The run ended early: th"] and header(at)["steps"] < 6
    at.toggle(key="explore-frozen").set_value(True).run()
    at.slider(key="explore-clock").set_value(60).run()
    sound(at)
    assert "step 1." in at.warning[0].value and header(at)["steps"] == 0


def test_an_intervention_that_cannot_act_is_a_warning():
    at = app(task="grouping", do="paint,t:0,mask:eJxjYBgFgwEAAAOAAAE")
    assert len(at.warning) == 1
    at = app(task="grouping", decay="false", do="perturb,t:3,size:2.0")
    assert header(at)["curves"]["ghost"]["f1"][:3] == f1(at)[:3] != f1(at)[3:6]


@pytest.mark.parametrize("what", ["u", "v", "logits"])
@pytest.mark.parametrize("points", ["image", "regions"])
def test_other_parts_of_the_state_have_their_own_plane(what, points):
    plane = header(app(plane=what, points=points))["plane"]
    assert plane["what"] == what and 0 < sum(plane["explained"]) <= 1 + 1e-9
    assert len(plane["run"]) == (2 if points == "regions" else 1) and len(plane["run"][0]) == 11
    assert (plane["comparison"] is not None) == (what == "logits")


def test_sixteen_draws_bring_a_cloud_and_bands():
    sent = header(app(task="grouping", draws="true"))
    assert np.array(sent["plane"]["cloud"]).shape == (1, 16, 11, 2)
    low, high = np.array(sent["bands"]["f1"][1]), np.array(sent["bands"]["f1"][2])
    assert (low <= np.array(sent["curves"]["run"]["f1"]) + 1e-4).all()  # the run itself is the first draw
    assert (high >= np.array(sent["curves"]["run"]["f1"]) - 1e-4).all()
    spread, contraction = sent["bands"]["spread"], sent["bands"]["contraction"]
    assert contraction[5] == pytest.approx(spread[5] / spread[4], rel=1e-3)


def test_no_checkpoints_is_one_sentence(monkeypatch, tmp_path):
    models.cards.clear()
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE).run()
    models.cards.clear()
    assert not at.exception
    assert "checkpoints/README.md" in " ".join(e.value for e in [*at.error, *at.warning])


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({}, marks=pytest.mark.thorough),
        pytest.param({"lesson": "swap"}, marks=pytest.mark.slow),
        {"lesson": "erase", "decay": "false", "tau": "3"},
        pytest.param({"lesson": "unlearned-size", "noise": "4"}, marks=pytest.mark.slow),
        {"lesson": "two-cues", "sigma": "0.3", "clock": "2"},
        pytest.param({"task": "grouping", "auto": "true"}, marks=pytest.mark.slow),
    ],
)
def test_the_snippet_repeats_the_run(query):
    at = app(**query)
    code = at.code[0].value
    assert "pip install -e ." in code.split("from fbseg_core")[0]
    if query:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "snippet", "exec"), {})
        printed = printed.getvalue()
    else:  # and one on its own, as it would be pasted
        printed = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=600, check=True
        ).stdout
    assert json.loads(printed.split("…:")[1]) == pytest.approx(f1(at), abs=6e-4)


@pytest.mark.parametrize("task", ["shapes", "grouping"])
def test_stop_by_itself_marks_the_step_of_the_rule_and_changes_nothing_else(task):
    at = app(task=task, image="1")
    before = header(at)
    toggle = at.toggle(key="explore-auto")
    assert not toggle.value and before["auto"] is None
    result = path_of("halting", "full")
    assert not result.exists() or saved(read(result)[1], AUTO.name) in toggle.help  # what was measured
    toggle.set_value(True).run()
    sound(at)
    after = header(at)
    flips = after["curves"]["run"]["label_flips"]
    first = next(t for t, changed in enumerate(flips) if t and changed == 0)
    rule = {"kind": AUTO.kind, "value": AUTO.value}
    assert after["auto"] == {"stop": first, "why": AUTO.reason, "rule": rule} and 1 < first < after["steps"]
    assert after["run"] == before["run"] and after["curves"] == before["curves"]
    assert link(at)["auto"] == "true" and not at.info
    assert "RULES" in at.code[0].value
    at.toggle(key="explore-auto").set_value(False).run()
    assert header(at)["auto"] is None and "auto" not in link(at) and "RULES" not in at.code[0].value


def test_a_run_too_short_for_the_rule_is_not_stopped():
    assert header(app(task="grouping", auto="true", T="2"))["auto"]["stop"] is None
