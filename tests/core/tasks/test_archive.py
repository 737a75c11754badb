import io
import stat
import zipfile
from contextlib import contextmanager

import folders
import pytest

from fbseg_core.settings import ConfigError
from fbseg_core.tasks import archive
from fbseg_core.tasks.archive import unpack
from fbseg_core.tasks.layouts import find


@contextmanager
def zipped(method=zipfile.ZIP_DEFLATED):
    """A zip to be filled; it is rewound at the end."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        yield file, packed
    file.seek(0)


def of(*names, content=b"x"):
    with zipped() as (file, packed):
        for name in names:
            packed.writestr(name, content)
    return file


def refused(file, tmp_path, match):
    with pytest.raises(ConfigError, match=match):
        unpack(file, tmp_path / "into")


def test_a_zip_of_a_folder_is_the_folder_again(tmp_path):
    root = folders.pairs(tmp_path / "mine")
    (root / "classes.txt").write_text("a\nb\nc\n")
    with zipped() as (file, packed):
        for one in sorted(root.rglob("*")):
            packed.write(one, f"mine/{one.relative_to(root)}")
        packed.writestr("mine/.DS_Store", b"x")
        packed.writestr("__MACOSX/mine/images/._00.png", b"x")
        packed.writestr("mine/readme.exe", b"x")
    assert unpack(file, tmp_path / "into") == 13
    found = find(tmp_path / "into")
    assert len(found.pairs) == 6 and found.classes == ("a", "b", "c") and not found.problems
    assert not list((tmp_path / "into").rglob("*.exe")) and not (tmp_path / "into" / "__MACOSX").exists()
    assert found.pairs[0].image.read_bytes() == (root / "images" / "00.png").read_bytes()


@pytest.mark.parametrize("name", ["../x.png", "a/../../x.png", "/etc/x.png", "c:/x.png", "..\\x.png"])
def test_paths_that_lead_outside_are_refused(tmp_path, name):
    refused(of(name), tmp_path, "leads outside")
    assert not list(tmp_path.rglob("*.png"))


def test_links_are_refused(tmp_path):
    link = zipfile.ZipInfo("images/x.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipped() as (file, packed):
        packed.writestr(link, "/etc/passwd")
    refused(file, tmp_path, "links are not taken")


def test_too_much_is_refused_whatever_the_zip_says_of_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MOST_ENTRIES", 3)
    refused(of(*(f"{k}.txt" for k in range(4))), tmp_path, "holds 4 entries; up to 3")
    monkeypatch.setattr(archive, "MOST_UNPACKED", 2**20)
    bomb = of("a.txt", content=bytes(2**21))
    assert len(bomb.getvalue()) < 10_000
    refused(bomb, tmp_path, "more than 1 MB once unpacked")
    monkeypatch.setattr(archive, "MOST_PACKED", 100)
    refused(bomb, tmp_path, "larger than 0 MB")


def test_pixels_are_counted_before_any_is_decoded(tmp_path, monkeypatch):
    root = folders.pairs(tmp_path / "mine", n=1)
    with zipped() as (file, packed):
        for part in ("images", "masks"):
            packed.write(root / part / "00.png", f"{part}/00.png")
    monkeypatch.setattr(archive, "MOST_PIXELS", 24 * 32 * 2 - 1)
    refused(file, tmp_path, "more than 1,535 pixels")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "no zip"), (b"PK\3\4 and no more", "no zip"), (of("a/").getvalue(), "holds no PNG")],
    ids=["empty", "torn", "no image"],  # a zip holds the time: two workers would name it differently
)
def test_what_is_no_zip_or_holds_nothing_is_told(tmp_path, content, sentence):
    refused(io.BytesIO(content), tmp_path, sentence)


def test_a_file_twice_a_damaged_one_and_one_that_is_no_picture_are_named(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = of("a.txt", "a.txt")
    refused(twice, tmp_path / "1", r"a\.txt: the zip holds this file twice")
    refused(of("b.png"), tmp_path / "2", r"b\.png: this is no PNG")
    refused(of("c.txt", "c.txt/d.txt"), tmp_path / "3", r"c\.txt/d\.txt: cannot be unpacked")
    whole = bytearray(of("e.txt", content=bytes(range(256)) * 40).getvalue())
    whole[60] ^= 255
    refused(io.BytesIO(bytes(whole)), tmp_path / "4", "no zip that can be read")


def test_locked_files_are_refused(tmp_path):
    content = bytearray(of("a.txt").getvalue())
    for head in (b"PK\3\4", b"PK\1\2"):
        at = content.index(head) + (6 if head == b"PK\3\4" else 8)
        content[at] |= 1
    refused(io.BytesIO(bytes(content)), tmp_path, "locked by a password")
