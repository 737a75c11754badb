"""From a zip of images and masks to a trained model, and its masks on new images."""

import io
import time
import zipfile

import folders
import numpy as np
import pytest
from driven import PATIENCE, ROOT, sound
from PIL import Image
from streamlit.testing.v1 import AppTest

from fbseg_core import build, load
from fbseg_core.scores.matrix import confusion_matrix
from fbseg_core.tasks.folder import ALLOWED, allow
from pages.menu import link
from pages.ui.training_pool import pool
from pages.your_data import answers
from pages.your_data.state import YourDataState, job_of, task_for

PAGE = "pages/your_data/page.py"
ME = "c" * 32
pytestmark = pytest.mark.xdist_group("few-shot")  # the tests of whose pool share its workers


def opened(**query):
    at = AppTest.from_file(str(ROOT / PAGE), default_timeout=PATIENCE)
    at.session_state["owner"] = ME
    for key, value in query.items():
        at.query_params[key] = value
    return sound(at.run())


def png(values):
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """A zip of ten images with masks, and one image too many."""
    root = folders.pairs(tmp_path_factory.mktemp("ten"), n=10)
    folders.write(root / "images" / "lone.png", folders.image(99))
    (root / "classes.txt").write_text("ground\nleft\nright\n")
    file = io.BytesIO()
    folders.zipped(root, file, "mine/")
    return file.getvalue()


def read(at):
    return " ".join(one.value for one in (*at.markdown, *at.caption, *at.text))


def test_from_a_zip_to_masks_on_new_images(jobs, ten):
    at = opened(updates="50", kind="feedforward", side="32")
    assert not at.button
    at.file_uploader(key="your_data-zip").set_value(("ten.zip", ten, "application/zip")).run()
    sound(at)
    told = read(at)
    assert "images/ and masks/" in told and "8 images to learn from, 2 to test on (chosen by a seed)" in told
    assert "3 classes: ground, left, right" in told and "images/lone.png: there is no mask" in told
    at.button(key="start").click().run()
    job = at.session_state["your_data/view"].job
    deadline = time.monotonic() + PATIENCE
    while pool().poll(job, ME).active:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert pool().poll(job, ME).state == "done"
    sound(at.run())
    assert "On 2 test images" in read(at)
    (by_class,) = (table.value.to_dict("records") for table in at.table)
    assert [row["class"] for row in by_class] == ["ground", "left", "right"]
    matrix = next(html.proto.body for html in at.get("html") if "class='confusion'" in html.proto.body)
    assert matrix.count("<td ") == 9
    new = [("new.png", png(folders.image(5, (40, 60))), "image/png")]
    at.file_uploader(key="your_data-new").set_value(new).run()
    sound(at)
    assert "All masks (zip)" in [one.proto.label for one in at.get("download_button")]
    assert at.session_state["your_data/view"].source == "upload"
    kept = next(
        path for path in (jobs / ".checkpoints").glob("*.safetensors") if "own" in load(path)[1].protocol
    )
    card = load(kept)[1]
    assert card.task.folder == "" and card.task.classes == ("ground", "left", "right") and card.iou


def test_what_is_refused_is_one_sentence_and_nothing_breaks(jobs):
    at = opened()
    at.file_uploader(key="your_data-zip").set_value(("x.zip", b"no zip at all", "application/zip")).run()
    assert not at.exception and [one.value for one in at.warning] == ["The file is no zip that can be read."]


def test_folders_opened_at_the_start_are_offered_by_name_never_by_a_path(jobs, tmp_path, monkeypatch):
    root = folders.pairs(tmp_path / "leaves")
    monkeypatch.setenv(ALLOWED, "")
    allow(root)
    at = opened(source="leaves", side="32")
    assert "6 images" in read(at).replace("4 images to learn from, 2", "6 images")
    assert str(tmp_path) not in link("your_data", source="leaves")
    at = AppTest.from_file(str(ROOT / PAGE), default_timeout=PATIENCE)
    at.session_state["owner"] = ME
    at.query_params["source"] = str(root)
    at.run()
    assert not at.exception and "no folder" in at.warning[0].value


def test_masks_are_taken_along_as_class_numbers(jobs, tmp_path, monkeypatch):
    monkeypatch.setenv(ALLOWED, "")
    allow(folders.pairs(tmp_path))
    task, _ = task_for(YourDataState(side=32), tmp_path)
    model = build(job_of(YourDataState(), task).runs[0].model).eval()
    found = answers.answer(model, task, "leaf one.jpg", io.BytesIO(png(folders.image(3, (50, 40)))))
    assert found.x.shape == (3, 32, 32) and found.mask.shape == (32, 32)
    with zipfile.ZipFile(io.BytesIO(answers.masks_zip(task, [found]))) as packed:
        assert packed.namelist() == ["01-leaf one.png", "classes.txt"]
        picture = Image.open(io.BytesIO(packed.read("01-leaf one.png")))
        assert picture.mode == "P" and np.array_equal(np.asarray(picture), found.mask.numpy())
    table = confusion_matrix(model, answers.tested(task), 2)
    assert table.sum() == 2 * 32 * 32 and len(answers.scores_by_class(table)) == 3


def test_scores_by_class_are_those_of_the_counts():
    table = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    assert answers.scores_by_class(table) == [(12 / 15, 6 / 9), (6 / 9, 3 / 6), None]
