"""Where small moves stop runs of known moves; and what rows of known numbers come to."""

import pytest
import torch

from fbseg_core.config import EVAL_SEED
from fbseg_core.experiments.records import Row
from fbseg_core.experiments.resting import EXPERIMENT, VALIDATION_SEED, stopped
from fbseg_core.experiments.resting_rows import ALL, chosen, fixed_near, pace, tracks, with_way
from fbseg_core.experiments.settling_runs import Course


def test_a_run_is_stopped_after_its_first_small_move_or_at_its_end():
    moves = torch.tensor([[1.0, 1.0, 1.0], [0.05, 1.0, 0.2], [0.5, 0.05, 0.2]])
    run = Course(torch.zeros(4, 3, 1, 1), moves, torch.zeros(3, 1, 1, 1))
    assert stopped(run, 0.1).tolist() == [2, 3, 3] and stopped(run, 0.01).tolist() == [3, 3, 3]


def test_no_image_that_epsilon_is_chosen_on_is_told_of():
    seeds = [cell["seed"] for cell in EXPERIMENT.cells("full")]
    assert not {VALIDATION_SEED + seed for seed in seeds} & {EVAL_SEED + seed for seed in seeds}


def rows(loss=(0.1, 0.0), slope=0.2, parts=8, test_loss=None):
    """ε = 0.1 and ε = 0.01, which lose that much F1; on test images, where it differs, test_loss."""
    found = []
    for part in range(parts):
        jitter = 1e-4 * (-1) ** part
        result = {"way": [20.0, 50.0, 80.0], "done": [4, 9, 17], "trivial": 0.7}
        for images, lost in (("validation", loss), ("test", test_loss or loss)):
            scores = {"0.1": 0.9 - lost[0] + jitter, "0.01": 0.9 - lost[1] + jitter, ALL: 0.9}
            taken = {"0.1": 8.0, "0.01": 20.0, ALL: 100.0}
            result[images] = {k: {"f1": scores[k], "steps": taken[k]} for k in scores}
            result[images] |= {f"T = {t}": {"f1": 0.9, "steps": t} for t in (10, 20, 40)}
        ways = [10 + slope * way for way in result["way"]]
        result["taken"] = {"0.1": [8, 8, 8], "0.01": ways}
        result["correlation"] = {"0.1": None, "0.01": 1.0 if slope else None}
        found.append(Row({"seed": part, "longest": 100}, result, 1.0, ""))
    return found


def test_epsilon_is_the_largest_that_keeps_f1_on_validation_images():
    assert chosen(rows()) == "0.01" and chosen(rows((0.0, 0.0))) == "0.1"
    assert chosen(rows((0.1, 0.1))) is None and chosen(rows(parts=3)) is None
    assert "No ε" in EXPERIMENT.conclude(rows((0.1, 0.1))).brief


def test_what_it_loses_on_test_images_alone_is_told():
    assert "F1 less that of 100 steps: −0.10" in EXPERIMENT.conclude(rows(test_loss=(0.1, 0.1))).because
    fine = EXPERIMENT.conclude(rows())
    assert "equal within margin, less that of T = 20" in fine.because and "20.0 steps of 100" in fine.brief


def test_that_it_stops_later_where_the_way_is_longer_is_said_as_the_rows_have_it():
    found = rows()
    assert pace(found, "0.01").mean == pytest.approx(20) and pace(found, "0.1").mean == pytest.approx(0)
    assert with_way(found, "0.1").mean == 0 and fixed_near(found, "0.01") == "T = 20"
    assert tracks(found, "0.01").startswith("It stops later where the way is longer")
    assert tracks(rows(slope=0), "0.01").startswith("It hardly goes by the length of the way")
    assert tracks(rows(parts=3), "0.01").startswith("Too few parts")


def test_a_cell_has_what_its_rows_are_read_for():
    cells = EXPERIMENT.cells("tiny")
    found = [Row(cell, EXPERIMENT.measure(cell), 1.0, "") for cell in cells]
    assert EXPERIMENT.conclude(found).word == "measured" and len(EXPERIMENT.panels(found)) == 2
    assert len(EXPERIMENT.table(found)) == 7
    for row in found:
        assert len(row.result["test"]["0.1"]["counts"]["f1"]["tp"]) == row.settings["images"]
        assert "counts" not in row.result["validation"]["0.1"]
        assert all(len(row.result[key]) == row.settings["images"] for key in ("way", "done"))
