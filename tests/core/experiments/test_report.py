import math

import pytest

from fbseg_core import ConfigError
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.harness import run
from fbseg_core.experiments.records import Row, path_of, read
from fbseg_core.experiments.report import exact, gap, geometric_mean, mean, over_seeds, table, words


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


def test_sizes_are_averaged_by_their_logarithms():
    found = geometric_mean([1.0, 10.0, 100.0, 10.0, 10.0])
    assert found.mean == pytest.approx(10) and 1 < found.low < 10 < found.high < 100
    assert geometric_mean([1e-3, 0.0], floor=1e-5).mean == pytest.approx(1e-4)
    with pytest.raises(ConfigError, match="greater than 0"):
        geometric_mean([1.0, 0.0])


def test_numbers_in_words():
    assert words(mean(rows(a=[0.9] * 4 + [0.8] * 4), "f1")).startswith("0.85 [0.8")
    assert words(exact(0.07)) == "0.07" and words(exact(0.07), sign=True) == "+0.07"
    assert words(exact(-0.3)) == "−0.30" and words(exact(-0.001), sign=True) == "0.00"
    few = mean(rows(a=[0.9, 0.8]), "f1")
    assert math.isinf(few.low) and words(few) == "0.85 [too few seeds for an interval]"


QUICK = ("limit",)  # measured in seconds; the others' grids are run by -m slow


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in EXPERIMENTS]
)
def test_every_experiment_can_say_what_it_found(name, tmp_path):
    for _ in run(EXPERIMENTS[name], "tiny", folder=tmp_path):
        pass
    found = read(path_of(name, "tiny", tmp_path))[1]
    panels = EXPERIMENTS[name].panels(found)
    assert panels and all(series.x and len(series.x) == len(series.y) for p in panels for series in p.series)
    assert [row.settings for row in found] == EXPERIMENTS[name].cells("tiny")
    assert len(table(found).splitlines()) == len(found) + 1
    finding = EXPERIMENTS[name].conclude(found)
    assert finding.because.endswith(".") and (finding.word == "explained by") == bool(finding.cause)


def test_the_raw_table_names_what_is_nested_by_its_path():
    text = table([Row({"seed": 1, "tests": [1, 2]}, {"at": {"4": {"f1": 0.5}}, "f1": None}, 2.5, "ab")])
    assert text.splitlines() == ["seed,tests,at.4.f1,f1,seconds,digest", '1,"[1, 2]",0.5,,2.5,ab']
