import math

import pytest

from fbseg_core.analysis.paired import Difference
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.records import RESULTS, Finding, Listed, Panel, Row, Series, read, related
from fbseg_core.experiments.report import exact
from pages.evidence.figures import MOST_BARS, badge, legend, listed, machines, panel_figure, styles


def line(name, kind="other", n=3, low=0.4, high=0.6):
    return Series(name, kind, tuple(range(n)), (Difference(0.5, low, high, 8),) * n)


def panel(*series, logs=""):
    return Panel("title", "x", "pooled F1", series, logs)


def test_bars_are_the_distance_from_the_mean_to_the_bounds():
    (trace,) = panel_figure(panel(line("a", low=0.4, high=0.7))).data
    assert trace.error_y.array == pytest.approx([0.2] * 3) and trace.error_y.arrayminus == pytest.approx(
        [0.1] * 3
    )


def test_many_points_have_a_band_and_few_seeds_have_neither():
    band, mean = panel_figure(panel(line("a", n=MOST_BARS + 1))).data
    assert band.fill == "toself" and mean.error_y.array is None and max(band.y) == 0.6
    (trace,) = panel_figure(panel(line("a", low=-math.inf, high=math.inf))).data
    assert trace.error_y.array is None and trace.customdata[0] == ""


def test_a_logarithmic_axis_leaves_out_what_it_cannot_show():
    series = Series("a", "other", (1, 2, 3), (exact(0.0), Difference(0.1, -0.1, 0.2, 8), exact(2.0)))
    (trace,) = panel_figure(panel(series, logs="xy")).data
    assert trace.x == (2, 3) and trace.error_y.arrayminus == (0.0, 0.0)


def test_a_logarithmic_axis_is_written_in_full_over_few_decades_and_in_powers_over_many():
    def axis(*x):
        series = Series("a", "other", x, (exact(0.5),) * len(x))
        return panel_figure(panel(series, logs="x")).layout.xaxis

    few = dict(zip(axis(5, 20, 80).ticktext, axis(5, 20, 80).tickvals))
    assert few["5"] == 5 and few["20"] == 20 and few["100"] == 100
    assert axis(0.004, 0.3).ticktext[:2] == ("0.001", "0.002")
    assert axis(1, 10**9).tickvals is None and axis(1, 10**9).dtick == 2
    assert panel_figure(panel(Series("a", "other", (1,), (exact(0.0),)), logs="y")).layout.yaxis.type == "log"


def test_words_on_an_axis_keep_their_order():
    figure = panel_figure(panel(Series("a", "feedback", ("z", "a"), (exact(1.0),) * 2)))
    assert figure.layout.xaxis.categoryarray == ("z", "a")


def test_no_line_joins_named_conditions_and_their_legend_shows_points():
    some = Series("a", "other", ("none", "both"), (exact(0.5),) * 2)
    level = Series("chance", "chance", ("none", "one", "both"), (exact(0.1),) * 3)
    named = panel(some, level)
    assert [trace.mode for trace in panel_figure(named).data] == ["markers", "lines"]
    assert panel_figure(named).layout.scattermode == "group"  # else what is level covers one another
    assert legend(named).count("<i ") == 1 and "✚" in legend(named)
    numbers = panel(Series("a", "other", ("1", "2"), (exact(0.5),) * 2))
    assert panel_figure(numbers).data[0].mode == "lines+markers" and "<i " in legend(numbers)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*-full.jsonl")), ids=lambda path: path.stem)
def test_no_two_lines_of_a_shipped_chart_look_alike(path):
    head, rows = read(path)
    experiment = EXPERIMENTS[head["experiment"]]
    for each in experiment.panels(rows, related(experiment, head["profile"], path.parent)):
        assert len(set(styles(each))) == len(each.series)
        assert len({series.name for series in each.series}) == len(each.series)
        assert legend(each).count("<span>") == len(each.series)


def test_points_are_a_list_with_their_own_lists_below_them():
    points = ["A sentence.", Listed("F1 of two", ("a 0.1", "b 0.2")), Listed("F1 of one", ("a 0.1",))]
    finding = Finding("measured", "", "", points=points)
    assert listed(finding) == "- A sentence.\n- F1 of two:\n    - a 0.1\n    - b 0.2\n- F1 of one: a 0.1."
    assert finding.details == "A sentence. F1 of two: a 0.1; b 0.2. F1 of one: a 0.1."


def test_each_machine_is_named_once():
    made = [{"machine": "A", "python": "3", "torch": torch} for torch in ("1", "2", "1")]
    rows = [Row({}, {}, 1.0, "", one) for one in made]
    assert machines(rows) == ["A, with Python 3 and torch 1", "A, with Python 3 and torch 2"]


def test_names_are_text_and_not_markup():
    assert "<b>" not in legend(panel(line("<b>"))) and badge(None).count("<") == 2
