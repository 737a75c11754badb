"""Stability lab: its two modes, the certificate, and what is examined on a button."""

import driven
import pytest
import streamlit as st
from driven import ROOT, link, sound
from stability_lab import SMALL, app, chart, table, texts
from streamlit.testing.v1 import AppTest

from fbseg_core import Card, build, checkpoint, load, save
from pages.stability import computed, probes, race, verdicts
from pages.stability.state import NAMES, TRAINED, StabilityState, variants_of
from pages.ui import models, server

pytestmark = pytest.mark.xdist_group("stability")  # what one test has opened, others look at


@pytest.mark.slow
def test_the_router_offers_both_pages_and_the_page_works_alone():
    routed = AppTest.from_file(str(ROOT / "app.py"), default_timeout=driven.PATIENCE).run()
    routed.switch_page("pages/stability/page.py").run()
    sound(routed)
    assert table(routed) == table(app())


@pytest.mark.slow
def test_switched_off_and_trained_without_are_named_and_differ():
    at = app(**SMALL)
    assert "Switched off at inference, on shapes-feedback" in " ".join(c.value for c in at.caption)
    flipped = table(at)
    at.radio(key="stability-mode").set_value("trained").run()
    sound(at)
    told = " ".join(c.value for c in at.caption)
    assert "Four models, each trained" in told and all(name in told for name in TRAINED.values())
    assert table(at)["neither"] != flipped["neither"] and link(at)["mode"] == "trained"


def test_variants_are_what_their_names_say():
    cards = models.cards()
    for view in (StabilityState(), StabilityState(mode="trained")):
        for name, variant in variants_of(view, cards).items():
            built, flipped = cards[variant.checkpoint].model, variant.switches
            softmax = built.projection == "softmax" if flipped.softmax is None else flipped.softmax
            decay = built.decay != "none" if flipped.decay is None else flipped.decay
            assert (softmax, decay) == ("softmax" in name, name.endswith("decay") or name == "decay only")


def test_the_race_is_sent_before_any_run_is_judged(monkeypatch):
    sent = []
    monkeypatch.setattr(race, "race", lambda payload, on_ask: sent.append(len(payload)))
    monkeypatch.setattr(computed, "known", lambda variant: None)
    monkeypatch.setattr(computed, "walk_of", lambda variant: st.stop())
    at = driven.app("pages/stability/page.py", **SMALL)
    assert len(sent) == 1
    assert table(at) == dict.fromkeys(NAMES, (verdicts.JUDGING, verdicts.JUDGING, "…"))
    assert texts(at).count(verdicts.JUDGING) == 3  # of both runs in focus, and of the two together


def test_no_plane_is_fitted_for_a_browser_that_fits_its_own(monkeypatch):
    fitted = []
    monkeypatch.setattr(computed, "plane_of", fitted.append)
    sound(driven.app("pages/stability/page.py", **SMALL))
    assert fitted == []


@pytest.mark.thorough
def test_spectrum_sliders_reach_through_zero_and_the_second_follows_the_first():
    at = app(**SMALL)
    at.slider(key="stability-eigenvalue").set_value(0.5).run()
    sound(at)
    assert at.slider(key="stability-eigenvalue_v").value == 0.5 and table(at)[NAMES[0]][0] == "diverging"
    at.slider(key="stability-eigenvalue_v").set_value(-1.0).run()
    sound(at)
    assert link(at) | {"v": "1"} == {"v": "1", "T": "12", "eigenvalue": "0.5", "eigenvalue_v": "-1.0"}
    at.slider(key="stability-eigenvalue").set_value(0.0).run()
    at.slider(key="stability-eigenvalue_v").set_value(0.0).run()
    applied = chart(at, "clock")["allowed gain, clock running"]
    assert applied[1:] == [1.0] * 12


def test_holding_the_clock_redraws_every_panel():
    at = app(T="20", clock="4")
    before = chart(at, "curves")
    at.toggle(key="stability-frozen").set_value(True).run()
    sound(at)
    after = chart(at, "curves")
    assert before["softmax, decay"][:6] == after["softmax, decay"][:6]
    assert before["softmax, decay"][-1] < after["softmax, decay"][-1]
    assert before["neither"] == after["neither"]
    assert len(set(chart(at, "clock")["allowed gain, clock held"][5:])) == 1


def test_the_certificate_s_envelope_is_above_what_was_measured():
    at = app(**SMALL)
    assert "It holds" in at.success[0].value
    drawn = chart(at, "certificate")
    proved, measured = drawn["proved: distance to h(T)"], drawn["measured: ‖h(T) − h(t)‖"]
    assert all(a >= b for a, b in zip(proved, measured) if a is not None and b is not None)
    assert any("Does not prove" in text for text in texts(at))


@pytest.mark.parametrize(
    "query, reason",
    [
        ({"focus": "softmax only"}, "The decay is off"),
        pytest.param({"focus": "neither", "mode": "trained"}, "The decay is off", marks=pytest.mark.slow),
        pytest.param({"frozen": "true", "clock": "3"}, "The clock is frozen at 3", marks=pytest.mark.slow),
        pytest.param({"eigenvalue": "0.0"}, "A has the eigenvalue 0 ≥ 0", marks=pytest.mark.slow),
        ({"eigenvalue_v": "0.5"}, "A has the eigenvalue 0.5 ≥ 0"),
    ],
)
def test_the_certificate_is_withdrawn_with_its_reason(query, reason):
    at = app(**SMALL, **query)
    assert not at.success and any(f". {reason}" in w.value.replace("**", "") for w in at.warning)
    assert list(chart(at, "certificate")) == ["measured: ‖h(T) − h(t)‖"]


def test_the_certificate_is_withdrawn_without_normalisation(monkeypatch, tmp_path):
    model, card = load("shapes-feedback")
    config = model.config.replace(delta_norm=False)
    save(build(config), Card(**{**vars(card), "model": config}), tmp_path / "shapes-feedback.safetensors")
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path)
    caches = (models.cards, server.memo())
    for held in caches:
        held.clear()
    try:
        at = app(**SMALL)
    finally:
        for held in caches:
            held.clear()
    assert any("δ is not normalised" in w.value for w in at.warning) and not at.success


@pytest.mark.thorough
def test_eigenvalues_come_on_a_button_and_go_with_another_image(monkeypatch):
    monkeypatch.setattr(probes, "MOST", 24)
    monkeypatch.setattr(probes, "GROWTH_STEPS", 4)
    at = app(model="grouping-feedback", **SMALL)
    assert "circle" not in " ".join(c.proto.id for c in at.get("plotly_chart"))
    at.button(key="stability-ask-local").click().run()
    sound(at)
    assert link(at)["local"] == "true" and any("spectral radius" in text for text in texts(at))
    assert chart(at, "circle")["unit circle"] and chart(at, "growth")["from: random"]
    at.slider(key="stability-t").set_value(3).run()
    assert any("spectral radius" in text for text in texts(at))  # another look at the same run
    at.slider(key="stability-image").set_value(8).run()
    assert "local" not in link(at) and at.button(key="stability-ask-local")
    at.slider(key="stability-image").set_value(7).run()
    at.button(key="stability-ask-local").click().run()
    at.slider(key="stability-at").set_value(6).run()
    assert "local" not in link(at)


@pytest.mark.slow
def test_where_the_run_has_overflowed_there_is_nothing_to_examine_and_it_says_so():
    at = app(lesson="overflow", local="true", perturb="true")
    said = [w.value for w in at.warning if w.value.startswith("At step 5 there is nothing to examine")]
    assert len(said) == 2
