"""A model of a visitor's own images, on those images: for who sent them alone, and no file says where."""

import io

import folders
import numpy as np
import pytest
from driven import app
from received import header

from fbseg_core import ConfigError, build
from fbseg_core.checkpoint import Card
from fbseg_core.config import FolderConfig, ModelConfig, TrainConfig
from fbseg_core.tasks.folder import ALLOWED, allow
from pages.explore import computed, exports
from pages.explore.run import scene_of
from pages.explore.state import ExploreState
from pages.ui import models, own_images, own_models, visitor

ME, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def link(tmp_path, monkeypatch):
    """What the link to a model says; ME has sent the images."""
    monkeypatch.setenv("FBSEG_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setenv(ALLOWED, "")
    monkeypatch.setattr(visitor, "owner", lambda: ME)
    file = io.BytesIO()
    folders.zipped(folders.pairs(tmp_path / "mine", n=4), file)
    file.seek(0)
    own_images.keep(ME, file)
    task = FolderConfig(height=32, width=32, classes=("ground", "left", "right"), layout="pairs")
    config = ModelConfig(classes=3, width=2, depth=1, u=4, v=4, steps=3)
    card = Card(config, task, TrainConfig(), 0, "own images", (0.0, 0.5))
    name, _ = own_models.keep(build(config), card, own_models.Note("feedback", "trained", 0.0), ME)
    return {"task": "folder", "source": own_images.UPLOAD, "model": name}


def test_its_test_images_are_shown_and_no_file_says_where_they_lie(link, tmp_path):
    told = header(app("pages/explore/page.py", {"owner": ME}, **link))
    assert told["classNames"] == ["ground", "left", "right"] and told["size"] == [32, 32]
    run = computed.run(scene_of(ExploreState(**link), models.cards()))
    place = str(tmp_path)
    assert run.scene.task.folder.startswith(place) and place not in str(told)
    assert place not in str(np.load(io.BytesIO(exports.arrays(run)))["scene"])
    code = exports.snippet(run.scene)
    assert place not in code and "opened(task.replace(folder='images'))" in code


def test_who_has_the_link_and_not_the_images_is_told_so(link, monkeypatch):
    monkeypatch.setattr(visitor, "owner", lambda: OTHER)
    for source in (own_images.UPLOAD, ""):
        with pytest.raises(ConfigError, match="only in the browser that sent them"):
            scene_of(ExploreState(**link | {"source": source}), models.cards())


def test_images_of_other_classes_are_refused_and_a_folder_of_the_operator_s_is_for_all(
    link, monkeypatch, tmp_path
):
    monkeypatch.setattr(visitor, "owner", lambda: OTHER)
    allow(folders.pairs(tmp_path / "leaves", n=4))
    view = ExploreState(**link | {"source": "leaves"})
    assert scene_of(view, models.cards()).task.folder == str(tmp_path / "leaves")
    allow(folders.pairs(tmp_path / "bees", n=4, numbers=(0, 5, 9)))
    with pytest.raises(ConfigError, match="no sound image"):
        scene_of(view.replace(source="bees"), models.cards())
