"""Few-shot lab: examples of one's own, redrawn, drawn or uploaded."""

import io

import numpy as np
import pytest
import torch
from few_shot_lab import app, sound, view
from PIL import Image
from received import header

from fbseg_core import ConfigError, ShapesConfig
from fbseg_core.config import GroupingConfig
from fbseg_core.rollout.interventions import pack_mask
from fbseg_core.training.examples import training_examples
from pages.few_shot import kept_uploads, uploads
from pages.few_shot.drawn_labels import pack_labels, unpack_labels
from pages.few_shot.state import FewShotState, examples, job_of, runs_of

# one worker drives all runs of the lab: they share a pool, and the run that these tests begin with takes long
pytestmark = [pytest.mark.xdist_group("few-shot"), pytest.mark.usefixtures("nothing_is_left_running")]


def png(values, mode=None):
    out = io.BytesIO()
    Image.fromarray(np.asarray(values), mode).save(out, "PNG")
    return out.getvalue()


def test_redrawn_and_own_examples_stand_in_their_rows_and_travel_in_the_link():
    task, run, _ = runs_of(FewShotState(examples=3))
    disc = np.hypot(*(np.mgrid[:64, :64] - 30)) < 9
    untouched = FewShotState(examples=3)
    new = untouched.with_own(0, "r.1").with_own(2, f"d.{pack_mask(disc)}")
    before, after = examples(untouched, {}), examples(FewShotState.from_link(new.link({}), {}), {})
    assert torch.equal(before.clean, training_examples(task, run.train).clean)
    assert (
        torch.equal(after.labels[2], torch.from_numpy(disc).long())
        and (after.clean[2] == after.labels[2]).all()
    )
    assert torch.equal(after.clean[1], before.clean[1]) and not torch.equal(after.clean[0], before.clean[0])
    assert not torch.equal(examples(untouched.with_own(0, "r.2"), {}).clean[0], after.clean[0])
    assert new.with_own(0, "").with_own(2, "") == untouched
    assert job_of(untouched, {}).examples is None and torch.equal(job_of(new, {}).examples.clean, after.clean)
    assert FewShotState(examples=2, own=new.own).own_by_row().keys() == {0}


def test_a_drawing_of_the_grouping_task_needs_its_cue_on_a_region():
    mask = np.zeros((48, 48), bool)
    mask[10:20, 10:20] = mask[30:40, 10:20] = True
    lab = FewShotState(task="grouping")
    found = examples(lab.with_own(0, f"d.{pack_mask(mask)}.12-12"), {})
    assert found.labels[0].sum() == 100 and found.clean[0, 0].sum() == 200 and found.clean[0, 1, 12, 12] == 1
    for bad in (f"d.{pack_mask(mask)}.25-25", f"d.{pack_mask(mask)}", f"d.{pack_mask(~mask & mask)}.1-1"):
        with pytest.raises(ConfigError, match="nothing to find"):
            examples(lab.with_own(0, bad), {})
    for bad in ("d.AAAA", f"d.{pack_mask(mask)}.99-1"):
        with pytest.raises(ConfigError):
            examples(lab.with_own(0, bad), {})


def test_an_upload_is_brought_to_the_tasks_size_and_its_mask_read():
    inside = np.zeros((128, 192), np.uint8)
    inside[32:64, 64:96] = 255  # in the middle square at 16 … 31, 16 … 31 of 64
    image = np.stack([inside, inside // 2, 0 * inside], 2)
    found = uploads.example(ShapesConfig(), png(image), png(inside))
    want = torch.zeros(64, 64, dtype=torch.long)
    want[16:32, 16:32] = 1
    assert torch.equal(found.labels[0], want) and found.clean.shape == (1, 3, 64, 64)
    torch.testing.assert_close(found.clean[0, :2, 20, 20], torch.tensor([1.0, 127 / 255]))
    for mask in (png(inside // 255), png(inside.astype(np.uint16) * 200), png(inside > 0)):
        assert torch.equal(uploads.example(ShapesConfig(), png(image), mask).labels[0], want)
    indexed = Image.fromarray(inside // 255, "P")
    indexed.putpalette([255, 255, 255, 0, 0, 0])  # colours that say the opposite
    out = io.BytesIO()
    indexed.save(out, "PNG")
    assert torch.equal(uploads.example(ShapesConfig(), png(image), out.getvalue()).labels[0], want)
    deep = uploads.example(ShapesConfig(), png(inside.astype(np.uint16) * 257), png(inside))
    torch.testing.assert_close(deep.clean[0, :, 20, 20], torch.ones(3))


@pytest.mark.parametrize(
    "image, mask, words",
    [
        (b"GIF89a", b"", "no PNG or JPEG"),
        (png(np.zeros((64, 64), np.uint8))[:60], None, "damaged"),
        (png(np.zeros((64, 3000), np.uint8)), None, "3000 × 64 px"),
        (png(np.zeros((8, 8), np.uint8)), None, "8 × 8 px"),
        (png(np.zeros((64, 32), np.uint8)), png(np.zeros((64, 64), np.uint8)), "differ in size"),
        (png(np.zeros((64, 64), np.uint8)), png(np.zeros((64, 64), np.uint8)), "marks nothing"),
        (png(np.zeros((64, 64), np.uint8)), png(np.full((64, 64), 255, np.uint8)), "or everything"),
    ],
)
def test_a_bad_upload_is_one_sentence(image, mask, words):
    with pytest.raises(ConfigError, match=words) as refused:
        uploads.example(ShapesConfig(), image, image if mask is None else mask)
    assert "\n" not in str(refused.value)


def test_a_refused_upload_is_told_in_its_box_which_stays_where_it_is():
    def box(at):
        return next(
            (i, e) for i, e in at.main.children.items() if getattr(e, "label", "").startswith("Use an")
        )

    at = app()
    place, _ = box(at)
    at.button(key="use-upload").click().run()
    assert len(at.warning) == 1
    after, found = box(at)  # one that moved would be another to the browser, and closed
    assert after == place and "Give both" in found.warning[0].value
    at.slider(key="few_shot-examples").set_value(3).run()
    assert not at.warning


def test_an_upload_takes_the_place_of_an_example_and_survives_a_reload():
    at = app()
    inside = np.zeros((64, 64), np.uint8)
    inside[20:40, 10:50] = 255
    at.number_input(key="few_shot-row").set_value(2).run()
    at.file_uploader(key="few_shot-image").set_value(("a.png", png(inside), "image/png"))
    at.file_uploader(key="few_shot-mask").set_value(("m.png", png(inside), "image/png"))
    at.run()
    at.button(key="use-upload").click().run()
    assert header(sound(at))["own"] == ["", "upload"]
    link = view(at).link({})
    assert header(sound(app(**link)))["own"] == ["", "upload"]
    kept_uploads.kept().clear()
    at = app(**link)
    assert header(at)["own"] == ["", ""] and "uploaded elsewhere" in at.warning[0].value


@pytest.mark.parametrize("name", ["digits", "textures"])
def test_labels_of_any_class_are_drawn_over_an_image_and_travel_in_the_link(name):
    lab = FewShotState(task=name)
    task = runs_of(lab)[0]
    before = examples(lab, {})
    labels = before.labels[1].numpy().copy()
    labels[:5], labels[10:20, 10:20], labels[30, 30] = 255, before.labels.max(), 1
    drawn = f"m.{pack_labels(task, labels)}"
    assert np.array_equal(unpack_labels(task, drawn[2:]), labels)
    after = examples(FewShotState.from_link(lab.with_own(1, drawn).link({}), {}), {})
    assert np.array_equal(after.labels[1], labels) and torch.equal(after.clean, before.clean)
    redrawn = lab.with_own(1, "r.1").with_own(1, drawn)  # over whatever image is there
    assert np.array_equal(examples(redrawn, {}).labels[1], labels)
    assert not torch.equal(examples(redrawn, {}).clean[1], before.clean[1])
    assert redrawn.with_own(1, "") == lab
    wrong = pack_labels(GroupingConfig(side=task.side), labels)
    for bad in ("m.AAAA", f"m.{wrong}"):
        with pytest.raises(ConfigError, match="drawing"):
            examples(lab.with_own(0, bad), {})
    with pytest.raises(ConfigError, match="not drawn over"):
        examples(FewShotState().with_own(0, drawn), {})


def test_an_image_without_a_mask_waits_for_one_to_be_drawn():
    task = runs_of(FewShotState(task="textures"))[0]
    found = uploads.example(task, png(np.arange(64 * 80, dtype=np.uint8).reshape(64, 80)), None)
    assert found.clean.shape == (1, 1, 64, 64) and not found.labels.any()


def test_images_of_a_task_with_a_cue_are_not_taken():
    with pytest.raises(ConfigError, match="cue"):
        uploads.example(GroupingConfig(), png(np.zeros((64, 64), np.uint8)), b"")
