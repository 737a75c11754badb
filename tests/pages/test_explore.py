import base64
import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from fbseg_core import checkpoint
from fbseg_core.config import ShapesConfig, knobs

ROOT = Path(__file__).resolve().parents[2]


def app(file="app.py", **query):
    at = AppTest.from_file(str(ROOT / file), default_timeout=60)
    for key, value in query.items():
        at.query_params[key.replace("_", "-")] = value
    at.run()
    sound(at)
    return at


def sound(at):
    assert not at.exception and not at.error


def summary(at):
    return next(m.value for m in at.markdown if m.value.startswith("Step "))


def curve(at, name):
    """The y values of the trace of that name, in whichever chart it stands."""
    traces = [trace for chart in at.get("plotly_chart") for trace in json.loads(chart.proto.spec)["data"]]
    values = next(trace["y"] for trace in traces if trace["name"] == name)
    if isinstance(values, dict):  # plotly packs numpy arrays
        values = np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"]).tolist()
    return values


def test_first_load_shows_a_segmented_image_with_no_click():
    at = app()
    assert summary(at).startswith("Step 10 of 10: F1 0.9")
    assert len(at.get("image")) == 5 and len(at.get("plotly_chart")) == 3
    assert any("200 fresh images" in caption.value for caption in at.caption)


def test_the_page_works_alone():
    assert summary(app("pages/explore.py")) == summary(app())


@pytest.mark.parametrize("task", ["shapes", "grouping"])
def test_every_switch_changes_the_run_and_says_so(task):
    at = app(task=task)
    before = curve(at, "‖δ̃‖ applied")
    for key, off in (("loop", False), ("softmax", False), ("decay", False), ("clock", True)):
        at.toggle(key=f"{task}-{key}").set_value(off).run()
        sound(at)
        assert curve(at, "‖δ̃‖ applied") != before
        assert any("inference" in info.value for info in at.info)
        at.toggle(key=f"{task}-{key}").set_value(not off).run()
        assert curve(at, "‖δ̃‖ applied") == before and not at.info
    for key, value in (("tau", 1.0), ("lambda", 0.5)):
        default = at.slider(key=f"{task}-{key}").value
        at.slider(key=f"{task}-{key}").set_value(value).run()
        sound(at)
        assert curve(at, "‖δ̃‖ applied") != before
        at.slider(key=f"{task}-{key}").set_value(default).run()


def test_step_buttons_move_one_step_and_stop_at_both_ends():
    at = app()
    back, step = (next(b for b in at.button if b.label == label) for label in ("Back", "Step"))
    assert step.disabled
    back.click().run()
    assert summary(at).startswith("Step 9 of 10")
    at.slider(key="t-shapes-10").set_value(0).run()
    assert summary(at).startswith("Step 0 of 10")
    assert next(b for b in at.button if b.label == "Back").disabled
    sound(at)


def test_new_noise_and_new_image_draw_again_and_sigma_follows_its_knob():
    at = app()
    seen = {tuple(curve(at, "feedback"))}
    for key in ("shapes-noise-next", "shapes-sample-next"):
        at.button(key=key).click().run()
        sound(at)
        seen.add(tuple(curve(at, "feedback")))
    sigma, knob = at.slider(key="shapes-sigma"), knobs(ShapesConfig)["sigma"]
    assert (sigma.min, sigma.step, sigma.proto.help) == (knob.lo, knob.step, knob.help)
    sigma.set_value(2.0).run()
    seen.add(tuple(curve(at, "feedback")))
    assert len(seen) == 4
    assert any("Paper sigma 16.0" in caption.value for caption in at.caption)


def test_cut_loop_can_be_set_beside_feedback():
    at = app(task="grouping")
    at.selectbox(key="grouping-beside").set_value("grouping-loop-cut").run()
    sound(at)
    assert "loop cut" in summary(at)


def test_models_trained_without_a_mechanism_are_not_offered_with_its_switch_on():
    at = app()
    assert "shapes-no-softmax" in checkpoint.shipped()
    assert at.selectbox(key="shapes-model").options == ["shapes-feedback"]
    assert at.selectbox(key="shapes-beside").options == ["shapes-feedforward"]


def test_overflow_is_a_warning_and_what_was_reached_is_shown():
    at = app(task="grouping")
    at.selectbox(key="grouping-kernel").set_value("fractional").run()
    at.slider(key="grouping-T").set_value(20).run()
    sound(at)
    assert "step 12" in at.warning[0].value and summary(at).startswith("Step 11 of 11")


@pytest.mark.parametrize("what", ["u", "v", "logits"])
def test_other_parts_of_the_state_have_their_own_plane(what):
    at = app()
    before = at.get("plotly_chart")[0].proto.spec
    at.button_group(key="plane").set_value(what).run()
    sound(at)
    assert at.get("plotly_chart")[0].proto.spec != before


def test_a_link_opens_its_task_seed_and_switches():
    at = app(task="grouping", grouping_sample="7", grouping_loop="false", grouping_T="5")
    assert at.slider(key="grouping-sample").value == 7
    assert not at.toggle(key="grouping-loop").value
    assert " of 5:" in summary(at)


@pytest.mark.parametrize("bad", ["-1", "1e99", "1e400", "inf", "nan", "<script>", "x" * 5000, "🔥"])
def test_hostile_links_give_defaults(bad):
    at = app(task=bad, shapes_T=bad, shapes_sample=bad, shapes_loop=bad, shapes_tau=bad)
    assert summary(at) == summary(app())


def test_reset_brings_the_defaults_back():
    at = app()
    before = summary(at)
    at.slider(key="shapes-sigma").set_value(2.0).run()
    at.toggle(key="shapes-decay").set_value(False).run()
    next(b for b in at.button if b.label == "Reset everything").click().run()
    sound(at)
    assert summary(at) == before


def test_no_checkpoints_is_one_sentence(monkeypatch, tmp_path):
    from pages.ui import cache

    cache.cards.clear()
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path)
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    cache.cards.clear()
    assert not at.exception and "checkpoints/README.md" in at.error[0].value
