"""Which cells are measured with another seed, and what of them is held against the seeds there are."""

from dataclasses import replace

import pytest

from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.other_seeds import Value, compared, groups, measured_again, numbers
from fbseg_core.experiments.records import Row
from fbseg_core.settings import ConfigError

ROWS = [
    Row({"model": model, "seed": seed}, {"f1": 0.1 * seed + 0.5}, 2.0 + model, "")
    for seed in range(3)
    for model in range(5)
]
# its score is the number of its seed, so that it lies beyond those there are
FAKE = replace(EXPERIMENTS["limit"], measure=lambda settings: {"f1": float(settings["seed"])}, checkpoints=())


def test_cells_are_spread_over_the_grid_and_have_the_first_seed_that_it_lacks():
    found = list(measured_again(FAKE, ROWS, 2))
    assert [cell.settings for cell in found] == [{"model": 0, "seed": 3}, {"model": 2, "seed": 3}]
    assert all(cell.k == 3 and cell.values["f1"].beyond == pytest.approx(2.3) for cell in found)
    assert [len(group) for group in groups(ROWS)] == [3] * 5
    assert len(list(measured_again(FAKE, ROWS, 9))) == 5


def test_cells_that_take_long_can_be_left_out():
    assert [cell.settings["model"] for cell in measured_again(FAKE, ROWS, 9, longest=3)] == [0, 1]
    with pytest.raises(ConfigError, match=r"longest: no cell of limit took 1 s or less\."):
        list(measured_again(FAKE, ROWS, 9, longest=1))


def test_numbers_that_no_seed_changes_are_left_out_and_a_new_one_is_outside():
    others = [{"f1": 0.5, "weights": 9, "gone": 1}, {"f1": 0.7, "weights": 9, "gone": 1}]
    assert compared({"f1": 0.6, "weights": 9, "more": 3, "gone": None}, others) == {
        "f1": Value(0.6, 0.5, 0.7)
    }
    found = compared({"f1": 0.7001, "weights": 8}, others)
    assert all(one.beyond > 0 for one in found.values()) and set(found) == {"f1", "weights"}


def test_of_a_curve_the_last_number_counts_and_pixels_of_single_images_do_not():
    result = {"at": {"4": {"f1": [0.1, 0.2], "counts": {"tp": [1]}, "test_seed": 5}}, "ok": True, "no": []}
    assert numbers(result | {"rows": [[1, 2]], "stopped": None}) == {"at.4.f1, last": 0.2}
