"""Memory of three ways to learn a loop, by known proportions; and what rows of known numbers come to."""

from dataclasses import replace
from pathlib import Path

import pytest

from fbseg_core.experiments.gradients import EXPERIMENT, GRIDS, memory_of, run_of
from fbseg_core.experiments.gradients_rows import AT_REST, TRUNCATED, WAYS, WHOLE, compared, growth, learned
from fbseg_core.experiments.records import Row, path_of, read

CELL = {"seed": 0, "side": 16, "updates": 2, "batch": 2, "images": 2}


def test_memory_grows_with_the_steps_only_through_the_whole_trajectory():
    held = {
        (way, steps): memory_of(CELL | {"gradient": way, "steps": steps})
        for way in WAYS
        for steps in (10, 30)
    }
    assert held[WHOLE, 30] > 2.5 * held[WHOLE, 10]
    for way in (TRUNCATED, AT_REST):
        assert held[way, 30] <= 1.01 * held[way, 10]
    assert held[TRUNCATED, 10] == held[WHOLE, 10]  # the window is 10 steps
    assert held[AT_REST, 30] < 0.5 * held[TRUNCATED, 30]


def test_all_are_trained_alike_but_for_the_gradient_and_the_steps():
    runs = {(c["gradient"], c["steps"], c["seed"]): run_of(c) for c in EXPERIMENT.cells("full")}
    assert len(runs) == 9 * GRIDS["full"]["seeds"]
    task, first = runs[WHOLE, 5, 0]
    for (way, steps, seed), (images, run) in runs.items():
        change = {"gradient": way, "steps_min": steps, "steps_max": steps, "seed": seed}
        assert images == task and run.model == first.model and run.train == first.train.replace(**change)


def rows(seeds=8, **gaps):
    """gaps: by way, its F1 at each T, where the whole trajectory has 0.8."""
    found = []
    for seed in range(seeds):
        for way in WAYS:
            for i, steps in enumerate((5, 20, 80)):
                score = gaps.get(way, (0.8,) * 3)[i] + 0.01 * seed + 0.0002 * (-1) ** seed * (way == WHOLE)
                held = 2**20 * (steps if way == WHOLE else 7)
                result = {"f1": score, "late": score, "rest": 0.5, "trivial": 0.7, "bytes": held}
                found.append(Row({"gradient": way, "steps": steps, "seed": seed}, result, 1.0, ""))
    return found


@pytest.mark.parametrize(
    ("word", "scores", "seeds"),
    [
        ("reproduced", (0.7, 0.7, 0.7), 8),
        ("partly", (0.8, 0.7, 0.8), 8),
        ("not reproduced", (0.8, 0.8, 0.8), 8),
        ("not reproduced", (0.9, 0.8, 0.8), 8),
        ("undecided", (0.7, 0.7, 0.7), 2),  # no interval, so nothing is known
    ],
)
def test_the_word_is_of_the_whole_trajectory_against_the_fixed_point(word, scores, seeds):
    found = EXPERIMENT.conclude(rows(seeds, **{AT_REST: scores}))
    assert found.word == word
    brief = "T = 80: whole trajectory F1" if seeds > 2 else "no way is known to learn the task"
    assert brief in found.brief


def test_where_none_has_learned_the_task_their_being_alike_says_nothing():
    found = [
        replace(row, result=row.result | {"trivial": row.result["f1"] + 0.05 + 0.001 * row.settings["seed"]})
        for row in rows()
    ]
    told = EXPERIMENT.conclude(found)
    assert told.word == "undecided" and "no way is known to beat marking every region" in told.because
    assert "no way is known" not in EXPERIMENT.conclude(rows()).because


def test_whose_memory_grows_is_told_from_the_rows():
    found = rows()
    assert growth(found, WHOLE) == pytest.approx(16) and growth(found, AT_REST) == 1
    told = EXPERIMENT.conclude(found).because
    assert "grows by: whole trajectory 16.0 times" in told
    assert "within 10% for: truncated, recurrent back-propagation" in told
    assert len(compared(found)) == 6


@pytest.mark.slow
def test_a_cell_has_what_its_rows_are_read_for():
    cells = EXPERIMENT.cells("tiny")
    found = [Row(cell, EXPERIMENT.measure(cell), 1.0, "") for cell in cells]
    assert EXPERIMENT.conclude(found).word == "undecided" and len(EXPERIMENT.panels(found)) == 3
    assert len(EXPERIMENT.table(found)) == 6


def test_the_readme_says_of_the_gradients_what_their_rows_say():
    found = read(path_of("gradients", "full"))[1]
    text = " ".join((Path(__file__).resolve().parents[3] / "README.md").read_text().split())
    assert f"by {growth(found, WHOLE):.1f} times through the whole trajectory, and not at all by" in text
    assert growth(found, AT_REST) == 1
    assert not learned(found) and "No way is known to beat marking every region over 8 seeds" in text
    either = [one for key in ("f1", "late") for one in compared(found, key).values()]
    assert not any(one.different for one in either) and "F1 is told apart from neither other" in text
