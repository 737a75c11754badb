import itertools
import os

import folders
import numpy as np
import pytest
import torch

from fbseg_core.config import FolderConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS, make_batch, parse_task
from fbseg_core.tasks.folder import ALLOWED, allow, scan
from fbseg_core.tasks.layouts import CITYSCAPES, LABEL_IDS, VOC

KIND = TASKS["folder"]
ASIS = {"height": 32, "width": 32, "fit": "crop", "normalise": "none"}  # 24 × 32 px, and void above and below


@pytest.fixture(autouse=True)
def nothing_is_allowed_before(monkeypatch):
    monkeypatch.setenv(ALLOWED, "")


def opened(root, **settings):
    return KIND.opened(FolderConfig(folder=str(root), **{**ASIS, **settings}))


def held(content, row=0):
    """Image (24, 32, 3) uint8 and labels (24, 32), as in the file."""
    clean = (content.clean[row] * 255).round().byte().permute(1, 2, 0).numpy()
    return clean[4:28], content.labels[row].numpy()[4:28]


def test_images_go_with_the_masks_of_their_names(tmp_path):
    config = opened(folders.pairs(tmp_path))
    assert config.classes == ("background", "class 1", "class 2") and config.layout == "pairs"
    for split in ("train", "test"):
        content = KIND.content(config, KIND.supply(config, split), 0, split)
        for row, number in enumerate(content.info["image"].tolist()):
            image, labels = held(content, row)
            assert np.array_equal(image, folders.image(number))
            assert np.array_equal(labels, folders.mask(number))
        assert (content.labels[:, :4] == 255).all()  # outside the image


def test_a_split_that_the_layout_does_not_say_is_by_a_stated_seed(tmp_path):
    config = opened(folders.pairs(tmp_path, n=8))
    train, test = (scan(config).rows(split) for split in ("train", "test"))
    assert len(test) == 2 and sorted(train + test) == list(range(8))
    assert scan(config.replace(split_seed=5)).rows("test") != test
    assert len(scan(config.replace(test_share=0.5)).rows("test")) == 4


@pytest.mark.parametrize("outside", [False, True])
def test_folders_of_training_and_validation_are_the_split(tmp_path, outside):
    root = folders.pairs(tmp_path / "one", n=6, parts=("train", "val"))
    if outside:  # train/images in place of images/train
        for part, kind in itertools.product(("train", "val"), ("images", "masks")):
            (tmp_path / "two" / part).mkdir(parents=True, exist_ok=True)
            root = (root.parent / "one" / kind / part).rename(tmp_path / "two" / part / kind).parents[1]
    config = opened(root)
    found = scan(config)
    assert config.layout == "pairs" and len(found.pairs) == 6
    assert {"val" in found.pairs[i].image.parts for i in found.rows("test")} == {True}
    assert KIND.supply(config, "train") == KIND.supply(config, "test") == 3


def test_masks_of_0_and_255_alone_mark_one_class_and_other_255_are_void(tmp_path):
    two = opened(folders.pairs(tmp_path / "two", numbers=(0, 255)))
    assert two.classes == ("background", "marked")
    assert set(held(KIND.content(two, 1, 0))[1].ravel()) == {0, 1}
    three = opened(folders.pairs(tmp_path / "three", numbers=(0, 1, 255)))
    assert three.classes == ("background", "class 1")
    assert set(held(KIND.content(three, 1, 0))[1].ravel()) == {0, 1, 255}


def test_names_of_classes_may_stand_in_a_file(tmp_path):
    (folders.pairs(tmp_path) / "classes.txt").write_text("ground\nroad\n\nhouse\nnever seen\n")
    assert opened(tmp_path).classes == ("ground", "road", "house", "never seen")


def test_voc_is_read_by_palette_numbers_and_split_by_its_lists(tmp_path):
    config = opened(folders.voc(tmp_path / "VOCdevkit" / "VOC2012").parents[1])  # a folder in a folder
    assert config.layout == "voc" and config.classes == VOC
    assert KIND.supply(config, "train") == 3 and KIND.supply(config, "test") == 1
    labels = held(KIND.content(config, 1, 0, "test"))[1]
    assert np.array_equal(labels, folders.mask(3, (0, 20, 255)))


@pytest.mark.parametrize(("kind", "numbers"), [("labelIds", (7, 33, 4)), ("labelTrainIds", (0, 18, 255))])
def test_cityscapes_ids_are_mapped_to_the_19_classes(tmp_path, kind, numbers):
    config = opened(folders.cityscapes(tmp_path, kind, numbers))
    assert config.layout == "cityscapes" and config.classes == CITYSCAPES and len(CITYSCAPES) == 1 + 19
    assert KIND.supply(config, "train") == 3 and KIND.supply(config, "test") == 2  # its test has no truth
    content = KIND.content(config, 1, 0, "test")
    number = int(content.info["image"][0])
    seed = int(scan(config).pairs[number].image.name.split("_")[1])
    expected = folders.mask(seed, numbers)
    to = {numbers[0]: CITYSCAPES.index("road"), numbers[1]: CITYSCAPES.index("bicycle"), numbers[2]: 255}
    assert np.array_equal(held(content)[1], np.vectorize(to.get)(expected))
    assert len(LABEL_IDS) == 19


def test_nuclei_are_the_union_of_their_masks_with_a_border_where_asked_for(tmp_path):
    root = folders.nuclei(tmp_path / "stage1_train")
    config = opened(root)
    assert config.layout == "nuclei" and config.classes == ("background", "nucleus")
    assert (held(KIND.content(config, 1, 0))[1] == 1).sum() == 2 * 36
    bordered = opened(root, border=True)
    labels = held(KIND.content(bordered, 1, 0))[1]
    assert bordered.classes == ("background", "inside", "border")
    assert (labels == 1).sum() == 2 * 16 and (labels == 2).sum() == 2 * 20


def test_images_are_brought_to_the_size_labels_by_the_nearest_pixel(tmp_path):
    config = opened(folders.pairs(tmp_path), fit="middle", height=16, width=16)
    content = KIND.content(config, 2, 1)
    assert content.clean.shape == (2, 3, 16, 16) and set(content.labels.unique().tolist()) <= {0, 1, 2}
    number = int(content.info["image"][0])
    middle = folders.mask(number)[:, 4:28]  # the largest square of 24 × 32 px
    assert np.array_equal(content.labels[0, 0], middle[0, (np.arange(16) * 1.5 + 0.75).astype(int)])
    grey = opened(tmp_path, channels=1, fit="middle")
    assert KIND.content(grey, 1, 0).clean.shape == (1, 1, 32, 32) and KIND.channel_names(grey) == ("grey",)


def test_same_seed_same_images_each_once_before_any_comes_again(tmp_path):
    config = opened(folders.pairs(tmp_path, n=8), height=16, width=16)
    few, many = make_batch(config, 3, 5), make_batch(config, 14, 5)
    assert torch.equal(few.x, many.x[:3]) and torch.equal(few.labels, many.labels[:3])
    assert len(set(many.info["image"][:6].tolist())) == 6 == KIND.supply(config, "train")
    assert not set(many.info["image"].tolist()) & set(scan(config).rows("test"))
    again = many.info["image"] == many.info["image"][0]
    assert len({x.numpy().tobytes() for x in many.x[again]}) > 1  # another crop of it


FAULTS = {
    "an image without a mask": ("images/x.png", folders.image(), r"images/x.png: there is no mask of this"),
    "a mask without an image": ("masks/x.png", folders.mask(), r"masks/x.png: there is no image of this"),
    "another size": ("masks/03.png", folders.mask(size=(24, 40)), "masks/03.png: 24 × 40 px, but its image"),
    "a colour mask": ("masks/03.png", folders.image(), r"masks/03.png: this mask is in colour \(RGB\)"),
    "a mask of 16 bits": (
        "masks/03.png", folders.mask().astype(np.uint16), "masks/03.png: this mask has 16 bits",
    ),
    "an unknown number": (
        "masks/03.png", folders.mask(numbers=(0, 77)), "masks/03.png: holds the number 77; classes are 0 to",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_problem_is_one_sentence_that_names_the_file(tmp_path, fault):
    file, values, sentence = FAULTS[fault]
    folders.write(folders.pairs(tmp_path) / file, values)
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        opened(tmp_path)
    allow(tmp_path)
    found = scan(FolderConfig(folder=str(tmp_path)))
    assert len(found.problems) == 1 and len(found.pairs) >= 5  # the others can be trained on


@pytest.mark.parametrize("cut", [0, 60, 120])
@pytest.mark.parametrize("what", ["images", "masks"])
def test_a_damaged_file_is_named(tmp_path, what, cut):
    file = folders.pairs(tmp_path) / what / "03.png"
    noise = folders.image()[..., 0] % 3  # that PNG does not make small
    whole = folders.write(file, folders.image() if what == "images" else noise).read_bytes()
    file.write_bytes(whole[:cut])
    with pytest.raises(ConfigError, match=rf"^{what}/03\.png: this (is no PNG|file is damaged)"):
        config = opened(tmp_path)
        KIND.content(config, 6, 0), KIND.content(config, 6, 0, "test")


def test_an_id_that_its_data_set_does_not_have_is_named(tmp_path):
    config = opened(folders.cityscapes(tmp_path, numbers=(7, 60, 4)))
    with pytest.raises(ConfigError, match=r"labelIds.png: holds the number 60, which is no id of Cityscapes"):
        KIND.content(config, 3, 0)


def test_only_folders_that_were_opened_are_read_and_nothing_is_told_of_others(tmp_path):
    root = folders.pairs(tmp_path / "mine")
    foreign = parse_task({"name": "folder", "folder": str(root), "classes": ["a", "b", "c"]})
    missing = foreign.replace(folder=str(tmp_path / "mine-not"))
    for config in (foreign, missing, foreign.replace(folder="\0"), foreign.replace(folder="")):
        assert KIND.class_names(config) == ("a", "b", "c")  # a checkpoint's card can be read
        with pytest.raises(ConfigError, match=r"is no folder that was opened here\.$"):
            make_batch(config, 1, 0)
    allow(tmp_path / "other")
    with pytest.raises(ConfigError, match="opened here"):
        make_batch(foreign, 1, 0)
    allow(tmp_path)
    assert len(make_batch(foreign, 1, 0)) == 1 and os.environ[ALLOWED].count(os.pathsep) == 1
    with pytest.raises(ConfigError, match="opened here"):
        make_batch(foreign.replace(folder=str(tmp_path / "mine" / ".." / ".." / "x")), 1, 0)


def test_a_folder_in_no_known_layout_is_told_the_layouts(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(ConfigError, match="is not laid out; give images/ and masks/"):
        opened(tmp_path)
    with pytest.raises(ConfigError, match="is not laid out as voc"):
        opened(folders.pairs(tmp_path / "b"), layout="voc")
    with pytest.raises(ConfigError, match=r"say which, by --task\.folder PATH"):
        KIND.opened(FolderConfig())
