"""The integrator and k as a visitor sets them, in Explore and in the Stability lab."""

import re
from types import SimpleNamespace

import pytest
import torch
from driven import app, sound
from received import header

from fbseg_core import Switches, load
from fbseg_core.analysis.probes import ABLATIONS
from fbseg_core.analysis.stability import judge
from fbseg_core.analysis.stretch import Stretch
from fbseg_core.config import ModelConfig
from fbseg_core.models.base import Contraction
from fbseg_core.models.registry import build
from fbseg_core.tasks import draw
from pages.stability import probes
from pages.stability.sections import told_of_contraction, told_of_stretch


def box(at, kind, label):
    return next(each for each in at.get(kind) if each.label == label)


def test_explore_runs_a_leaky_state_from_its_link_and_k_waits_for_it():
    at = app("pages/explore/page.py", integrator="leaky", k="0.3", T="6", layer="mismatch")
    assert box(at, "selectbox", "Integrator").value == "leaky"
    assert {each["field"]: each["value"] for each in header(at)["settings"]}["k"] == 0.3
    box(at, "selectbox", "Integrator").set_value("sum")
    assert [each["field"] for each in header(sound(at.run()))["settings"]] == ["tau"]


@pytest.mark.slow
def test_the_stability_lab_judges_leaky_states_as_the_core_does():
    at = app("pages/stability/page.py", integrator="leaky", k="0.2", T="40", image="7")
    body = next(each.proto.body for each in at.get("html") if 'class="verdicts"' in each.proto.body)
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in body.split("<tr>")[2:]]
    states = {row[1]: row[2] for row in rows}
    model, card = load("shapes-feedback")
    x = draw(card.task, 7, 0).x
    for name, on in ABLATIONS.items():
        found = judge(model, x, steps=40, switches=Switches(integrator="leaky", k=0.2, **on))
        assert states[name] == found.state.running.label


@pytest.mark.parametrize(
    ("factors", "radius", "told"),
    [
        (
            [[1.5, 1.4], [0.9, 0.8]],
            0.7,
            "Over 2 steps every change shrinks at each of them. That is measured",
        ),
        ([[1.5, 1.4], [0.9, 1.1]], 0.7, "by the eigenvalues all die out in the end, but no contraction"),
        ([[1.5, 1.4], [1.2, 1.3]], 1.1, "nothing is proved of this state"),
    ],
)
def test_what_is_said_of_a_stretch_is_no_more_than_was_measured(factors, radius, told):
    spectrum = SimpleNamespace(converged=True, radius=radius)
    text = told_of_stretch(spectrum, Stretch((1, 2), torch.tensor(factors), 0.05), Contraction("unknown"))
    assert told in text and "1 step 1.5; 2 steps" in text and "2 states up to 5% apart" in text


def test_a_proved_contraction_is_told_with_its_factor_and_no_other_model_is_called_one():
    leaky = ModelConfig(width=4, depth=1, u=2, v=2, integrator="leaky", norm="pixel", decay="none", k=0.5)
    proved = build(leaky.replace(kind="contracting", rho=0.8, projection="none"), 0).contraction()
    text, factor = told_of_contraction(proved), f"{proved.factor:.4g}"
    assert 0.5 < proved.factor <= 1 - 0.5 + 0.5 * 0.8
    assert (
        f"Contracts for every image: by at least a factor {factor} a step" in text and "every start" in text
    )
    measured = Stretch((1, 2), torch.tensor([[1.1], [0.9]]), 0.05)
    text = told_of_stretch(SimpleNamespace(converged=True, radius=0.7), measured, proved)
    assert f"shrinks by at least a factor {factor} in every step" in text
    assert told_of_contraction(build(leaky).contraction()).startswith("**Contraction: nothing is proved.**")


@pytest.mark.thorough
def test_the_lab_measures_the_stretch_of_a_leaky_state_and_names_no_neutral_direction(monkeypatch):
    for name, fewer in {
        "SPANS": (1,),
        "MOST": 24,
        "GROWTH_STEPS": 4,
    }.items():  # what it costs grows with them
        monkeypatch.setattr(probes, name, fewer)
    more = {"integrator": "leaky", "k": "0.5", "T": "12", "at": "10", "local": "true"}
    at = app("pages/stability/page.py", model="grouping-leaky-feedback", **more)
    text = " ".join(each.value for each in [*at.markdown, *at.caption])
    assert "Largest stretch of a small change" in text and "those of u" not in text
