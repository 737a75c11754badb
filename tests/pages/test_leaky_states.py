"""The integrator and k as a visitor sets them, in Explore and in the Stability lab."""

import json
import re
import struct

from driven import app, sound

from fbseg_core import Switches, load
from fbseg_core.analysis.probes import ABLATIONS
from fbseg_core.analysis.stability import judge
from fbseg_core.tasks import draw


def header(at):
    raw = at.get("bidi_component")[0].proto.bytes
    return json.loads(raw[4 : 4 + struct.unpack("<I", raw[:4])[0]])


def box(at, kind, label):
    return next(each for each in at.get(kind) if each.label == label)


def test_explore_runs_a_leaky_state_from_its_link_and_k_waits_for_it():
    at = app("pages/explore/page.py", integrator="leaky", k="0.3", T="6", layer="mismatch")
    assert box(at, "selectbox", "Integrator").value == "leaky"
    assert {each["field"]: each["value"] for each in header(at)["settings"]}["k"] == 0.3
    box(at, "selectbox", "Integrator").set_value("sum")
    assert [each["field"] for each in header(sound(at.run()))["settings"]] == ["tau"]


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
