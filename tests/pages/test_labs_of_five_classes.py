"""Both labs, for five classes on 48 × 80 px with void pixels: what they show, train, score and hand out."""

import base64
import contextlib
import csv
import io
import json
import re

import numpy as np
import pytest
import streamlit as st
from few_shot_lab import ME, app, done, followed, sound, started, state, tables, traces
from five_classes import NAME, NAMES, VOID, environment, registered
from PIL import Image, ImageColor
from received import header
from streamlit.delta_generator import DeltaGenerator

from fbseg_core import ConfigError, load
from fbseg_core.rollout.interventions import pack_mask
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.tasks import make_batch, task_of
from pages.few_shot import computed, figures, followed_runs, uploads
from pages.few_shot.followed_runs import curves_csv
from pages.few_shot.state import FewShotState, examples
from pages.jobs import start
from pages.stability import probes
from pages.ui import own_models
from pages.ui.images import VOID_COLOUR

# one worker drives all runs of the lab: they share a pool
pytestmark = [pytest.mark.xdist_group("few-shot"), pytest.mark.thorough]
SIZE, FEW = (48, 80), 6


@pytest.fixture(scope="module")
def task(jobs):
    """The task, known to this process and to the workers that train while these tests run."""
    with pytest.MonkeyPatch.context() as patch, registered() as config:
        patch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
        patch.setattr(followed_runs, "IMAGES", FEW)
        patch.setattr(start, "_fork_server", None)  # the one that serves other tests does not know the task
        renew_pool()
        yield config
    renew_pool()


def renew_pool():
    computed.pool().close()
    computed.pool.clear()


@pytest.fixture(scope="module")
def trained(task):
    """A short run that is done and scored."""
    at = done(started(task=NAME, updates="6", steps="2", seed="1"))
    at.button(key="score").click().run()
    return sound(at)


def told(at):
    """The legends and captions of a page."""
    return [html.proto.body for html in at.get("html")], " ".join(caption.value for caption in at.caption)


def picture_of(source):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("RGB"))


def colours_in(pixels):
    return {"#{:02x}{:02x}{:02x}".format(*pixel) for pixel in pixels.reshape(-1, 3)}


# ---- the Few-shot lab ----------------------------------------------------------------------------------


def test_the_examples_are_shown_in_their_colours_and_their_labels_can_be_drawn_over_them(task):
    at = sound(app(task=NAME))
    sent, palette = header(at), task_of(task).palette(task)
    assert sent["size"] == list(SIZE) and sent["cues"] == [None, None] and not sent["drawn"]
    assert sent["labelled"] and sent["names"] == list(NAMES)
    assert sent["colours"] == [list(ImageColor.getrgb(one)) for one in (*palette, VOID_COLOUR)]
    assert sent["blocks"]["labels"][2] == [2, *SIZE] and "sketch" not in sent["blocks"]
    html, captions = told(at)
    legend = next(body for body in html if NAMES[1] in body)
    assert "draw one over the image" in captions and all(f">{name}<" in legend for name in NAMES)
    assert ("void" in legend) == bool((examples(FewShotState(task=NAME), {}).labels == VOID).any())


def test_an_example_is_redrawn_by_a_link_and_a_drawing_is_refused(task):
    at = sound(app(task=NAME, own='["1.r.2"]'))
    assert header(at)["own"] == ["", "redraw"]
    assert examples(FewShotState(task=NAME, own=("1.r.2",)), {}).clean.shape == (2, 3, *SIZE)
    at = app(task=NAME, own=json.dumps([f"0.d.{pack_mask(np.ones(SIZE, bool))}"]))
    assert "cannot be drawn" in at.warning[0].value


def test_both_models_learn_and_their_masks_are_drawn_by_class(trained, task):
    assert state(trained) == "Done"
    captions = told(trained)[1]
    assert "48 × 80 px" in captions and "Classes of 3 test images" in captions
    for index, steps in ((0, 2), (1, 1)):
        update, masks = computed.pool().masks(followed(trained).job, ME, index)
        assert update == 6 and masks.shape == (steps, 3, *SIZE) and masks.max() < len(NAMES)
    strip = picture_of(trained.get("image")[0].proto.imgs[0].url)
    height, tile, gap, line = 77, figures.TILE, figures.GAP, figures.LINE
    truth = computed.validation(task)[0].labels[0]
    left, top = tile + gap, 2 * line + gap
    seen = strip[top : top + height, left : left + tile]
    palette = (*task_of(task).palette(task), *[VOID_COLOUR] * (VOID - 4))
    assert colours_in(seen) == {palette[label] for label in truth.unique()}
    assert strip.shape[0] == top + 3 * (height + gap)


def test_scores_are_told_class_by_class(trained, task):
    job = followed(trained)
    rows = tables(trained)
    assert [row["model"] for row in rows[:4]] == ["feedback", "feedforward"] * 2
    fresh = make_batch(task, FEW, 1000, "test")
    for index in (0, 1):
        model, _ = computed.pool().model(job.job, ME, index)
        score = evaluate(model, fresh, model.steps)
        at = min(job.spec.runs[index].train.steps_max, len(score.f1) - 1)
        assert any(f"{score.f1[at]:.3f} [" in str(value) for value in rows[index].values())
        found = ["–" if value is None else f"{value:.3f}" for value in score.class_f1[at]]
        assert [rows[2 + index][name] for name in NAMES] == found
        table = computed.result(job, index, ME).table
        counted = [None if f1 is None else f"{f1:.3f}" for f1 in f1_of(table)]
        assert [one or "–" for one in counted] == found
    html, _ = told(trained)
    assert any(body.count("class='confusion'") == 2 and body.count("<td ") == 50 for body in html)
    assert set(traces(trained, "score")) >= {"feedback", "feedforward"}


def f1_of(table):
    """F1 of each class by a confusion matrix; None of one that is in neither truth nor answer."""
    either = table.sum(0) + table.sum(1)
    return [2 * table[k, k] / either[k] if either[k] else None for k in range(len(table))]


def test_curves_and_checkpoints_are_taken_along(trained, task):
    job = followed(trained)
    rows = list(csv.DictReader(io.StringIO(curves_csv([job]))))
    kept = [row for row in rows if row["run"] == "feedback" and row["loss"]]
    assert [int(row["update"]) for row in kept] == list(range(1, 7))
    assert float(kept[-1]["loss_t2"]) == pytest.approx(job.curves.updates[0][6]["losses"][1])
    for index in (0, 1):
        result = computed.result(job, index, ME)
        model, card = load(own_models.path_of(result.name))
        assert card.task == task and model.classes == len(NAMES) and card.images == FEW
        assert card.f1 == tuple(round(value, 4) for value in result.score.f1)
        name, again = own_models.bring(own_models.content(result.name))
        assert (name, again.digest) == (result.name, card.digest)


# ---- uploads -------------------------------------------------------------------------------------------


def png(values, mode=None):
    out = io.BytesIO()
    picture = Image.fromarray(np.asarray(values), mode)
    if mode == "P":
        picture.putpalette([200, 10, 10] * 256)  # whose colours say nothing
    picture.save(out, "PNG")
    return out.getvalue()


def large(dtype=np.uint8):
    """A mask of 120 × 160 px: the middle 96 rows are brought to 48, each two by two alike."""
    mask = np.full((120, 160), VOID, dtype)
    mask[12:108] = 0
    mask[12:32, :40] = 4
    mask[50:60, 100:120] = VOID
    return mask


@pytest.mark.parametrize(
    "mask", [png(large()), png(large(), "P"), png(large(np.uint16))], ids=["grey", "palette", "16 bits"]
)
def test_a_mask_holds_class_numbers_and_its_middle_is_taken(task, mask):
    image = np.zeros((120, 160, 3), np.uint8)
    image[12:32, :40, 1] = 255
    found = uploads.example(task, png(image), mask)
    want = np.zeros(SIZE, int)
    want[:10, :20], want[19:24, 50:60] = 4, VOID
    assert np.array_equal(found.labels[0].numpy(), want) and found.clean.shape == (1, 3, *SIZE)
    assert np.array_equal(found.clean[0, 1].numpy(), want == 4) and not found.clean[0, [0, 2]].any()


@pytest.mark.parametrize(
    "mask, words",
    [
        (png(np.full((120, 160), 5, np.uint8)), "holds the number 5: classes are 0 to 4, void is 255"),
        (png(np.zeros((120, 160, 3), np.uint8)), "in colour: give a palette or grey one"),
        (png(np.full((120, 160), 3, np.uint8)), "a single class"),
        (png(np.full((120, 160), VOID, np.uint8)), "a single class"),
    ],
)
def test_a_mask_that_cannot_be_taken_is_one_sentence(task, mask, words):
    with pytest.raises(ConfigError, match=words) as refused:
        uploads.example(task, png(np.zeros((120, 160), np.uint8)), mask)
    assert "\n" not in str(refused.value)


def test_the_box_for_an_image_of_one_s_own_names_the_numbers_and_the_size(task):
    _, captions = told(app(task=NAME))
    assert "0 ground, 1 amber, 2 moss, 3 sky, 4 rose; 255 is void" in captions
    assert "the middle part is brought to 48 × 80 px" in captions


# ---- the Stability lab ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files():
    """What is given to Streamlit's download buttons, by its file's name."""
    given, original = {}, DeltaGenerator.download_button

    def button(self, label, data, name, *more, **options):
        given[name] = data
        return original(self, label, data, name, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeltaGenerator, "download_button", button)
        patch.setattr(st, "download_button", lambda *args, **options: button(st._main, *args, **options))
        yield given


@pytest.fixture(scope="module")
def stability(trained, files):
    """The trained feedback model in the Stability lab, everything asked for; its name."""
    name = computed.result(followed(trained), 0, ME).name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "MOST", 24)
        patch.setattr(probes, "GROWTH_STEPS", 8)
        at = app("pages/stability/page.py", model=name, T="12", local="true", perturb="true", at="2")
    return sound(at), name


def test_the_stability_lab_shows_masks_by_class(stability, task):
    at, _ = stability
    html, captions = told(at)
    assert "Colour: a pixel's class." in captions
    assert any(all(f">{name}<" in body for name in NAMES) for body in html)
    assert len(at.get("image")) == 2  # with the clock running, and held
    sent = header(at)
    assert sent["classes"] == 5 and len(sent["runs"]) == 4 and sent["size"] == sent["blocks"]["truth"][2]
    assert sum("proved" in text.value.lower() for text in at.subheader) == 1 and at.success


def test_the_stability_lab_s_files_hold_its_numbers(stability, files):
    at, _ = stability
    made = {name.split("-", 3)[-1]: make() for name, make in files.items() if name.startswith("stability")}
    assert set(made) == {"curves.csv", "figures.html", "local.csv", "perturbation.csv"}
    rows = list(csv.DictReader(io.StringIO(made["curves.csv"])))
    assert len(rows) == 4 * 2 * 13
    body = next(html for html in told(at)[0] if 'class="verdicts"' in html)
    shown = {row[1]: row[4] for row in (re.findall(r"<td>(.*?)</td>", row) for row in body.split("<tr>")[2:])}
    for row in rows:
        if row["t"] == "12" and row["clock"] == "running":
            assert f"{float(row['f1']):.3f}" == shown[row["variant"]]
    assert made["figures.html"].count("Plotly.newPlot(") == 7
    assert all(len(made[name].splitlines()) > 5 for name in ("local.csv", "perturbation.csv"))


def test_the_stability_lab_s_code_gives_its_numbers(stability, monkeypatch):
    _, name = stability
    at = sound(app("pages/stability/page.py", model=name, T="12"))  # the runs alone: the rest takes long
    code = next(block.value for block in at.code if "walk(" in block.value)
    monkeypatch.chdir(own_models.path_of(name).parent)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(code, "snippet", "exec"), {})
    body = next(html for html in told(at)[0] if 'class="verdicts"' in html)
    for row in (re.findall(r"<td>(.*?)</td>", row) for row in body.split("<tr>")[2:]):
        printed = re.search(rf"^{row[1]} 12 .*'f1': ([\d.]+)", output.getvalue(), re.M)
        assert float(printed[1]) == pytest.approx(float(row[4]), abs=6e-4)
