"""Runs followed for long, on models of known dynamics; and what rows of known numbers come to."""

import json
from pathlib import Path
from statistics import median

import pytest
import torch

from fbseg_core.analysis.paired import mean_over_seeds
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.config import GroupingConfig, ModelConfig
from fbseg_core.experiments.records import Row, path_of, read
from fbseg_core.experiments.report import mean
from fbseg_core.experiments.settling import EXPERIMENT, LEAKY, RIVAL, measure, run_of
from fbseg_core.experiments.settling_rows import (
    AS_TRAINED,
    COPIES,
    FEEDBACK,
    SETTLING,
    STEPS,
    UNTIED,
    bars,
    lost_to_fresh,
    paces,
)
from fbseg_core.experiments.settling_runs import (
    AT_REST,
    Course,
    course,
    path_independence,
    perturbed,
    swapped,
)
from fbseg_core.experiments.settling_told import rivalry
from fbseg_core.models.registry import build, count_weights
from fbseg_core.tasks import make_batch

TASK = GroupingConfig(side=16, winding=0.25)
CUT = LEAKY.replace(kind="loop_cut", width=4, k=0.25)  # h → δ(x) by a quarter of the way a step


@pytest.fixture(scope="module")
def batch():
    return make_batch(TASK, 10, 0)


def moving(*rows):
    """A course of one pixel an image whose masks are given, image by image."""
    masks = torch.tensor(rows, dtype=torch.uint8).T[:, :, None, None]
    return Course(masks, torch.zeros(len(rows[0]) - 1, len(rows)), torch.zeros(len(rows), 1, 1, 1))


def test_a_mask_is_done_from_the_step_on_which_it_stays_the_last():
    assert moving([0, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]).done().tolist() == [1, 3, 0]


def test_a_state_has_come_to_rest_once_every_later_move_is_small():
    moves = torch.tensor([[1.0, 1.0], [AT_REST / 2, 1.0], [AT_REST / 2, AT_REST]])
    assert Course(torch.zeros(4, 2, 1, 1), moves, torch.zeros(2, 1, 1, 1)).rested().tolist() == [2, -1]


def test_a_leaky_state_without_a_loop_is_followed_to_where_its_equation_leads(batch):
    model = build(CUT)
    run = course(model, batch.x, 40)
    delta = model.prepare(batch.x)
    assert torch.allclose(run.end, (1 - 0.75**40) * delta, atol=1e-5)
    # ‖h(t+1) − h(t)‖ / ‖h(t+1)‖ = 0.25·0.75^t / (1 − 0.75^(t+1))
    expected = torch.tensor([0.25 * 0.75**t / (1 - 0.75 ** (t + 1)) for t in range(40)])
    assert torch.allclose(run.moves, expected[:, None].expand_as(run.moves), rtol=1e-3)
    assert torch.equal(run.masks[-1].long(), model.readout(run.end).argmax(1))
    on = course(model, batch.x, 10, run.end)
    assert torch.allclose(on.end, (1 - 0.75**50) * delta, atol=1e-5)


def test_what_is_left_of_a_perturbation_and_of_another_start_shrinks_as_the_leak_says(batch):
    model = build(CUT)
    assert perturbed(model, batch, 10, 12, 0.5, 0)["left"] == pytest.approx(0.75**12, rel=1e-3)
    ends = path_independence(model, batch, 60, 4, 0)
    assert ends == {"agreement": 1.0, "worst": 1.0, "state": 0.0}


def test_a_swapped_image_is_answered_as_a_fresh_one_where_nothing_is_fed_back():
    found = swapped(build(CUT), TASK, 6, 0, 12, [1, 60])
    assert found["swapped"][1] == found["fresh"][1]


def test_a_run_that_overflows_stands_still_at_an_infinite_move(batch):
    model = build(ModelConfig(in_channels=2, width=4, depth=1, u=4, v=4, decay="none", delta_norm=False))
    with torch.no_grad():
        model.F.out.weight.mul_(1e30)
    run = course(model, batch.x, 9)
    assert run.masks.shape == (10, 10, 16, 16) and torch.isinf(run.moves[-1]).all()


def row(seed, **result):
    curve = [0.9] * 7 + [0.98] * 10
    usual = {
        "curves": {"as trained": curve},
        "rest": {"as trained": 0.95},
        "swap": {"swapped": [0.5, 0.97], "fresh": [0.6, 0.975]},
        "sides": {"96": [0.5] * 13 + [0.96] * 4},
        "times": {"side": {"way": [50.0, 150.0, 90.0], "done": [10, 30, -1]}},
    }
    return Row({"model": SETTLING, "seed": seed, "side": 48}, usual | result, 1.0, str(seed))


def test_bars_are_judged_by_the_median_over_seeds():
    assert [bar.met for bar in bars([row(0), row(1), row(2)])] == [True] * 6
    falling = {"curves": {"as trained": [0.98] * 16 + [0.90]}}
    assert all(bar.met for bar in bars([row(0), row(1), row(2, **falling)]))
    found = {bar.name: bar for bar in bars([row(0), row(1, **falling), row(2, **falling)])}
    assert not found["lowest F1 from step 20 on"].met and not found["range of F1 from step 20 on"].met
    assert found["range of F1 from step 20 on"].reached == pytest.approx([0, 0.08, 0.08])
    lost = {"swap": {"swapped": [0.5, 0.8], "fresh": [0.6, 0.975]}}
    (swap,) = [bar for bar in bars([row(0, **lost)]) if "swap" in bar.name]
    assert swap.reached == pytest.approx([0.175]) and not swap.met


def test_what_was_not_followed_far_enough_is_no_bar():
    short = row(0, curves={"as trained": [0.9] * 5}, sides={"96": [0.9] * 5})
    assert {bar.name for bar in bars([short])} == {
        "states at rest by step 100",
        "F1 lost to a fresh run by a swap",
    }


def test_steps_for_a_way_are_a_slope_over_the_images_that_came_to_be_done():
    assert paces([row(0)]) == pytest.approx([20.0])


def test_the_settling_loop_is_trained_at_less_than_the_sides_it_is_tested_at():
    for cell in EXPERIMENT.cells("full"):
        if cell["model"] == SETTLING:
            task, run = run_of(cell)
            assert task.side <= 48 and task.side < cell["side"] and max(cell["sides"]) == 160
            assert run.train.total == cell["updates"] and run.train.loss == "front"
    assert json.loads(json.dumps(EXPERIMENT.cells("full"))) == EXPERIMENT.cells("full")
    assert max(STEPS) == 500


def test_the_unrolled_rival_has_no_more_weights_and_sees_as_far():
    assert 0.9 * count_weights(LEAKY) < count_weights(RIVAL) <= count_weights(LEAKY)
    assert receptive_field(RIVAL) == receptive_field(LEAKY, COPIES)
    runs = {cell["model"]: run_of(cell) for cell in reversed(EXPERIMENT.cells("full")) if cell["updates"]}
    loop, rival = runs[SETTLING], runs[UNTIED]
    assert loop[0] == rival[0]  # the same images
    for shared in ("total", "batch", "lr", "no_cue", "average", "seed"):
        assert getattr(loop[1].train, shared) == getattr(rival[1].train, shared)


def test_the_unrolled_rival_is_followed_to_its_end_and_asked_nothing_of_a_loop():
    cell = next(cell for cell in EXPERIMENT.cells("tiny") if cell["model"] == UNTIED)
    found = measure(cell)
    assert len(found["curves"][AS_TRAINED]) == 1 and found["sides"].keys() == {"24"}
    assert not found["rest"] and not found["times"] and "swap" not in found


def test_loop_and_unrolled_model_are_compared_pair_by_pair():
    def rival(seed, f1):
        result = {"curves": {AS_TRAINED: [f1]}, "sides": {"96": [0.96]}, "regions": {}}
        return Row({"model": UNTIED, "seed": seed, "side": 48}, result, 1.0, f"u{seed}")

    loops = [row(seed, regions={}) for seed in range(8)]
    found = rivalry(loops + [rival(seed, 0.7 + 0.01 * seed) for seed in range(8)])
    assert found.keys() == {"side", "96"}  # no curves were asked of them
    assert found["side"].difference.mean == pytest.approx(0.98 - 0.735)
    assert found["side"].answer == "different"
    assert found["96"].answer == "equal within margin"


def test_the_readme_says_of_the_settling_loop_what_its_rows_say():
    rows = read(path_of("settling", "full"))[1]
    text = " ".join((Path(__file__).resolve().parents[3] / "README.md").read_text().split())
    told = text[text.index("A **loop that settles**") :]
    told = told[: told.index("From other starts")]
    loops = [row.result for row in rows if row.settings["model"] == SETTLING]
    found = {bar.name: median(bar.reached) for bar in bars(rows)}
    lost = {
        model: mean_over_seeds([lost_to_fresh(row) for row in rows if row.settings["model"] == model]).mean
        for model in (SETTLING, FEEDBACK)
    }
    for number in (
        f"is {found['lowest F1 from step 20 on']:.3f}",
        f"{mean(rows, ('rest', AS_TRAINED), model=SETTLING).mean:.0%}".replace("%", " %"),
        f"ends at {min(loop['curves'][AS_TRAINED][-1] for loop in loops):.2f}",
        f"96 px ({found['F1 at 96 px, step 150']:.3f}",
        f"ends {lost[SETTLING]:.2f} below",
        f"{lost[FEEDBACK]:.2f} below",
    ):
        assert number in told, number
    unrolled = mean(rows, lambda row: row.result["curves"][AS_TRAINED][-1], model=UNTIED)
    assert (
        f"has {unrolled.mean:.2f} at 48 px" in text
        and unrolled.high < mean(rows, ("trivial", "side"), model=UNTIED).low
    )
    assert "Three of six" in told and sum(not bar.met for bar in bars(rows)) == 3 and len(loops) == 8
