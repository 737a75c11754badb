import pytest

from fbseg_core.checkpoint import read_card
from fbseg_core.config import ShapesConfig
from fbseg_core.experiments import EXPERIMENTS, limit
from fbseg_core.experiments.limit import EXPERIMENT, MODELS, limit_at, limit_line, limit_series, share
from fbseg_core.experiments.records import Row, path_of, read, related

SHIPPED = path_of("limit", "full")
shipped = pytest.mark.skipif(not SHIPPED.exists(), reason="not measured yet")


def rows(parts=8):
    """At paper sigma 4 and 8: a limit of 0.9 and 0.8, give or take what a part varies by."""
    return [
        Row(
            {"paper_sigma": sigma, "seed": part, "side": 64},
            {
                "limit": best + part / 100, "expected": best, "feedback": best / 2 + part / 100,
                "feedforward": best + part / 100, "chance": 0.07,
            },
            1.0,
            "",
        )
        for sigma, best in ((8.0, 0.8), (4.0, 0.9))
        for part in range(parts)
    ]  # fmt: skip


def test_a_share_is_the_ratio_of_means():
    found = rows()
    assert share(found, "feedforward", 4.0).mean == pytest.approx(1)
    half = share(found, "feedback", 8.0)
    assert half.mean == pytest.approx(0.435 / 0.835) and half.low < half.mean < half.high


def test_the_models_are_of_the_same_task_and_noise_as_said():
    for checkpoint in MODELS.values():
        task = read_card(checkpoint).task
        assert task.paper_sigma == limit.TRAINED
        assert task.replace(sigma=0.5, normalise="none") == ShapesConfig(normalise="none")


def test_the_line_has_a_difference_for_each_sigma():
    line = limit_line(rows())
    assert list(line) == [4.0, 8.0] and line[8.0].mean == pytest.approx(0.835)
    assert line[8.0].low < 0.835 < line[8.0].high and line[4.0].k == 8


def test_the_finding_names_the_limit_and_the_shares():
    finding = EXPERIMENT.conclude(rows())
    assert finding.word == "measured" and "Paper sigma 8: the limit is 0.8" in finding.because
    assert "feedback model reaches 0.52" in finding.because and "feedforward model 1.00" in finding.because


@pytest.mark.slow
def test_the_observer_beats_the_models_where_noise_is_strong_and_is_right_where_there_is_none():
    cell = {"seed": 0, "side": 32, "images": 4}
    clear, noisy = (limit.measure(cell | {"paper_sigma": sigma}) for sigma in (0.0, 32.0))
    assert clear["limit"] == clear["expected"] == 1
    assert noisy["limit"] < 1 and noisy["limit"] > max(noisy[name] for name in MODELS)


def test_the_limit_is_drawn_only_where_it_is_known():
    assert limit_at(64, {}) == {} and limit_series(64, (4.0,), ("2",), {}) == []
    others = {"limit": rows()}
    assert limit_at(64, others) == limit_line(rows()) and limit_series(32, (4.0,), ("2",), others) == []
    (line,) = limit_series(64, (2.0, 4.0, 8.0), ("a", "b", "c"), others)
    assert line.x == ("b", "c") and line.kind == "limit" and [d.k for d in line.y] == [8, 8]


@shipped
def test_no_model_that_ships_beats_the_shipped_limit():
    found = read(SHIPPED)[1]
    for sigma, line in limit_line(found).items():
        assert abs(line.mean - limit.mean(found, "expected", paper_sigma=sigma).mean) < 0.05
        assert all(share(found, name, sigma).low <= 1 for name in MODELS)
    means = [line.mean for line in limit_line(found).values()]
    assert means == sorted(means, reverse=True) and means[0] == 1


@shipped
@pytest.mark.parametrize("name", ["fewshot", "noise"])
def test_the_limit_stands_in_the_panels_of_what_is_measured_at_its_side(name):
    path = path_of(name, "full")
    if not path.exists():
        pytest.skip("not measured yet")
    for panel in EXPERIMENTS[name].panels(read(path)[1], related(EXPERIMENTS[name], "full")):
        (line,) = (series for series in panel.series if series.kind == "limit")
        assert line.x == panel.series[0].x
        for series in panel.series:
            if series.kind != "limit":
                assert all(y.low <= top.high for y, top in zip(series.y, line.y))
