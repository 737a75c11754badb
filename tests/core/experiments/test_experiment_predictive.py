"""What is chosen on validation images, what is measured on others, and what rows of known numbers come to."""

from itertools import product
from pathlib import Path

import pytest

from fbseg_core.config import EVAL_SEED
from fbseg_core.experiments.predictive import EXPERIMENT, VALIDATION_SEED, run_of, subjects, task_of
from fbseg_core.experiments.predictive_dials import ALONE, DIALS, best_of
from fbseg_core.experiments.predictive_rows import (
    AROUND,
    BARE,
    CODING,
    LOOP,
    MOVED,
    NET,
    NOISE,
    OWN,
    PARTS,
    TASKS,
    _told,
    compared,
    f1,
    parts,
    preferred,
)
from fbseg_core.experiments.records import Row, path_of, read

FULL = EXPERIMENT.cells("full")


def test_no_image_that_dials_are_chosen_on_is_told_of():
    seeds = {cell["seed"] for cell in FULL}
    assert not {VALIDATION_SEED + seed for seed in seeds} & {EVAL_SEED + seed for seed in seeds}


def test_of_equals_the_fewest_updates_are_chosen_and_never_none():
    assert best_of({"a": [0.9, 0.5, 0.7], "b": [0.9, 0.6, 0.7]}) == ("a", 2)
    assert best_of({"a": [0.9, 0.7, 0.7], "b": [0.9, 0.6, 0.8]}) == ("b", 2)
    assert best_of({"a": [0.9, 0.7, 0.7], "b": [0.9, 0.7, 0.7]}) == ("a", 1)


def test_each_part_has_what_its_name_says_and_the_control_neither():
    has = {part: {(share > 0, error > 0) for _, share, error in dials} for part, dials in DIALS.items()}
    assert list(has.values()) == [{(True, False)}, {(False, True)}, {(True, True)}] and tuple(has) == PARTS
    assert (ALONE.feedback, ALONE.error, ALONE.memory) == (0, 0, 0)


@pytest.mark.parametrize("task", TASKS)
def test_the_networks_differ_in_the_loop_alone_and_learn_from_the_same_images(task):
    net, loop = (
        run_of(next(cell for cell in FULL if (cell["task"], cell["model"]) == (task, name)))
        for name in (NET, LOOP)
    )
    assert net.train == loop.train and not net.train.examples
    assert net.model == loop.model.replace(kind="feedforward")


def test_shapes_are_at_paper_sigma_8_and_the_noise_of_the_test_is_a_multiple_of_it():
    one = next(cell for cell in FULL if cell["task"] == "shapes")
    assert [task_of(one, times).paper_sigma for times in NOISE.values()] == [8, 16]
    assert task_of(next(cell for cell in FULL if cell["task"] == "grouping"), 2).sigma == 0.4


def rows(seeds=8, around=0.0, coding=-0.1, loop=0.1):
    """F1 of the U-Net 0.8, and the others' differences from it."""
    found = []
    for seed, task, model in product(range(seeds), TASKS, (NET, LOOP, CODING)):
        jitter = 1e-3 * (-1) ** seed
        shift = {NET: 0.0, LOOP: loop + jitter, CODING: coding - jitter}[model]
        at = {
            noise: {OWN: {"f1": 0.8 + shift, "chance": 0.1, "trivial": 0.7 if task == "grouping" else None}}
            for noise in NOISE
        }
        result = {"at": at, "weights": 100, "macs": 2.0}
        if model == NET:
            result |= {"decoders": 20, "missed": [1.3, 0.25], "control": 0.8}
            for each, name in product(at.values(), (AROUND, *PARTS)):
                each[name] = {
                    "f1": 0.8 + around + jitter, "chosen": [0.9, 0.1, 0.0, 1 + seed % 2], "macs": 3.0 + seed,
                    "validation": 0.8 + 1e-3 * (seed % 2), "net": 0.8,
                }  # fmt: skip
        settings = {"task": task, "model": model, "seed": seed, "side": 32, "updates": 9, "coding": 5}
        found.append(Row(settings | {"decoders": 7}, result, 1.0, ""))
    return found


def test_each_model_is_told_by_its_difference_from_the_u_net():
    found = compared(rows())
    assert {one.answer for (name, _), one in found.items() if "error" in name} == {"equal within margin"}
    assert {one.answer for (name, _), one in found.items() if "error" not in name} == {"different"}
    told = EXPERIMENT.conclude(rows())
    assert "With prediction and error less the U-Net: shapes 0.00" in told.because
    assert "Predictive coding proper less the U-Net: shapes −0.10" in told.because
    assert told.brief == (
        "Prediction and error add 0.00 F1 to a U-Net on shapes, 0.00 on grouping; with twice the noise 0.00, "
        "0.00."
    )
    assert "The paper's loop less the U-Net: shapes +0.10" in told.details
    assert "the decoders miss 25% of the levels' power after 7 updates" in told.details
    assert "grouping predictive coding is 0.00" in told.details


def test_a_gain_of_a_part_is_told_and_how_often_validation_saw_one():
    found = rows(around=0.05)
    assert {one.answer for one in parts(found).values()} == {"different"}
    assert preferred(found, "shapes") == 4
    assert "Of 8 seeds" in (told := EXPERIMENT.conclude(found).details) and "shapes, as trained, in 4" in told
    assert "add +0.05 F1 to a U-Net on shapes, +0.05 on grouping" in EXPERIMENT.conclude(found).brief
    assert "Too few seeds" in EXPERIMENT.conclude(rows(seeds=2)).details


def test_what_a_model_takes_stands_beside_its_score():
    lines = {(line["task"], line["model"]): line for line in EXPERIMENT.table(rows())}
    around = lines["shapes", "U-Net with prediction and error"]
    assert around["weights"] == "120" and around["multiply-adds an image, millions"] == "3.00 to 10.00"
    assert lines["shapes", "of these, errors alone"]["weights"] == "120"
    assert lines["shapes", "U-Net"]["less the U-Net, as trained"] == "–"
    assert ("grouping", "mark every region") in lines and ("shapes", "mark every region") not in lines


def test_the_readme_says_what_the_rows_say():
    found = read(path_of("predictive", "full"))[1]
    text = " ".join((Path(__file__).resolve().parents[3] / "README.md").read_text().split())
    moved, noisier = ([compared(found, noise)[MOVED, task] for task in TASKS] for noise in NOISE)
    shapes, grouping = ([f1(found, name, task).mean for name in (CODING, BARE)] for task in TASKS)
    noisy = [f1(found, name, "shapes", "twice the noise").mean for name in (CODING, BARE)]
    assert {one.answer for one in moved} == {"equal within margin"}
    for phrase in (
        f"add {_told(moved[0])} F1 on shapes and {_told(moved[1])} on grouping, both equal within margin",
        f"learned in {_told(noisier[0])} and {_told(noisier[1])} (8 seeds",
        f"scores {shapes[0]:.2f} and {grouping[0]:.2f} there, the U-Net {shapes[1]:.2f} and "
        f"{grouping[1]:.2f};",
        f"told apart, {noisy[0]:.2f} against {noisy[1]:.2f}",
    ):
        assert phrase in text
    apart = [
        (noise, task)
        for noise in NOISE
        for task in TASKS
        if compared(found, noise)[CODING, task].answer != "not told apart"
    ]
    assert apart == [("twice the noise", "shapes")]


@pytest.mark.thorough
def test_a_cell_has_what_its_rows_are_read_for():
    found = [Row(cell, EXPERIMENT.measure(cell), 1.0, "") for cell in EXPERIMENT.cells("tiny")]
    assert EXPERIMENT.conclude(found).word == "measured" and len(EXPERIMENT.panels(found)) == 4
    for row in found:
        assert len(row.result["at"]["as trained"][OWN]["counts"]["f1"]["tp"]) == row.settings["images"]
        assert bool(subjects(row.settings)) == (row.settings["model"] != CODING)
        if row.settings["model"] == NET:
            assert row.result["control"] == row.result["at"]["as trained"][OWN]["f1"]
