"""The factorial between the paper's two models: what is trained, and what hand-made rows are made to say."""

from pathlib import Path

import numpy as np
import pytest

from fbseg_core.experiments.factorial import (
    BASELINE,
    CHANGES,
    EFFECTS,
    FEEDBACK,
    SINGLE,
    Cell,
    closing,
    from_feedback,
    mean_effects,
    score,
    single_effects,
    steps,
    there,
)
from fbseg_core.experiments.ladder import ENDS, EXPERIMENT, MORE, ONCE, cause, cells, run_of
from fbseg_core.experiments.records import Row, path_of, read

NOISE = np.random.default_rng(5).normal(0, 0.004, 8)


def rows(scores, examples=2, seeds=8, batch=0.5, spread=NOISE):
    """Rows of combinations with the given F1, seed by seed a little higher or lower."""
    return [
        Row(
            {"examples": examples, **cell._asdict(), "seed": 8 + i},
            {
                "f1": f1 + spread[(i + 3 * j) % 8],
                "f1_batch": batch + spread[i] if cell.norm == "batch" and cell.loop == "none" else None,
                "chance": 0.07,
                "updates": 10 * examples * cell.times,
                "stopped": None,
            },
            1.0,
            "",
        )
        for j, (cell, f1) in enumerate(scores.items())
        for i in range(seeds)
    ]


def additive(norm=0.0, output=0.0, state=0.0, loop=0.0, times=0.0, both=0.0, base=0.2, of=(*ONCE, *MORE)):
    """F1 of each combination as a sum of what its changes add; both: what the two normalisations add more."""

    def f1(cell):
        parts = {CHANGES[0]: norm, CHANGES[1]: output, CHANGES[2]: state, CHANGES[3]: loop}
        found = base + sum(parts[name] for name in cell.changes) + times * (cell.times > 1)
        return found + both * (cell.norm == "group" and cell.output)

    return {cell: f1(cell) for cell in of}


def conclude(scores, **how):
    return EXPERIMENT.conclude(rows(scores, **how), {})


def test_every_combination_is_trained_at_the_papers_updates():
    assert len(set(ONCE)) == 2 * 2 * 3 and {BASELINE, FEEDBACK} < set(ONCE)
    found = there(cells_as_rows("full"), 2)
    assert set(found) == {*ONCE, *MORE} and set(there(cells_as_rows("full"), 10)) == {*ENDS, *MORE}
    assert set(SINGLE.values()) <= set(found)
    assert FEEDBACK._replace(times=5) in found  # feedback at five times the updates


def cells_as_rows(profile):
    return [Row(cell, {}, 1.0, "") for cell in cells(profile)]


def test_the_two_ends_are_the_papers_models():
    ends = {cell: run_of(settings_of(cell))[1] for cell in (BASELINE, FEEDBACK)}
    plain, feedback = ends[BASELINE].model, ends[FEEDBACK].model
    assert (plain.kind, plain.norm, plain.delta_norm) == ("feedforward", "batch", False)
    assert (feedback.kind, feedback.norm, feedback.delta_norm) == ("feedback", "group", True)
    assert ends[BASELINE].train == ends[FEEDBACK].train and ends[FEEDBACK].train.total == 20


def settings_of(cell, seed=8):
    return {
        "examples": 2, **cell._asdict(), "seed": seed, "sigma": 0.5, "side": 64, "images": 1, "updates": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"norm": "group"}, {"norm"}),
        ({"output": True}, {"delta_norm"}),
        ({"loop": "cut"}, {"kind"}),
        ({"loop": "closed"}, {"kind"}),
    ],
)
def test_each_factor_changes_one_thing_of_the_model_at_equal_updates(changed, field):
    before, after = (run_of(settings_of(cell))[1] for cell in (BASELINE, BASELINE._replace(**changed)))
    assert before.train == after.train
    one, other = before.model.model_dump(), after.model.model_dump()
    assert {key for key in one if one[key] != other[key]} == field


def test_five_times_the_updates_change_no_model_and_read_the_same_examples_first():
    before, after = (run_of(settings_of(cell))[1] for cell in (FEEDBACK, FEEDBACK._replace(times=5)))
    assert before.model == after.model and after.train.total == 5 * before.train.total
    assert after.train.seed == before.train.seed and after.train.examples == before.train.examples


def test_the_changes_of_a_combination_are_named():
    assert BASELINE.changes == () and FEEDBACK.changes == CHANGES
    assert BASELINE._replace(loop="cut").changes == CHANGES[2:3]
    assert cause(FEEDBACK._replace(loop="none")) == "normalisation"
    assert cause(FEEDBACK._replace(loop="cut")) == "normalisation and a state with a loss at every step"
    assert cause(Cell(1, "group", False, "none")) == "group norm"


@pytest.mark.parametrize(
    ("verdict", "scores"),
    [
        ("not reproduced", additive()),  # no gap at all
        ("not reproduced", additive(loop=-0.3, base=0.9)),  # feedback is the worse
        ("reproduced", additive(loop=0.7)),  # nothing but the loop
        ("reproduced", additive(norm=0.2, output=0.2, state=0.1, loop=0.2)),  # all else leaves 0.2
        ("explained by group norm", additive(norm=0.7)),
        ("explained by normalised output", additive(output=0.7)),
        ("explained by normalisation", additive(both=0.7)),  # neither alone
        ("explained by normalisation", additive(norm=0.3, output=0.3, loop=0.01)),  # the loop's is too small
        ("explained by a state with a loss at every step", additive(state=0.7)),
        ("explained by normalisation and a state with a loss at every step", additive(0.2, 0.2, 0.2)),
        ("reproduced", additive(loop=0.7, times=0.7)),  # more updates are no equal updates
    ],
)
def test_each_verdict_from_rows_that_must_give_it(verdict, scores):
    assert conclude(scores).verdict == verdict


def test_where_seeds_vary_too_much_or_are_too_few_nothing_is_decided():
    wide = np.random.default_rng(2).normal(0, 0.3, 8)
    assert conclude(additive(loop=0.05), spread=wide).word == "undecided"
    few = conclude(additive(loop=0.7), seeds=2)
    assert few.word == "undecided" and "too few seeds" in few.details.lower()


def test_the_fewest_changes_are_found_and_the_best_of_equally_few_comes_first():
    compared = from_feedback(rows(additive(norm=0.69, output=0.7) | {FEEDBACK: 0.9}), 2)
    assert closing(compared) == [SINGLE["normalised output"], SINGLE["group norm"]]
    assert all(cell.times == 5 for cell in closing(compared, times=5))


def test_effects_are_told_alone_and_on_average_over_all_else():
    scores = additive(norm=0.1, both=0.4, loop=0.05, times=0.02)
    alone, average = (found(rows(scores), 2) for found in (single_effects, mean_effects))
    assert alone["group norm"].difference.mean == pytest.approx(0.1, abs=0.01)
    assert average["group norm"].difference.mean == pytest.approx(
        np.mean([
            f1 - scores[cell._replace(norm="batch")]
            for cell, f1 in scores.items()
            if cell.norm == "group" and cell._replace(norm="batch") in scores
        ]),
        abs=0.01,
    )  # fmt: skip
    assert average["the loop"].difference.mean == pytest.approx(0.05, abs=0.01)
    assert average["the loop"].different
    assert average["five times the updates"].difference.mean == pytest.approx(0.02, abs=0.01)
    assert set(average) == set(EFFECTS) and set(alone) == set(SINGLE)


def text(finding):
    return f"{finding.because} {finding.details}"


def test_the_sentences_name_updates_the_loop_and_the_batchs_own_statistics():
    found = conclude(additive(both=0.7), batch=0.85)
    assert "n = 2, 20 updates each" in text(found) and "At 100 updates feedback has" in text(found)
    assert "test batch's own statistics the same feedforward model scores 0.85" in text(found)
    assert "does not beat it" in text(found) and "The paper's baseline is −0.70" in text(found)
    beaten = conclude(additive(both=0.7, loop=-0.05), batch=0.85)
    assert "(group norm + normalised output) beats it" in text(beaten)


def test_a_table_of_the_way_ends_at_feedback():
    found = steps(rows(additive(both=0.7)), 2)
    assert found[0].batch.mean == pytest.approx(0.5, abs=0.01) and found[-1].batch is None
    assert found[0].from_feedback.answer == "different" and found[-1].from_feedback is None
    assert found[3].from_feedback.answer == "equal within margin"


def test_charts_hold_every_combination():
    found = EXPERIMENT.panels([*rows(additive()), *rows(additive(of=ENDS), examples=10)], {})
    assert [panel.title for panel in found] == [
        "2 examples, 20 updates", "2 examples, 100 updates", "10 examples, 100 updates",
    ]  # fmt: skip
    assert sum(len(line.x) for line in found[0].series[:3]) == 12


def test_what_ships_has_the_papers_gap_and_says_what_closes_it():
    shipped = read(path_of("ladder", "full"))[1]
    compared = from_feedback(shipped, 2)
    assert compared[BASELINE].different and compared[BASELINE].difference.mean < 0
    smallest = closing(compared)
    assert EXPERIMENT.conclude(shipped).cause == (cause(smallest[0]) if smallest else "")
    feedback, plain, cut = (
        score(shipped, cell, 2).mean for cell in (FEEDBACK, BASELINE, FEEDBACK._replace(loop="cut"))
    )
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    assert f"feedback scores {feedback:.2f} and feedforward {plain:.2f} (8 seeds)" in readme
    assert f"With its loop cut the feedback network scores {cut:.2f}" in readme
    assert compared[BASELINE].difference.over == "seeds and images" and compared[BASELINE].difference.k == 8
