"""What rows of known numbers come to; the two are of equal weights; what is proved bounds what is seen."""

import pytest

from fbseg_core.experiments.contraction import EXPERIMENT, FREE, MODELS, PROVED, run_of, together
from fbseg_core.experiments.records import Row
from fbseg_core.models.base import Contraction
from fbseg_core.models.registry import build, count_weights
from fbseg_core.tasks import make_batch


def test_both_have_about_as_many_weights_and_are_trained_alike():
    weights = {name: count_weights(model) for name, model in MODELS.items()}
    assert abs(weights[PROVED] / weights[FREE] - 1) < 0.05
    runs = {(cell["model"], cell["seed"]): run_of(cell) for cell in EXPERIMENT.cells("full")}
    assert len(runs) == 16
    assert all(runs[PROVED, seed][1].train == runs[FREE, seed][1].train for seed in range(8))


@pytest.mark.parametrize("seed", [0, 1])
def test_no_step_of_a_fresh_model_leaves_states_farther_apart_than_is_proved(seed):
    task, run = run_of(EXPERIMENT.cells("tiny")[0])
    assert run.model == MODELS[PROVED]
    model, batch = build(run.model, seed), make_batch(task, 2, 0)
    proved = model.contraction()
    assert together(model, batch.x, proved, seed) <= proved.factor + 1e-5 < 1
    assert together(build(MODELS[FREE].replace(kind="loop_cut")), batch.x, Contraction("unknown"), seed) == (
        pytest.approx(0.5, rel=1e-3)  # h → δ(x), by half the way a step
    )


def test_what_the_rows_say_is_told_and_a_short_training_is_called_one():
    rows = [
        Row(
            {"model": name, "seed": seed, "side": 24, "updates": 9, "batch": 4},
            {"f1": [0.5, f1 + 1e-3 * (-1) ** seed], "trivial": 0.7, "factor": factor, "together": 0.9,
             "rest": 1.0, "weights": 5},
            1.0, "",
        )
        for seed in range(8)
        for name, f1, factor in ((PROVED, 0.8, 0.975), (FREE, 0.9 + 1e-4 * seed, None))
    ]  # fmt: skip
    found = EXPERIMENT.conclude(rows)
    assert "less that of the free one: −0.10" in found.because and ", different. Proved" in found.because
    assert (
        "to 0.975 of their distance" in found.because and "9 updates of 4: a short training" in found.details
    )
    assert "With the proof F1 0.80" in found.brief


@pytest.mark.slow
def test_a_cell_has_what_its_rows_are_read_for():
    found = [Row(cell, EXPERIMENT.measure(cell), 1.0, "") for cell in EXPERIMENT.cells("tiny")]
    assert EXPERIMENT.conclude(found).word == "measured" and len(EXPERIMENT.panels(found)) == 2
    for row in found:
        if row.settings["model"] == PROVED:
            assert row.result["together"] <= row.result["factor"] + 1e-5 < 1
        else:
            assert row.result["factor"] is None
