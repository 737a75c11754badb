"""Pure functions of Explore's JavaScript that repeat what is done to a run."""

from typing import get_args

import pytest

from fbseg_core.rollout.interventions import AnyIntervention, Flip, Freeze, Paint, Perturb, Swap
from pages.explore.player import HERE
from pages.ui import marks
from pages.ui.web import script

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ask(chromium):
    page = chromium.new_page()
    page.add_script_tag(content=script([HERE / "interventions.js", HERE / "acts.js"], {}))
    yield page.evaluate
    page.close()


def test_an_intervention_is_called_as_in_files(ask):
    done = [
        *(Flip(switch=switch, on=on) for switch in ("loop", "softmax", "decay") for on in (True, False)),
        Freeze(on=True), Freeze(on=False), Swap(seed=12), Perturb(size=0.1), Perturb(size=100.0),
        Perturb(size=1 / 3), Paint(target="v"), Paint(target="h", like="background"),
    ]  # fmt: skip
    assert {type(item) for item in done} == set(get_args(get_args(AnyIntervention)[0]))
    sent = [item.model_dump(mode="json") for item in done]
    assert ask("done => done.map(nameOf)", sent) == [marks.name_of(item) for item in done]


def test_a_run_is_taken_over_up_to_the_step_before_something_else_acts(ask):
    plan = """(steps, acts = [], changes = {}, images = []) => ({
        acts, images: [{ t: 0, x: Float32Array.of(0, 1) }, ...images],
        switches: Array.from({ length: steps }, (_, t) => changes[t] ?? {}),
    })"""
    kick = "[{ t: 4, kind: 'perturb', size: 1, seed: 0 }]"
    cases = {
        "plan(9)": 6,  # longer: all of it
        "plan(3)": 3,  # shorter: cut
        f"plan(6, {kick})": 3,  # acts on h(4)
        f"plan(6, {kick.replace('4', '6')})": 5,
        f"plan(9, {kick.replace('4', '7')})": 6,
        f"plan(6, {kick.replace('4', '0')})": -1,  # on h(0)
        "plan(6, [], { 4: { loop: false } })": 4,  # h(4) itself stays
        "plan(6, [], {}, [{ t: 2, x: Float32Array.of(1, 1) }])": 2,
        "plan(6, [], {}, [{ t: 2, x: Float32Array.of(0, 1) }])": 6,  # the same image
    }
    made = f"const plan = {plan}; const cases = [{', '.join(cases)}];"
    found = ask(f"() => {{ {made} return cases.map((one) => sharedSteps(plan(6), one)); }}")
    assert found == list(cases.values())
