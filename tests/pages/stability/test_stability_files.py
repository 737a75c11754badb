"""Stability lab: links, files, code, and how its figures look."""

import contextlib
import csv
import dataclasses
import io
import re
import tomllib

import numpy as np
import pytest
from driven import ROOT, link
from stability_lab import SMALL, app, chart, said, table, texts, together

from pages.stability import computed, exports, figures
from pages.stability.state import NAMES, StabilityState, variants_of
from pages.ui import models

pytestmark = pytest.mark.xdist_group("stability")  # what one test has opened, others look at


@pytest.fixture(scope="module")
def default_table():
    return table(app())


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"T": "1e99"}, marks=pytest.mark.slow),
        pytest.param({"T": "7"}, marks=pytest.mark.slow),
        pytest.param({"eigenvalue": "nan"}, marks=pytest.mark.slow),
        pytest.param({"focus": "<script>"}, marks=pytest.mark.slow),
        {"model": "../../etc/passwd"},
        pytest.param({"model": "shapes-feedforward"}, marks=pytest.mark.slow),
        pytest.param({"lesson": "x" * 5000}, marks=pytest.mark.slow),
        pytest.param({"nonsense": "1"}, marks=pytest.mark.slow),
        pytest.param({"v": "99"}, marks=pytest.mark.slow),
        pytest.param({"at": "0"}, marks=pytest.mark.slow),
        pytest.param({"clock": "[1, 2]"}, marks=pytest.mark.slow),
    ],
)
def test_hostile_links_give_the_defaults_and_one_notice(query, default_table):
    at = app(**query)
    assert len(at.warning) == 1 and at.warning[0].value.startswith("This link could not be read")
    assert at.slider(key="stability-T").value == 60 and not at.info
    assert link(at) == {} and table(at) == default_table


@pytest.mark.slow
def test_the_link_holds_only_what_differs_and_opens_the_same_view():
    at = app(**SMALL)
    at.slider(key="stability-t").set_value(4).run()
    at.radio(key="stability-focus").set_value("decay only").run()
    at.toggle(key="stability-log").set_value(False).run()
    assert link(at) | {"v": "1"} == {"v": "1", "T": "12", "t": "4", "focus": "decay only", "log": "false"}
    again = app(**{key: value for key, value in link(at).items()})
    assert table(again) == table(at) and texts(again)[-1] == texts(at)[-1]
    assert again.radio(key="stability-focus").value == "decay only"


def test_every_curve_is_in_the_table():
    view = StabilityState(T=12, clock=2)
    variants = variants_of(view, models.cards())
    walks = {name: computed.walk_of(variant) for name, variant in variants.items()}
    plane = computed.plane_of(list(variants.values()))
    bounds = {"softmax, decay: bound": np.arange(13.0)}
    rows = list(csv.DictReader(io.StringIO(exports.table(walks, plane, bounds))))
    assert len(rows) == 4 * 2 * 13
    assert set(walks["neither"].clocked.curves) | {"variant", "clock", "t", "pc1", "pc2"} < set(rows[0])
    row = next(
        r for r in rows if r["variant"] == "decay only" and r["clock"] == "held from t = 2" and r["t"] == "9"
    )
    held = walks["decay only"].frozen
    assert (row["state"], row["mask"]) == (held.state.label, held.mask.label)
    for key, values in held.curves.items():
        assert float(row[key]) == pytest.approx(values[9], rel=1e-8)
    assert [float(r["softmax, decay: bound"]) for r in rows[:13]] == list(range(13))
    assert rows[13]["softmax, decay: bound"] == rows[0]["delta"] == ""


def test_the_figures_page_needs_no_network():
    leg = computed.walk_of(variants_of(StabilityState(T=12), models.cards())["neither"]).clocked
    figure = figures.curves_figure({"neither": leg}, 3, True)
    page = exports.page_of(
        [("One & two", figure), ("Two", figure)],
        "http://localhost/stability?v=1&T=12",
        ["With the clock < 3"],
    )
    assert "<p>With the clock &lt; 3</p>" in page
    assert page.count("Plotly.newPlot(") == 2 and 'src="http' not in page and "v=1&amp;T=12" in page


@pytest.mark.thorough
def test_the_snippet_alone_gives_the_page_s_numbers():
    asked = {"local": "true", "perturb": "true", "direction": "leading eigenvector", "focus": "decay only"}
    at = app(model="grouping-feedback", T="12", image="3", **asked)
    code = next(c.value for c in at.code if "walk(" in c.value)
    assert "streamlit" not in code and "pages" not in code
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(code, "snippet", "exec"), {})
    output = output.getvalue()
    for name, (_, _, f1) in table(at).items():
        printed = re.search(rf"^{name} 12 .*'f1': ([\d.]+)", output, re.M)
        assert float(printed[1]) == pytest.approx(float(f1), abs=6e-4)
    assert all(sentence in output for sentence in said(at, "clock running"))
    assert all(f"{what}: {name}." in output for what, name in zip(("State", "Mask"), together(at)))
    responded, spectrum = output.strip().splitlines()[-1], output[output.rindex("[") :]
    leading = re.search(r"Leading: ([-+.\d]+)", " ".join(texts(at)))[1]
    assert f"{complex(re.search(r'[-.0-9e]+[+-][.0-9e+-]+j', spectrum)[0]).real:.4g}" == leading
    drawn = chart(at, "response")
    assert [float(n) for n in responded.split()] == pytest.approx(
        [drawn["clock running"][-1], drawn["clock held there"][-1]], rel=1e-4
    )


def test_a_variant_looks_the_same_everywhere_and_can_be_seen_on_both_backgrounds():
    variants = variants_of(StabilityState(T=12), models.cards())
    legs = {name: computed.walk_of(variant).clocked for name, variant in variants.items()}
    plane = computed.plane_of(list(variants.values()))
    for figure in (
        figures.curves_figure(legs, 3, True),
        figures.plane_figure(plane, legs, 3),
    ):
        for name in NAMES:
            lines = [trace.line for trace in figure.data if trace.name == name]
            assert lines and {(line.color, line.dash) for line in lines} == {
                (figures.COLOURS[name], figures.DASHES[name])
            }
    assert len(set(figures.DASHES.values())) == len(set(figures.COLOURS.values())) == 4
    themes = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
    for background in (themes["light"]["backgroundColor"], themes["dark"]["backgroundColor"]):
        for colour in (*figures.COLOURS.values(), figures.NEUTRAL):
            low, high = sorted((luminance(colour), luminance(background)))
            assert (high + 0.05) / (low + 0.05) >= 2.9, (colour, background)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_the_snippet_reads_a_checkpoint_of_one_s_own_from_its_file():
    name = "mine:feedback-0123456789abcdef"
    variants = {
        key: dataclasses.replace(variant, checkpoint=name)
        for key, variant in variants_of(StabilityState(), models.cards()).items()
    }
    code = exports.snippet(StabilityState(), variants)
    assert "mine:" not in code and "'feedback-0123456789abcdef.safetensors'" in code
