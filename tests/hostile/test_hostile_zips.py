"""Zips of a stranger: refused in one sentence, with nothing written outside and nothing left behind."""

import io
import os
import stat
import struct
import zipfile

import pytest
from refusals import sentence_of
from sent_pictures import DISC, GREY, NAMES, huge, saved

from fbseg_core.tasks import archive
from pages.ui import own_images

OWNER = "a" * 32
IMAGE, MASK = saved(GREY), saved(DISC)


def zipped(**files):
    return of(files.items())


def of(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        for name, content in files:
            packed.writestr(name, content)
    return out.getvalue()


def link():
    entry = zipfile.ZipInfo("images/a.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return of([(entry, "/etc/passwd")])


def many():
    """A zip of 800,000 entries in its directory, which all name one file: what 50 MB have room for."""
    name = b"images/a.png"
    entry = (
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
    )
    start, count = 30 + len(name), 800_000
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, count * len(entry), start, 0)
    return local + entry * count + end


SOUND = [("images/a.png", IMAGE), ("masks/a.png", MASK), ("images/b.png", IMAGE), ("masks/b.png", MASK)]
ZIPS = {
    "empty": (lambda: b"", "no zip"),
    "no zip": (lambda: b"PK\3\4" + bytes(99), "no zip"),
    "HTML": (lambda: b"<script>alert(1)</script>", "no zip"),
    "nothing in it": (lambda: of([]), "no PNG"),
    "outside": (lambda: of([("../../x.png", IMAGE)]), "outside"),
    "absolute": (lambda: of([("/tmp/x.png", IMAGE)]), "outside"),
    "drive": (lambda: of([("C:\\x.png", IMAGE)]), "outside"),
    "link": (lambda: link(), "links"),
    "twice": (lambda: of([*SOUND, SOUND[0]]), "twice"),
    "file and folder": (lambda: of([SOUND[0], ("images/a.png/b.png", IMAGE)]), "cannot be unpacked"),
    "bomb": (lambda: of([("images/a.png", bytes(2**22 + 1))]), "once unpacked"),
    "pixels": (lambda: of(zip((f"images/{n}.png" for n in range(20)), [huge(4096)] * 20)), "pixels"),
    "one picture": (lambda: of([("images/a.png", huge(12_000))]), "too many"),
    "entries": (lambda: many(), "entries"),
    "HTML in a picture": (lambda: of([("images/a.png", b"<html>"), ("masks/a.png", MASK)]), "no PNG"),
    "no masks": (lambda: of([("images/a.png", IMAGE)]), ""),
    "markup": (lambda: of([("images/<img src=x>.png", b"x")]), "no PNG"),
}  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where visitors' images are kept; what a visitor had before stands there."""
    monkeypatch.setattr(archive, "MOST_UNPACKED", 2**22)
    monkeypatch.setattr(own_images, "default_root", lambda: tmp_path / "jobs")
    own_images.keep(OWNER, io.BytesIO(of(SOUND)))
    return tmp_path


def everything(folder):
    return sorted(os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)


@pytest.mark.parametrize("name", ZIPS)
def test_a_zip_is_refused_in_one_sentence_and_what_was_there_stays(home, name):
    before = everything(home)
    content, word = ZIPS[name]
    file = io.BytesIO(content())
    said = sentence_of(lambda: own_images.keep(OWNER, file))
    assert said is not None and word in said
    assert everything(home) == before


@pytest.mark.parametrize("name", NAMES)
def test_whatever_an_entry_is_called(home, name):
    sentence_of(lambda: own_images.keep(OWNER, io.BytesIO(of([*SOUND, (f"images/{name}", IMAGE)]))))
    assert all(path.startswith(str(home / "jobs")) for path in everything(home))


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions otherwise")
def test_what_visitors_send_is_for_the_servers_user_alone(home):
    folder = own_images.of(OWNER)
    assert folder.stat().st_mode & 0o077 == 0 and len(everything(folder)) == 4
    assert own_images.root().stat().st_mode & 0o077 == 0  # which would tell the owners' tokens


@pytest.mark.parametrize("owner", ["", "..", "../" + "a" * 29, "A" * 32, "a" * 31, "a" * 33, "a" * 31 + "\n"])
def test_no_other_owner_is_made_up(home, owner):
    for act in (own_images.of, own_images.forget, lambda who: own_images.keep(who, io.BytesIO(of(SOUND)))):
        assert sentence_of(lambda act=act: act(owner)) == "There is no such visitor."
    assert own_images.of("b" * 32) is None
    own_images.forget("b" * 32)
    assert own_images.of(OWNER)


class Killed(BaseException):
    """The process is gone."""


def test_a_zip_whose_unpacking_was_cut_off_leaves_what_was_there(home, monkeypatch):
    before = own_images.of(OWNER)

    def cut(file, into):
        (into / "images").mkdir()
        (into / "images" / "a.png").write_bytes(b"half")
        raise Killed

    monkeypatch.setattr(own_images, "unpack", cut)
    for _ in range(3):
        with pytest.raises(Killed):
            own_images.keep(OWNER, io.BytesIO(of(SOUND)))
        assert own_images.of(OWNER) == before
    monkeypatch.undo()
    monkeypatch.setattr(own_images, "default_root", lambda: home / "jobs")
    new = own_images.keep(OWNER, io.BytesIO(of(SOUND)))
    assert own_images.of(OWNER) == new and list(new.parent.iterdir()) == [new]


def test_all_visitors_images_together_are_bounded_in_bytes_and_the_latest_stay(home, monkeypatch):
    monkeypatch.setattr(own_images, "MOST_BYTES", 3 * own_images._size(own_images.of(OWNER)))
    for number, owner in enumerate(["b" * 32, "c" * 32, "d" * 32]):
        own_images.keep(owner, io.BytesIO(of(SOUND)))
        past = own_images.of(owner).parent.stat().st_mtime - 100 + number
        os.utime(own_images.of(owner).parent, (past, past))
    own_images.keep("e" * 32, io.BytesIO(of(SOUND)))
    assert own_images.of("e" * 32) and own_images.of(OWNER)
    assert [own_images.of(owner * 32) is not None for owner in "bcd"] == [False, False, True]
