import math

import numpy as np
import pytest
import torch

from fbseg_core.analysis.curves import arrival, from_when
from fbseg_core.config import ModelConfig, ShapesConfig
from fbseg_core.experiments import convergence
from fbseg_core.experiments.common import rounded
from fbseg_core.experiments.records import Row
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.tasks import make_batch


def test_a_curve_arrives_where_it_stays_near_its_end():
    assert arrival(np.array([0, 0.5, 0.96, 0.9, 0.97, 1.0])) == 4  # the first near value does not last
    assert arrival(1 - 0.5 ** np.arange(31.0)) == 5  # 1/32 is the first power of a half below 5 %
    assert arrival(np.arange(31.0)) == 29  # one that never settles is near its end only at its end
    assert arrival(np.zeros(4)) is None and arrival(np.array([0.0, -1.0])) is None


def test_from_when_a_thing_is_true_for_good():
    assert from_when(np.array([True, False, True, True])) == 2
    assert from_when(np.array([True, True])) == 0
    assert from_when(np.array([True, False])) is None


def test_numbers_that_are_not_finite_become_none():
    assert rounded(math.nan) is None and rounded(math.inf) is None and rounded(1.23456) == 1.235


@pytest.mark.parametrize("model", ["feedback", "loop cut", "feedforward"])
def test_pc1_parts_shape_from_background(model):
    cell = next(cell for cell in convergence.cells("tiny") if cell["model"] == model)
    found = convergence.measure(cell)
    assert 0 < found["explained"] <= 1
    run = found["running"]
    assert run["pc1_shape"][-1] >= run["pc1_background"][-1]
    assert len(run["pc1_shape"]) == len(run["flips"]) == 31 and len(run["update"]) == 30
    if model == "feedforward":  # a single pass, so a flat line
        assert len(set(run["pc1_shape"])) == 1 and set(run["flips"]) == {0} and run == found["frozen"]
    if model == "loop cut":  # the same correction at every step: with the gain held at 1, ‖Δh‖/‖h‖ = 1/t
        assert found["frozen"]["update"] == pytest.approx([1 / t for t in range(1, 31)], rel=1e-3)


def test_with_the_loop_cut_v_is_of_no_account():
    model = build(ModelConfig(kind="loop_cut")).eval()
    batch = make_batch(ShapesConfig(side=16), 2, 1)
    start, other = model.initial(batch.x), model.initial(batch.x)
    other[:, model.config.u :] = torch.linspace(-9, 9, 256).view(16, 16)
    one, two = (rollout(model, batch.x, 6, State(0, h)) for h in (start, other))
    assert torch.equal(one.logits, two.logits) and torch.equal(one.delta, two.delta)


def settling_rows(feedback, frozen, cut, seeds=8):
    """Rows in which PC1 settles at these steps: feedback's, its frozen run's, the loop-cut model's."""

    def row(model, tau, seed, running, held):
        runs = {
            clock: {"settled_pc1": step, "settled_mask": step, "settled_update": step, "f1": [0.9] * 31}
            for clock, step in (("running", running), ("frozen", held))
        }
        settings = {"model": model, "tau": tau, "seed": seed, "steps": 30}
        return Row(settings, {"explained": 0.9, **runs}, 1.0, "")

    steps = {"feedback": (feedback, frozen), "loop cut": (cut, None), "feedforward": (0, 0)}
    return [row(m, tau, seed, *steps[m]) for m, tau in convergence.MODELS for seed in range(seeds)]


@pytest.mark.parametrize(
    ("feedback", "frozen", "cut", "verdict"),
    [
        (29, 29, 2, "not reproduced"),
        (None, None, 2, "not reproduced"),
        (3, 6, 2, "reproduced"),
        (3, 29, 2, "explained by the decay"),
        (3, None, 28, "partly"),
    ],
)
def test_the_verdict_on_convergence(feedback, frozen, cut, verdict):
    finding = convergence.conclude(settling_rows(feedback, frozen, cut))
    assert finding.verdict == verdict
    count = 0 if verdict == "not reproduced" else 8
    assert f"PC1 settles in {count} of 8 seeds" in finding.because
    assert f"feedback, τ = 0.2: PC1 settles in {count}," in finding.details
