import json

import pytest

from fbseg_core.analysis.probes import ABLATIONS
from fbseg_core.config import ModelConfig, ShapesConfig, Switches
from fbseg_core.experiments import ablation
from fbseg_core.experiments.common import observe, rounded, setup_of, trained_with_norms
from fbseg_core.experiments.records import Row
from fbseg_core.models.registry import build
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import few_shot

BOTH, NO_DECAY, _, NEITHER = ABLATIONS
TASK = ShapesConfig(side=16, sigma=0.1)


@pytest.mark.slow
def test_without_decay_a_normalised_correction_makes_the_state_grow_about_linearly():
    model = build(ModelConfig(), 3).eval()
    batch = make_batch(TASK, 2, 1)
    bare = observe(model, batch, 30, Switches(decay=False), products=60)
    assert bare["norm"][30] / bare["norm"][10] == pytest.approx(3, rel=0.1)
    assert bare["states"] == {"drifting": 2} and bare["radius"] == bare["undamped"]
    damped = observe(model, batch, 30, Switches(tau=0.2), products=60)
    assert damped["norm"][30] == damped["norm"][10] and damped["states"] == {"switched off": 2}
    assert damped["radius"] == 1 and damped["undamped"] >= 1  # by then the gain is nothing: J = I


def test_an_overflow_is_an_outcome():
    model = build(ModelConfig(spectrum=(10.0,), tau=0.1)).eval()  # a gain of e^{100t}
    found = observe(model, make_batch(TASK, 2, 1), 12, products=20)
    assert "finite" in found["stopped"] and found["states"] == {"diverging": 2}
    assert found["norm"][1] > 0 and found["norm"][2:] == [None] * 11 and found["radius"] is None
    assert found["f1"][1] == found["f1"][-1]
    json.dumps(found, allow_nan=False)


def test_what_is_switched_off_is_the_model_trained_with_both():
    cell = next(cell for cell in ablation.cells("tiny") if cell["trained"] == BOTH)
    found = ablation.measure(cell)
    task = ShapesConfig(side=cell["side"], sigma=cell["paper_sigma"] * cell["side"] / 512)
    task, run, _ = few_shot(task, setup_of(cell, "paper"))
    model, ended, norms = trained_with_norms(task, run)
    batch = make_batch(task, cell["images"], 1000)
    assert found["at"][BOTH] == observe(model, batch, cell["steps"])
    bare = observe(model, batch, cell["steps"], Switches(softmax=False, decay=False))
    assert found["at"][NEITHER] == bare != found["at"][BOTH]
    assert ended["updates"] == len(norms) == 2 and found["gradient"] == rounded(max(norms))


def ablation_rows(plain, switched, free, seeds=8):
    """Rows whose states are called, in the order of ABLATIONS, as each of the three ways of asking says."""

    def seen(name):
        return {
            "f1": [0.9] * 31,
            "norm": [*range(31)],
            "states": {name: 10},
            "masks": {name: 10},
            "radius": 1.0,
            "undamped": None,
        }

    rows = []
    for normalised, names in ((True, plain), (False, free)):
        for trained, name in zip(ABLATIONS, names):
            ways = {trained: name}
            if normalised and trained == BOTH:
                ways = dict(zip(ABLATIONS, (name, *switched[1:])))
            for seed in range(seeds):
                settings = {"delta_norm": normalised, "trained": trained, "seed": seed, "steps": 30}
                at = {way: seen(word) for way, word in ways.items()}
                rows.append(Row(settings, {"at": at, "gradient": 2.0, "stopped": None}, 1.0, ""))
    return rows


OFF, ON = "drifting", "switched off"


@pytest.mark.parametrize(
    ("plain", "switched", "free", "verdict"),
    [
        ((ON, OFF, OFF, OFF), (ON, OFF, OFF, OFF), (ON, OFF, OFF, OFF), "reproduced"),
        ((ON, OFF, ON, OFF), (ON, OFF, ON, OFF), (ON, OFF, OFF, OFF), "partly"),
        ((ON, OFF, OFF, OFF), (ON, OFF, ON, OFF), (ON, OFF, OFF, OFF), "partly"),
        ((ON, ON, ON, ON), (ON, OFF, ON, OFF), (ON, OFF, ON, OFF), "explained by the normalisation of δ"),
        ((ON, ON, ON, ON), (ON, OFF, ON, OFF), (ON, ON, ON, ON), "not reproduced"),
        ((OFF, OFF, OFF, OFF), (OFF, OFF, OFF, OFF), (OFF, OFF, OFF, OFF), "not reproduced"),
    ],
)
def test_the_verdict_on_the_mechanisms(plain, switched, free, verdict):
    finding = ablation.conclude(ablation_rows(plain, switched, free))
    assert finding.verdict == verdict
    assert "0 of 96 runs grow exponentially" in finding.because
    assert "‖h‖ × 3" in finding.details and "0 of 64 trainings" in finding.details


def test_runs_that_overflow_are_counted_and_drawn_as_far_as_half_of_the_seeds_go():
    rows = ablation_rows((ON, "diverging", ON, "diverging"), (ON, OFF, ON, OFF), (ON, OFF, ON, OFF), 4)
    for row in rows:
        if row.settings["trained"] == NO_DECAY and row.settings["seed"] > 0:
            row.result["at"][NO_DECAY]["norm"][20:] = [None] * 11
    finding = ablation.conclude(rows)
    assert "3 overflow" in finding.details and "8 of 48 runs grow exponentially" in finding.because
    sizes = next(p for p in ablation.panels(rows) if p.title == "Size of the state, trained without")
    assert {line.name: len(line.x) for line in sizes.series}[NO_DECAY] == 19
