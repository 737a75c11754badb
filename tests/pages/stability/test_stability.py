import base64
import contextlib
import csv
import dataclasses
import functools
import io
import json
import re
import tomllib

import driven
import numpy as np
import pytest
from driven import ROOT, sound
from streamlit.testing.v1 import AppTest

from fbseg_core import Card, build, checkpoint, load, save
from pages.stability import computed, exports, figures
from pages.stability.presets import PRESETS
from pages.stability.state import NAMES, TRAINED, StabilityState, variants_of
from pages.ui import models, server

SIGNATURES = {"settled", "switched off", "drifting", "oscillating", "diverging", "over-smoothed"}
SMALL = {"T": "12"}
pytestmark = pytest.mark.xdist_group("stability")  # what one test has opened, others look at
OFTEN = ("switched-off",)  # opened in every run; the others by -m slow
EACH_PRESET = [key if key in OFTEN else pytest.param(key, marks=pytest.mark.slow) for key in PRESETS]


def app(file="pages/stability/page.py", **query):
    return driven.app(file, **query)


@functools.cache
def opened(lesson):
    """A preset's page, to look at only."""
    return app(lesson=lesson)


def table(at):
    """The verdict table: variant -> state, mask, F1."""
    body = next(e.proto.body for e in at.get("html") if 'class="verdicts"' in e.proto.body)
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in body.split("<tr>")[2:]]
    return {row[1]: tuple(row[2:]) for row in rows}


def texts(at):
    return [m.value for m in at.markdown]


def said(at, run):
    """The two sentences that the Clock section says of a run."""
    return next(text for text in texts(at) if text.startswith(f"With the {run}")).split("  \n")


def together(at):
    """What it says of both runs together: state and mask."""
    found = next(text for text in texts(at) if text.startswith("**Both runs together"))
    return re.findall(r"\*\*(?:State|Mask): (.*?)\.\*\*", found)


def chart(at, key):
    """name -> values of the traces of a chart, the first of each name."""
    found = next(c for c in at.get("plotly_chart") if c.proto.id.endswith(f"chart-{key}"))
    traces = {}
    for trace in json.loads(found.proto.spec)["data"]:
        y = trace["y"]
        if isinstance(y, dict):
            y = np.frombuffer(base64.b64decode(y["bdata"]), y["dtype"]).tolist()
        traces.setdefault(trace["name"], y)
    return traces


def link(at):
    return {key: value[0] if isinstance(value, list) else value for key, value in at.query_params.items()}


# ---- verdicts and presets ------------------------------------------------------------------------------


def test_every_failure_signature_has_a_preset():
    named = {verdict.split(",")[0] for preset in PRESETS.values() for verdict in preset.together}
    assert named == SIGNATURES
    assert all(key == preset.view.lesson for key, preset in PRESETS.items())


@pytest.mark.parametrize("key", EACH_PRESET)
def test_a_preset_s_link_opens_it_and_gives_the_verdicts_it_names(key):
    preset = PRESETS[key]
    at = opened(key)
    labels = table(at)[preset.view.focus][:2]
    assert tuple(label.split(", period")[0] for label in labels) == preset.running
    assert tuple(label.split(", period")[0] for label in together(at)) == preset.together
    walk = computed.walk_of(variants_of(preset.view, models.cards())[preset.view.focus])
    assert (walk.frozen.state.label, walk.frozen.mask.label) == preset.held
    assert at.info[0].value == f"**{preset.title}.** {preset.look}"
    assert link(at) == {"lesson": key, "v": "1"}
    captions = [image.proto.imgs[0].caption for image in at.get("image")]
    for leg in (walk.clocked, walk.frozen):
        assert tuple(said(at, leg.name)) == leg.sentences
        assert f"{leg.name}, t = {len(leg)}, F1 {leg.curves['f1'][-1]:.3f}" in captions


def percent(pattern, words):
    """A share told in words, or None where none is."""
    found = re.search(rf"([\d.e+-]+)% {pattern}", words)
    return found and float(found[1]) / 100


@pytest.mark.parametrize("key", EACH_PRESET)
def test_what_is_said_of_a_run_is_what_its_own_curves_and_masks_show(key):
    found = []  # the numbers that were told at all
    for variant in variants_of(PRESETS[key].view, models.cards()).values():
        walk = computed.walk_of(variant)
        for leg, run in (
            (walk.clocked, "clock running"),
            (walk.frozen, f"clock held from t = {variant.clock}"),
        ):
            assert all(words.startswith(f"With the {run}, the ") for words in leg.sentences)
            (state, mask), curves, masks = leg.sentences, leg.curves, leg.masks
            judged = masks[-1 - (len(leg) - variant.clock + 1) // 2 :]
            changes = (judged != judged[-1]).mean((1, 2))
            last = percent("of its size in the last step", state)
            found += [(last, pytest.approx(curves["update"][-1], rel=5e-3))]
            undamped, largest = percent("of its largest size", state), curves["norm"][variant.clock :].max()
            found += [(undamped, pytest.approx(curves["delta"][-1] / largest, rel=5e-3))]
            gain = re.search(r"the gain is ([\d.e+-]+\d)", state)
            found += [(gain and float(gain[1]), pytest.approx(curves["gain"][-1], rel=0.05))]
            apart = percent("of its pixels", mask)
            found += [(apart, pytest.approx(changes.max(), rel=5e-3))]
            assert ("stands still" in mask or "has settled:" in mask) <= (changes.max() <= 1e-3)
            assert ("one class everywhere" in mask) == (len(np.unique(masks[-1])) == 1 and not leg.stopped)
            assert ("ends with the run" in mask) <= bool(leg.stopped)
            if period := re.search(r"mask oscillates with a period of ([\d.]+)", mask):
                lags = [(masks[-20:] != masks[-20 - lag : -lag]).mean() for lag in range(1, 6)]
                assert 1 + int(np.argmin(lags)) == round(float(period[1]))
        if walk.state.running is not walk.state.held:
            gap = float((walk.clocked.masks[-1] != walk.frozen.masks[-1]).mean())
            told = percent("of the pixels", str(walk.mask))
            found += [(told, pytest.approx(gap, rel=5e-3))]
            assert (walk.mask.name == "settled") <= (gap <= 1e-3)
    told = [(said, shown) for said, shown in found if said is not None]
    assert told and all(said == shown for said, shown in told)


@pytest.mark.parametrize("frozen", [False, True])
def test_table_masks_and_files_are_of_the_run_on_show(frozen):
    at = app(lesson="over-smoothed", frozen=str(frozen).lower())
    variants = variants_of(PRESETS["over-smoothed"].view, models.cards())
    legs = {name: computed.walk_of(variant).leg(frozen) for name, variant in variants.items()}
    for name, leg in legs.items():
        assert table(at)[name] == (leg.state.label, leg.mask.label, f"{leg.curves['f1'][-1]:.3f}")
    body = next(e.proto.body for e in at.get("html") if 'class="verdicts"' in e.proto.body)
    run = legs["neither"].name
    assert f"<b>{run}</b>" in body and any(
        f"Masks, curves and paths: **{run}**" in c.value for c in at.caption
    )
    drawn = chart(at, "curves")["decay only"]
    assert drawn[1:] == pytest.approx(legs["decay only"].curves["norm"][1:])
    mask = table(at)["decay only"][1]
    assert mask == ("over-smoothed" if frozen else "stands still")


@pytest.mark.slow
def test_drifting_and_converges_are_explained_where_both_stand():
    shown = " ".join(texts(opened("settled")))
    assert "“Drifting” above is said of another run" in shown and "clock held from t = 0" in shown
    slower = " ".join(texts(opened("grouping")))
    assert "“Drifting, ever slower” is said of this run" in slower
    walk = computed.walk_of(variants_of(PRESETS["grouping"].view, models.cards())["softmax, decay"])
    left = float(re.search(r"they move it by ([\d.e+-]+) at most", slower)[1])
    assert left < 0.01 * walk.clocked.curves["norm"][-1]
    for key, preset in PRESETS.items():
        at = opened(key)
        both = at.success and "drifting" in (preset.running[0].split(",")[0], preset.held[0])
        assert ("rifting" in " ".join(t for t in texts(at) if t.startswith("“"))) == bool(both)


@pytest.mark.slow
def test_the_words_of_presets_are_borne_out_by_the_numbers():
    at = opened("would-move-on")
    assert table(at)["decay only"][:2] == ("switched off", "stands still")
    assert table(opened("oscillating"))["decay only"][1] == "oscillating, period 2"
    assert table(opened("over-smoothed"))["neither"][1] == "over-smoothed"
    late = chart(opened("late-perturbation"), "response")["clock running"]
    assert 0.99 < late[-1] / late[0] < 1.01
    over = opened("overflow")
    assert (
        "Overflow was caught" in over.warning[0].value
        and "decay only: the state is no longer" in over.warning[0].value
    )
    runs = chart(over, "curves")
    assert len(runs["neither"]) == 61 and len(runs["softmax, decay"]) < 8


def test_the_page_says_that_no_state_can_settle_and_that_there_is_no_interval():
    at = app(**SMALL)
    captions = " ".join(caption.value for caption in at.caption)
    assert "no state can settle" in captions and "no interval can be given" in captions
    assert not any(state.startswith("settled") for state, *_ in table(at).values())


# ---- the two modes -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_router_offers_both_pages_and_the_page_works_alone():
    routed = AppTest.from_file(str(ROOT / "app.py"), default_timeout=driven.PATIENCE).run()
    routed.switch_page("pages/stability/page.py").run()
    sound(routed)
    assert table(routed) == table(app())


@pytest.mark.slow
def test_switched_off_and_trained_without_are_named_and_differ():
    at = app(**SMALL)
    assert "Switched off at inference, on shapes-feedback" in " ".join(c.value for c in at.caption)
    flipped = table(at)
    at.radio(key="stability-mode").set_value("trained").run()
    sound(at)
    told = " ".join(c.value for c in at.caption)
    assert "Four models, each trained" in told and all(name in told for name in TRAINED.values())
    assert table(at)["neither"] != flipped["neither"] and link(at)["mode"] == "trained"


def test_variants_are_what_their_names_say():
    cards = models.cards()
    for view in (StabilityState(), StabilityState(mode="trained")):
        for name, variant in variants_of(view, cards).items():
            built, flipped = cards[variant.checkpoint].model, variant.switches
            softmax = built.projection == "softmax" if flipped.softmax is None else flipped.softmax
            decay = built.decay != "none" if flipped.decay is None else flipped.decay
            assert (softmax, decay) == ("softmax" in name, name.endswith("decay") or name == "decay only")


@pytest.mark.slow
def test_spectrum_sliders_reach_through_zero_and_the_second_follows_the_first():
    at = app(**SMALL)
    at.slider(key="stability-eigenvalue").set_value(0.5).run()
    sound(at)
    assert at.slider(key="stability-eigenvalue_v").value == 0.5 and table(at)[NAMES[0]][0] == "diverging"
    at.slider(key="stability-eigenvalue_v").set_value(-1.0).run()
    sound(at)
    assert link(at) | {"v": "1"} == {"v": "1", "T": "12", "eigenvalue": "0.5", "eigenvalue_v": "-1.0"}
    at.slider(key="stability-eigenvalue").set_value(0.0).run()
    at.slider(key="stability-eigenvalue_v").set_value(0.0).run()
    applied = chart(at, "clock")["allowed gain, clock running"]
    assert applied[1:] == [1.0] * 12


def test_holding_the_clock_redraws_every_panel():
    at = app(T="20", clock="4")
    before = chart(at, "curves")
    at.toggle(key="stability-frozen").set_value(True).run()
    sound(at)
    after = chart(at, "curves")
    assert before["softmax, decay"][:6] == after["softmax, decay"][:6]
    assert before["softmax, decay"][-1] < after["softmax, decay"][-1]
    assert before["neither"] == after["neither"]
    assert len(set(chart(at, "clock")["allowed gain, clock held"][5:])) == 1


# ---- certificate ---------------------------------------------------------------------------------------


def test_the_certificate_s_envelope_is_above_what_was_measured():
    at = app(**SMALL)
    assert "It holds" in at.success[0].value
    drawn = chart(at, "certificate")
    proved, measured = drawn["proved: distance to h(T)"], drawn["measured: ‖h(T) − h(t)‖"]
    assert all(a >= b for a, b in zip(proved, measured) if a is not None and b is not None)
    assert any("Does not prove" in text for text in texts(at))


@pytest.mark.parametrize(
    "query, reason",
    [
        ({"focus": "softmax only"}, "The decay is off"),
        ({"focus": "neither", "mode": "trained"}, "The decay is off"),
        ({"frozen": "true", "clock": "3"}, "The clock is frozen at 3"),
        ({"eigenvalue": "0.0"}, "A has the eigenvalue 0 ≥ 0"),
        ({"eigenvalue_v": "0.5"}, "A has the eigenvalue 0.5 ≥ 0"),
    ],
)
def test_the_certificate_is_withdrawn_with_its_reason(query, reason):
    at = app(**SMALL, **query)
    assert not at.success and any(f". {reason}" in w.value.replace("**", "") for w in at.warning)
    assert list(chart(at, "certificate")) == ["measured: ‖h(T) − h(t)‖"]


def test_the_certificate_is_withdrawn_without_normalisation(monkeypatch, tmp_path):
    model, card = load("shapes-feedback")
    config = model.config.replace(delta_norm=False)
    save(build(config), Card(**{**vars(card), "model": config}), tmp_path / "shapes-feedback.safetensors")
    monkeypatch.setattr(checkpoint, "FOLDER", tmp_path)
    caches = (models.cards, server.memo())
    for held in caches:
        held.clear()
    try:
        at = app(**SMALL)
    finally:
        for held in caches:
            held.clear()
    assert any("δ is not normalised" in w.value for w in at.warning) and not at.success


# ---- local stability and perturbations -----------------------------------------------------------------


@pytest.mark.slow
def test_eigenvalues_come_on_a_button_and_go_with_another_image():
    at = app(model="grouping-feedback", **SMALL)
    assert "circle" not in " ".join(c.proto.id for c in at.get("plotly_chart"))
    at.button(key="stability-ask-local").click().run()
    sound(at)
    assert link(at)["local"] == "true" and any("spectral radius" in text for text in texts(at))
    assert chart(at, "circle")["unit circle"] and chart(at, "growth")["from: random"]
    at.slider(key="stability-t").set_value(3).run()
    assert any("spectral radius" in text for text in texts(at))  # another look at the same run
    at.slider(key="stability-image").set_value(8).run()
    assert "local" not in link(at) and at.button(key="stability-ask-local")
    at.slider(key="stability-image").set_value(7).run()
    at.button(key="stability-ask-local").click().run()
    at.slider(key="stability-at").set_value(6).run()
    assert "local" not in link(at)


@pytest.mark.slow
def test_where_the_run_has_overflowed_there_is_nothing_to_examine_and_it_says_so():
    at = app(lesson="overflow", local="true", perturb="true")
    said = [w.value for w in at.warning if w.value.startswith("At step 5 there is nothing to examine")]
    assert len(said) == 2


# ---- links, files, code --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def default_table():
    return table(app())


@pytest.mark.parametrize(
    "query",
    [
        {"T": "1e99"},
        {"T": "7"},
        {"eigenvalue": "nan"},
        {"focus": "<script>"},
        {"model": "../../etc/passwd"},
        {"model": "shapes-feedforward"},
        {"lesson": "x" * 5000},
        {"nonsense": "1"},
        {"v": "99"},
        {"at": "0"},
        {"clock": "[1, 2]"},
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


@pytest.mark.slow
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


# ---- figures -------------------------------------------------------------------------------------------


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
