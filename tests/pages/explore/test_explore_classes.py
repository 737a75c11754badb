"""Explore on tasks of five classes whose images are not square and hold void pixels."""

import contextlib
import io
import json

import mosaics
import numpy as np
import pytest
import torch
from driven import explore as app
from driven import sound
from PIL import Image, ImageColor
from received import payload, unpacked

from fbseg_core import ConfigError
from fbseg_core.rollout.interventions import Flip, Paint, Perturb, Swap, pack_mask
from fbseg_core.tasks.base import PALETTE
from pages.explore import computed, exports
from pages.explore.player.layers import BLOCKS, LAYERS
from pages.explore.player.payload import lay_out, pack
from pages.explore.run import choices, regions_of, scene_of
from pages.explore.state import ExploreState
from pages.ui import models, own_models

SIZE = (48, 80)


@pytest.fixture(scope="module")
def link(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FBSEG_JOBS", str(tmp_path_factory.mktemp("jobs")))
        yield mosaics.link
    mosaics.forget()


def runs(link, task="mosaic", **view):
    return computed.runs(scene_of(ExploreState(**link(task), **view), models.cards()))


def sent(at):
    return unpacked(payload(at))


@pytest.mark.parametrize("layer", list(LAYERS))
def test_every_layer_s_payload_is_the_run_s(link, layer):
    at = app(**link(layer=layer, of_class="3", channel="1"))
    head, blocks = sent(at)
    run, _ = runs(link)
    logits, probs = run.trajectory.logits[:, 0], run.trajectory.probs[:, 0].numpy()
    assert head["size"] == list(SIZE) and head["classNames"] == list(mosaics.NAMES)
    assert head["palette"] == list(PALETTE[:5]) and head["void"] and not head["drawable"]
    assert (blocks["truth"][0] == run.labels[0, 0].numpy()).all() and 255 in blocks["truth"]
    assert (blocks["run.mask"] == logits.argmax(1).numpy()).all() and len(np.unique(blocks["run.mask"])) == 5
    assert abs(blocks["run.probability"] - (1 - probs[:, 0])).max() <= 0.5 / 255 + 1e-6
    bits = -(probs * np.log2(probs)).sum(1)
    assert abs(blocks["run.entropy"] - bits).max() <= 0.5 * np.log2(5) / 255 + 1e-5
    margin = (logits[:, 1:].amax(1) - logits[:, 0]).numpy()
    assert abs(blocks["run.logit"] - margin).max() <= (np.ptp(margin) + abs(margin).max()) / 65535
    assert all(blocks[f"{entity}.{name}"].shape[1:] == SIZE for entity, name in (
        ("run", "delta"), ("run", "applied"), ("run", "commit"), ("comparison", "mask")
    ))  # fmt: skip
    asked = layer in ("probability", "difference")
    assert ("run.class.3" in blocks) == ("comparison.class.3" in blocks) == asked
    if asked:
        assert abs(blocks["run.class.3"] - probs[:, 3]).max() <= 0.5 / 255 + 1e-6
    assert ("run.v_hat.1" in blocks) == (layer == "v_hat")


def test_a_pixel_is_read_off_in_every_class(link):
    run, _ = runs(link)
    _, blocks = unpacked(pack(lay_out(run, run, None, None, fed=False, state=True), {}))
    total = sum(blocks[f"run.class.{k}"] for k in range(5))
    assert abs(total - 1).max() <= 5 * 0.5 / 255 + 1e-6
    assert (sum(name.startswith("comparison.class") for name in blocks), "state.11" in blocks) == (0, True)


def test_all_that_is_sent_is_declared_and_menus_are_what_links_know(link):
    mask = pack_mask(np.ones(SIZE, bool))
    run, untouched = runs(link, do=(Perturb(t=2, size=3.0), Paint(t=3, mask=mask)), integrator="leaky")
    _, blocks = unpacked(pack(lay_out(run, untouched, None, None, fed=True, state=True, of_class=2), {}))
    used = {next(part for part in name.split(".") if part in BLOCKS) for name in blocks}
    assert used == set(BLOCKS)
    assert {layer.block for layer in LAYERS.values()} - {""} <= set(BLOCKS)
    assert tuple(LAYERS) == ExploreState.model_fields["layer"].annotation.__args__


def test_void_is_never_an_error(link):
    run, _ = runs(link)
    scores = [exports.table(run, run)]
    run.trajectory.logits[:, 0, :, run.labels[0, 0] == 255] = 0  # another answer where nothing is scored
    try:
        scores.append(exports.table(run, run))
    finally:
        computed.server.memo().clear()
    f1 = [[line.split(",")[1] for line in text.splitlines()] for text in scores]
    assert f1[0] == f1[1] and f1[0][0] == "model_f1" and scores[0] != scores[1]  # entropy did change


def test_a_plane_has_a_path_for_each_class_present(link):
    at = app(**link(points="regions", plane="logits", draws="true"))
    head, _ = sent(at)
    truth = runs(link)[0].labels[0, 0]
    present = [*(k for k in range(1, 5) if (truth == k).any()), 0]
    plane = head["plane"]
    assert plane["classes"] == present == [1, 2, 0]
    assert plane["regions"] == ["water", "sand", "ground"]
    assert np.array(plane["run"]).shape == (3, 7, 2) and np.array(plane["cloud"]).shape == (3, 16, 7, 2)
    assert len(plane["comparison"]) == 3


def test_of_many_classes_the_largest_eight_have_a_path(link):
    run, _ = runs(link)
    labels = torch.full_like(run.labels[:1], 255)
    for k in range(20):
        labels[0, 0, k * 2, : k + 1] = k
    names = [f"class {k}" for k in range(20)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mosaics.Mosaic, "class_names", lambda *_: names)
        found = regions_of(run.__class__(**{**vars(run), "labels": labels}))
    assert [region.label for region in found] == list(range(12, 20))
    assert [int(region.mask.sum()) for region in found] == list(range(13, 21))


def test_a_task_that_cannot_be_drawn_says_so_and_one_that_can_is_drawn_on_its_own_size(link):
    mask = np.zeros(SIZE, bool)
    mask[10:20, 50:70] = True
    drawing = pack_mask(mask)
    for told in ({"drawing": drawing}, {"cue": "[3,60]"}):
        at = app_with_a_notice(**link(**told))
        assert "cannot be drawn" in at.warning[0].value
    head, blocks = sent(app(**link("sketched", drawing=drawing, cue="[12,60]")))
    assert head["drawable"] and head["cues"] == [[12, 60]]
    assert (blocks["truth"][0] == mask).all() and blocks["clean"].shape == (2, *SIZE)
    for cue in ("[48,10]", "[10,80]"):
        at = app_with_a_notice(**link("sketched", cue=cue))
        assert "48 × 80 px" in at.warning[0].value
    assert sent(app(**link("sketched", cue="[47,79]")))[0]["cues"] == [[47, 79]]


def app_with_a_notice(**query):
    at = app(**query)
    assert len(at.warning) == 1
    return at


def test_a_model_of_other_classes_cannot_be_compared(link):
    first, second = choices(models.cards(), "mosaic", *list(link().values())[1:])
    assert len(first) == len(second) == 1
    cards = dict(models.cards()) | {"odd": models.cards()[second[0]]}
    odd = cards["odd"]
    cards["odd"] = odd.__class__(**{**vars(odd), "model": odd.model.replace(classes=4)})
    cards |= {name: models.cards()[name] for name in (first[0], second[0])}
    with pytest.raises(ConfigError):
        scene_of(ExploreState(**link() | {"comparison": "odd"}), cards)


DO = (Flip(t=1, switch="loop"), Swap(t=3, seed=4), Perturb(t=4, size=2.0))


@pytest.mark.parametrize("task", ["mosaic", "sketched"])
def test_every_export_is_whole(link, task, tmp_path):
    mask = np.zeros(SIZE, bool)
    mask[30:, 60:] = True
    paint = Paint(t=2, target="h", like="background", mask=pack_mask(mask))
    run, untouched = runs(link, task, do=(*DO, paint))
    rows = [line.split(",") for line in exports.table(run, untouched).splitlines()]
    assert len(rows) == 8 and len({len(row) for row in rows}) == 1
    table = dict(zip(rows[0], zip(*rows[1:])))
    assert all(0 <= float(value) <= 1 for value in table["model_f1"] + table["untouched_iou"])
    assert ("cue_row" in table) == (task == "sketched")
    if task == "sketched":
        assert (table["cue_row"][0], table["cue_column"][0]) == ("20", "70")
    path = tmp_path / "run"
    path.write_bytes(exports.arrays(run))
    loaded = np.load(path)
    assert loaded["class_names"].tolist() == list(mosaics.NAMES)
    assert (loaded["labels"] == run.labels.numpy()).all() and loaded["logits"].shape == (7, 1, 5, *SIZE)
    assert (loaded["h"] == run.trajectory.h.numpy()).all() and loaded["x"].shape[-2:] == SIZE
    path.write_bytes(exports.animation(run, untouched, ["feedback", "feedforward"]))
    image = Image.open(path)
    assert image.n_frames == 7
    frame = np.asarray(image.convert("RGB"))
    height = round(exports.SIDE * 48 / 80)
    truth = frame[28 : 28 + height, 8 + 4 * (exports.SIDE + 8) :][:, : exports.SIDE]
    labels = run.labels[0, 0].numpy()
    for row, column in ((2, 2), (24, 8), (24, 60), *np.argwhere(labels == 255)[::97]):
        box = truth[int((row + 0.5) * 2.4), int((column + 0.5) * 2.4)]
        label = labels[row, column]
        if (labels[row - 1 : row + 2, column - 1 : column + 2] == label).all():
            want = "#9aa0a6" if label == 255 else PALETTE[label]
            assert tuple(box) == ImageColor.getrgb(want), (row, column)
    masks = frame[28 : 28 + height, 8 + exports.SIDE + 8 :][:, : exports.SIDE].reshape(-1, 3)
    shown = {tuple(colour) for colour in masks}
    assert {ImageColor.getrgb(PALETTE[k]) for k in run.trajectory.logits[0, 0].argmax(0).unique()} <= shown


@pytest.mark.parametrize("task", ["mosaic", "sketched"])
def test_the_snippet_repeats_the_run(link, task, tmp_path, monkeypatch):
    query = link(task, noise="5", do="swap,t:2,seed:7~perturb,t:4")
    if task == "sketched":
        mask = np.zeros(SIZE, bool)
        mask[5:40, 10:75] = True
        query |= {"drawing": pack_mask(mask), "cue": "[6,70]"}
    at = app(**query)
    code = at.code[0].value
    monkeypatch.chdir(tmp_path)
    for name in (query["model"], query["comparison"]):
        (tmp_path / own_models.loadable(name)).write_bytes(own_models.content(name))
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "snippet", "exec"), {})
    f1 = json.loads(printed.getvalue().split("…:")[1])
    assert f1 == pytest.approx(sent(at)[0]["curves"]["run"]["f1"], abs=6e-4)


def test_the_screen_says_size_and_costs_of_an_image_that_is_not_square(link):
    at = sound(app(**link()))
    assert any("One image of 48 × 80 px" in caption.value for caption in at.caption)
    assert at.selectbox(key="explore-task").value == "mosaic"
