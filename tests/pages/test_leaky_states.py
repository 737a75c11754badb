"""The integrator and k as a visitor sets them, in Explore and in the Stability lab."""

import re

from driven import app, sound

from fbseg_core import Switches, load
from fbseg_core.analysis.probes import ABLATIONS
from fbseg_core.analysis.stability import judge
from fbseg_core.tasks import draw


def box(at, kind, label):
    return next(each for each in at.get(kind) if each.label == label)


def test_explore_runs_a_leaky_state_from_its_link_and_k_waits_for_it():
    at = app("pages/explore/page.py", integrator="leaky", k="0.3", T="6", layer="mismatch")
    assert box(at, "selectbox", "Integrator").value == "leaky"
    assert box(at, "slider", "k").value == 0.3 and not box(at, "slider", "k").disabled
    box(at, "selectbox", "Integrator").set_value("sum")
    assert box(sound(at.run()), "slider", "k").disabled


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
