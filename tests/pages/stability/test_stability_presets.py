"""Stability lab: each preset shows what it names, and what is said of a run is what its curves show."""

import re

import numpy as np
import pytest
from driven import link
from stability_lab import EACH_PRESET, SMALL, app, chart, opened, said, table, texts, together

from pages.stability import computed
from pages.stability.presets import PRESETS
from pages.stability.state import variants_of
from pages.ui import models

SIGNATURES = {"settled", "switched off", "drifting", "oscillating", "diverging", "over-smoothed"}
pytestmark = pytest.mark.xdist_group("stability")  # what one test has opened, others look at


def test_every_failure_signature_has_a_preset():
    named = {verdict.split(",")[0] for preset in PRESETS.values() for verdict in preset.together}
    assert named == SIGNATURES
    assert all(key == preset.view.lesson for key, preset in PRESETS.items())


@pytest.mark.parametrize("key", EACH_PRESET, scope="module")
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


@pytest.mark.parametrize("key", EACH_PRESET, scope="module")
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
@pytest.mark.slow
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


@pytest.mark.thorough
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
    settled = opened("settled-state")
    assert table(settled)["softmax, decay"] == ("switched off", "stands still", "0.505")
    forgotten = chart(settled, "response")["clock running"]
    assert forgotten[-1] < 1e-4 * forgotten[0]
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
