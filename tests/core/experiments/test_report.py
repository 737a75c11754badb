import math
import re

import pytest

from fbseg_core import ConfigError
from fbseg_core.analysis.paired import Difference
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.harness import run
from fbseg_core.experiments.records import UNRECORDED, Row, path_of, read, related
from fbseg_core.experiments.report import (
    above_chance,
    exact,
    flat,
    gap,
    geometric_mean,
    made_by,
    mean,
    over_seeds,
    words,
)


def rows(**values):
    return [
        Row({"model": model, "seed": seed}, {"f1": f1}, 1.0, "")
        for model, scores in values.items()
        for seed, f1 in reversed(list(enumerate(scores)))
    ]


def test_values_come_in_the_order_of_their_seeds_and_pair_up():
    found = rows(a=[0.1, 0.2, 0.3, 0.4, 0.6], b=[0.0, 0.1, 0.2, 0.3, 0.5])
    assert over_seeds(found, "f1", model="a") == [0.1, 0.2, 0.3, 0.4, 0.6]
    assert mean(found, lambda row: 2 * row.result["f1"], model="a").mean == pytest.approx(0.64)
    difference = gap(found, "f1", {"model": "a"}, {"model": "b"})
    assert difference.mean == pytest.approx(0.1) and difference.high - difference.low < 1e-9


def test_a_seed_that_is_missing_or_there_twice_is_refused():
    with pytest.raises(ConfigError, match="0 rows"):
        over_seeds(rows(a=[0.1]), "f1", model="b")
    with pytest.raises(ConfigError, match="2 rows"):
        over_seeds(rows(a=[0.1], b=[0.1]), "f1")


def counted(model, tp, seed, test_seed):
    """A row whose two images have `tp` true positives, and 10 pixels of shape each."""
    missed = [10 - one for one in tp]
    result = {
        "f1": 2 * sum(tp) / (2 * sum(tp) + sum(missed)), "chance": 0.07, "test_seed": test_seed,
        "counts": {"f1": {"tp": tp, "fp": [0, 0], "fn": missed}},
    }  # fmt: skip
    return Row({"model": model, "seed": seed}, {"at": {"4": result}, **result}, 1.0, "")


def test_intervals_are_over_images_too_where_the_rows_have_their_counts():
    found = [
        counted(model, [high, 2], seed, seed) for model, high in (("a", 9), ("b", 5)) for seed in range(8)
    ]
    score, nested = mean(found, "f1", model="a"), mean(found, ("at", "4", "f1"), model="a")
    assert score == nested and score.over == "seeds and images"
    assert score.mean == pytest.approx(22 / 31) and score.low < score.mean < score.high  # seeds are all alike
    difference = gap(found, "f1", {"model": "a"}, {"model": "b"})
    assert difference.over == "seeds and images" and difference.mean == pytest.approx(22 / 31 - 14 / 27)
    assert mean(found, lambda row: row.result["f1"], model="a").over == "seeds"


def test_rows_that_share_their_test_images_or_lack_counts_have_intervals_over_seeds_alone():
    shared = [counted("a", [9, 2], seed, 1000) for seed in range(8)]
    assert mean(shared, "f1", model="a").over == "seeds"
    assert mean(rows(a=[0.1] * 8), "f1").over == "seeds"


def test_a_score_is_held_against_chance_on_its_own_images():
    found = [counted("a", [9, 2], seed, seed) for seed in range(8)]
    assert above_chance(found, "f1", model="a").mean == pytest.approx(22 / 31 - 0.07)


def test_sizes_are_averaged_by_their_logarithms():
    found = geometric_mean([1.0, 10.0, 100.0, 10.0, 10.0])
    assert found.mean == pytest.approx(10) and 1 < found.low < 10 < found.high < 100
    assert geometric_mean([1e-3, 0.0], floor=1e-5).mean == pytest.approx(1e-4)
    with pytest.raises(ConfigError, match="greater than 0"):
        geometric_mean([1.0, 0.0])


def test_numbers_in_words():
    assert words(mean(rows(a=[0.9] * 4 + [0.8] * 4), "f1")).startswith("0.85 [0.8")
    assert words(exact(0.07)) == "0.07" and words(exact(0.07), sign=True) == "+0.07"
    assert words(exact(-0.3)) == "−0.30" and words(exact(0.0), sign=True) == "0.00"
    assert words(exact(-0.001), sign=True) == "−0.001"  # a digit more, for the sign to be seen
    assert words(Difference(0.01, -0.00021, 0.02, 8), sign=True) == "+0.0100 [−0.0002, +0.0200]"
    few = mean(rows(a=[0.9, 0.8]), "f1")
    assert math.isinf(few.low) and words(few) == "0.85 [too few seeds for an interval]"


SHIPPED = [name for name in EXPERIMENTS if path_of(name, "full").exists()]
QUICK = "limit"  # measured in seconds; the others' grids are run by -m slow
# what ships is concluded from below, and its cells are measured again by -m slow
RUN = [QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in EXPERIMENTS if name not in SHIPPED)]


@pytest.mark.parametrize("name", RUN)
def test_every_experiment_can_say_what_it_found(name, tmp_path):
    for _ in run(EXPERIMENTS[name], "tiny", folder=tmp_path):
        pass
    found = read(path_of(name, "tiny", tmp_path))[1]
    others = related(EXPERIMENTS[name], "tiny", tmp_path)
    panels = EXPERIMENTS[name].panels(found, others)
    assert panels and all(series.x and len(series.x) == len(series.y) for p in panels for series in p.series)
    assert [row.settings for row in found] == EXPERIMENTS[name].cells("tiny")
    assert len(flat(found)) == len(found)
    finding = EXPERIMENTS[name].conclude(found, others)
    assert finding.because.endswith(".") and (finding.word == "explained by") == bool(finding.cause)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_is_told_in_a_line_of_words_and_in_three_short_sentences(name):
    experiment = EXPERIMENTS[name]
    found = experiment.conclude(read(path_of(name, "full"))[1], related(experiment, "full"))
    assert len(found.brief) <= 130 and found.brief.endswith(".") and "[" not in found.brief
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z])", found.because)
    assert len(sentences) <= 3 and all(len(sentence) <= 200 for sentence in sentences), sentences
    lines = [
        each
        for point in found.points
        for each in ([point] if isinstance(point, str) else [point.of, *point.items])
    ]
    assert max(map(len, lines)) <= 250  # else a block of figures


def test_the_raw_table_names_what_is_nested_by_its_path():
    result = {"at": {"4": {"f1": 0.5}}, "f1": None}
    (found,) = flat([Row({"seed": 1, "tests": [1, 2]}, result, 2.5, "ab", {"torch": "2", "note": "old"})])
    assert list(found.items()) == [
        ("seed", 1), ("tests", "[1, 2]"), ("at.4.f1", 0.5), ("f1", None), ("seconds", 2.5), ("digest", "ab"),
        ("made.torch", "2"), ("made.note", "old"),
    ]  # fmt: skip


def test_which_code_made_the_rows_is_told_in_a_few_words():
    now, other, unknown = (Row({}, {}, 1.0, "", {"code": code} if code else {}) for code in ("a", "b", ""))
    assert made_by([now, now], "a") == "all made by the code as it is now"
    assert made_by([unknown], "a") == f"all {UNRECORDED}"
    assert made_by([unknown, now, other, other], "a") == (
        f"1 made by the code as it is now, 2 made by other code, 1 {UNRECORDED}"
    )
    assert made_by([unknown], "") == f"all {UNRECORDED}" and made_by([now], "") == "all made by other code"
