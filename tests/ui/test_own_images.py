"""Images that visitors send: kept for them alone, replaced by the next zip, and gone when nobody asks."""

import io
import os
import time
import zipfile

import folders
import pytest

from fbseg_core.config import FolderConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks.folder import ALLOWED, scan
from pages.ui import own_images

ME, OTHER = "a" * 32, "b" * 32


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("FBSEG_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setenv(ALLOWED, "")
    return tmp_path / "jobs" / ".images"


def zipped(tmp_path, n=4):
    file = io.BytesIO()
    folders.zipped(folders.pairs(tmp_path / f"mine{n}", n=n), file)
    file.seek(0)
    return file


def test_a_zip_can_be_read_as_a_task_and_the_next_takes_its_place(tmp_path, root):
    first = own_images.keep(ME, zipped(tmp_path))
    assert own_images.of(ME) == first and own_images.of(OTHER) is None
    assert len(scan(FolderConfig(folder=str(first))).pairs) == 4
    second = own_images.keep(ME, zipped(tmp_path, 6))
    assert own_images.of(ME) == second and not first.exists()
    assert len(scan(FolderConfig(folder=str(second))).pairs) == 6
    assert str(first).startswith(str(root)) and len(first.name) == 32


def test_a_zip_that_is_refused_leaves_what_was_there(tmp_path):
    first = own_images.keep(ME, zipped(tmp_path))
    for bad in (io.BytesIO(b"no zip"), zip_of({"a.txt": b"x"}), zip_of({"images/a.png": b"x"})):
        with pytest.raises(ConfigError):
            own_images.keep(ME, bad)
    assert own_images.of(ME) == first and len(list(first.parent.iterdir())) == 1
    own_images.forget(ME)
    assert own_images.of(ME) is None


def zip_of(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return file


def test_those_of_visitors_who_do_not_come_back_go(tmp_path, root, monkeypatch):
    own_images.keep(ME, zipped(tmp_path))
    own_images.keep(OTHER, zipped(tmp_path, 6))
    old = time.time() - own_images.KEPT - 60
    os.utime(root / ME, (old, old))
    os.utime(root / OTHER, (old, old))
    assert own_images.of(OTHER)  # who asks, keeps
    own_images.sweep()
    assert own_images.of(ME) is None and own_images.of(OTHER)
    monkeypatch.setattr(own_images, "MOST", 0)
    own_images.sweep()
    assert own_images.of(OTHER) is None


def test_folders_opened_at_the_start_are_listed_by_name_and_visitors_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv(ALLOWED, os.pathsep.join([str(tmp_path / "a" / "x"), str(tmp_path / "b" / "x")]))
    own_images.keep(ME, zipped(tmp_path))
    assert [*own_images.listed().values()] == [tmp_path / "a" / "x", tmp_path / "b" / "x"]
    assert len(own_images.listed()) == 2
    with pytest.raises(ConfigError):
        own_images.of("../../etc")
