"""Images and masks of a stranger: each is read as a viewer shows it, or refused in one sentence."""

import io

import numpy as np
import pytest
import torch
from refusals import sentence_of
from sent_pictures import COLOUR, DISC, GREY, IMAGES, MASK, MASKS, NAMES, SOUND, TIFFS

from fbseg_core.config import DigitsConfig, FolderConfig, ModelConfig, ShapesConfig
from fbseg_core.models.registry import build
from fbseg_core.tasks import picture_files
from pages.few_shot import uploads
from pages.your_data import answers

TASK = ShapesConfig()
ANSWERS = {
    "20000 px": "too many pixels",
    "12000 px": "px are too many",
    "1 px": "16 to 2048 px a side",
    "3 by 1000": "16 to 2048 px a side",
    "CMYK": "CMYK",
    "APNG": "several pictures",
    "GIF": "no PNG or JPEG",
    "truncated": "damaged",
    "half a JPEG": "damaged",
    "empty": "no PNG or JPEG",
    "HTML": "no PNG or JPEG",
    "SVG": "no PNG or JPEG",
    "EPS": "no PNG or JPEG",
    "BMP": "no PNG or JPEG",
    "text bomb": "",  # Pillow may pass over it
}
OF_FOLDERS = ANSWERS | {"1 px": None, "3 by 1000": None}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_taken_or_refused_in_one_sentence(name):
    said = sentence_of(lambda: uploads.example(TASK, IMAGES[name], MASK))
    want = ANSWERS.get(name)
    assert (said is None) if want is None else want in (said or "")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_in_a_folder_is_taken_or_refused_in_one_sentence(name, tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(IMAGES[name])
    said = sentence_of(
        lambda: (picture_files.size_of(path, "x.png"), picture_files.read_image(path, "x.png", 3))
    )
    want = OF_FOLDERS.get(name)
    assert (said is None) if want is None else want.replace("PNG or JPEG", "PNG") in (said or "")


@pytest.mark.parametrize(
    "name, want", [("float with NaN", "floating"), ("16 bits", None), ("pages", "several")]
)
def test_a_tiff_is_taken_or_refused_in_one_sentence(name, want, tmp_path):
    path = tmp_path / "x.tif"
    path.write_bytes(TIFFS[name])
    said = sentence_of(lambda: picture_files.read_image(path, "x.tif", 1))
    assert (said is None) if want is None else want in said


def read(name):
    return picture_files.read_image(io.BytesIO(IMAGES[name]), "x.png", 3)


def test_what_is_read_is_what_a_viewer_shows():
    assert (read("grey")[..., 0] == GREY).all() and (read("script behind")[..., 0] == GREY).all()
    for deep in ("16 bits", "12 in 16"):
        name = "12 in 16 bits" if deep.startswith("12") else deep
        assert (read(name)[..., 1] == GREY).all()
        grey = uploads.example(TASK, IMAGES[name], MASK).clean[0, 0]
        assert torch.allclose(grey, torch.from_numpy(GREY / 255).float(), atol=0.005)
    shown = read("transparent")
    assert (shown[DISC == 1] == COLOUR[DISC == 1]).all() and (shown[DISC == 0] == 255).all()
    turned = read("EXIF")[..., 0].astype(int)
    assert np.abs(turned - np.rot90(GREY, -1)).mean() < 2


@pytest.mark.parametrize(
    "name, want",
    [("sound", None), ("palette", None), ("JPEG", None), ("16 bits", None), ("transparent", None),
     ("empty", "marks nothing"), ("full", "everything"), ("void", "everything"),
     ("another size", "differ in size")],
)  # fmt: skip
def test_a_mask_is_taken_or_refused_in_one_sentence(name, want):
    found = []
    said = sentence_of(lambda: found.append(uploads.example(TASK, SOUND, MASKS[name])))
    assert (said is None) if want is None else want in said
    assert want or (found[0].labels[0].numpy() == DISC).mean() > 0.99


@pytest.mark.parametrize(
    "name, want", [("JPEG", "JPEG"), ("16 bits", "16 bits"), ("transparent", "colour"), ("palette", None)]
)
def test_numbers_of_classes_are_never_changed_on_the_way(name, want, tmp_path):
    (tmp_path / "m.png").write_bytes(MASKS[name])
    said = sentence_of(lambda: picture_files.read_mask(tmp_path / "m.png", "m.png"))
    assert (said is None) if want is None else want in said
    many = DigitsConfig()
    said = sentence_of(lambda: uploads.example(many, SOUND, MASKS[name]))
    assert said is None or name != "palette"
    assert (name == "palette") or said


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_file_is_called_it_is_told_in_one_sentence(name):
    config = FolderConfig(folder="", height=32, width=32, classes=("background", "x"), layout="pairs")
    model = build(ModelConfig(width=2, depth=1, u=2, v=2))
    for content in (SOUND, b"no image"):
        sentence_of(lambda content=content: answers.answer(model, config, name, io.BytesIO(content)))
