"""Checkpoints of a stranger: shown on every screen, or refused in one sentence; nobody else's is touched."""

import dataclasses
import errno
import json
import math
import os
import struct
from datetime import UTC

import pytest
import torch
from checkpoint_files import CARD, SMALL, TASK, header_of, rewrite
from failing_disk import failing
from refusals import sentence_of

from fbseg_core.checkpoint import FORMAT, CheckpointError, load, save
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig
from fbseg_core.models.registry import build
from pages.explore import computed as explore
from pages.explore.player.payload import lay_out, pack
from pages.explore.run import scene_of
from pages.explore.state import ExploreState
from pages.jobs.shares import Share
from pages.live import world
from pages.live.state import LiveState
from pages.stability import computed as stability
from pages.stability.state import StabilityState, variants_of
from pages.ui import models, own_models


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FBSEG_JOBS", str(tmp_path / "jobs"))
    return tmp_path


def file_of(home, model=SMALL, task=TASK, tweak=lambda net: None, **card):
    net = build(model)
    with torch.no_grad():
        tweak(net)
    path = home / "sent.safetensors"
    save(net, dataclasses.replace(CARD, model=model, task=task, **card), path)
    return path


def tensor(name, dtype, shape, size=0):
    """A file of one tensor, with a sound head."""
    header = {"__metadata__": {"format": FORMAT, "card": "{}"}, name: {"dtype": dtype, "shape": shape}}
    header[name]["data_offsets"] = [0, size]
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(size)


def changed(home, **card):
    path = file_of(home)
    rewrite(path, change_card=lambda plain: plain.update(card))
    return path.read_bytes()


def doubled(home):
    """Two entries of one name in the card, of which parsers take one or the other."""
    path = file_of(home)
    content = path.read_bytes()
    header, end = header_of(path)
    card = header["__metadata__"]["card"]
    header["__metadata__"]["card"] = card[:-1] + ', "updates": 9}'
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + content[end:]


def pickled(home):
    torch.save(build(SMALL).state_dict(), home / "a.pt")
    return (home / "a.pt").read_bytes()


LARGE = ModelConfig(width=1, depth=1, u=64, v=64, steps=60)
REFUSED = {
    "empty": lambda home: b"",
    "pickle": pickled,
    "HTML": lambda home: b"<script>alert(1)</script>",
    "cut": lambda home: file_of(home).read_bytes()[:-100],
    "newer": lambda home: file_of(home).read_bytes().replace(b"checkpoint/1", b"checkpoint/9"),
    "overflowing tensor": lambda home: tensor("x", "F32", [0, 2**64 - 1]),
    "overlapping": lambda home: tensor("x", "F32", [4], 8),
    "int8": lambda home: tensor("head.bias", "I8", [2], 2),
    "zero-sized": lambda home: tensor("head.bias", "F32", [0]),
    "absurd width": lambda home: changed(home, model=SMALL.model_dump(mode="json") | {"width": 10**9}),
    "absurd depth": lambda home: changed(home, model=SMALL.model_dump(mode="json") | {"depth": 10**9}),
    "large width": lambda home: changed(home, model=SMALL.model_dump(mode="json") | {"width": 256}),
    "NaN in versions": lambda home: changed(home, versions={"torch": math.nan}),
    "NaN score": lambda home: changed(home, f1=[math.nan]),
    "unknown key": lambda home: changed(home, **{"k" * 400_000: 1}),
    "unknown setting": lambda home: changed(home, task={"name": "shapes", "k" * 400_000: 1}),
    "nested": lambda home: changed(home, versions=json.loads("[" * 400 + "]" * 400)),
    "a larger run than there is room": lambda home: file_of(home, LARGE, ShapesConfig(side=128)).read_bytes(),
    "a larger image": lambda home: file_of(home, task=ShapesConfig(side=256)).read_bytes(),
    "eigenvalue 10": lambda home: file_of(home, SMALL.replace(spectrum=(10.0,))).read_bytes(),
    "no score": lambda home: file_of(home, f1=()).read_bytes(),
    "65 MB": lambda home: bytes(65 * 2**20),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_checkpoint_is_refused_in_one_sentence_and_nothing_is_kept(home, name):
    content = REFUSED[name](home)
    assert sentence_of(lambda: own_models.bring(content, "me")) is not None
    assert not list((home / "jobs").rglob("*.safetensors"))


def bias(*values):
    return lambda net: net.head.bias.copy_(torch.tensor(values))


def everything(value):
    return lambda net: [one.fill_(value) for one in net.parameters()]


TAKEN = {
    "sound": {},
    "several classes": {
        "model": SMALL.replace(classes=3), "task": ShapesConfig(side=16, sides=(3, 0), multiclass=True),
    },
    "one channel": {"model": SMALL.replace(in_channels=1), "task": ShapesConfig(side=16, channels=1)},
    "large bias": {"tweak": bias(3e38, 0.0)},
    "opposite biases": {"tweak": bias(3e38, -3e38)},
    "huge weights": {"tweak": everything(3e38)},
    "fractional, one step": {"model": SMALL.replace(kernel="fractional", steps=1)},
    "impossible grouping": {
        "model": SMALL.replace(in_channels=2), "task": GroupingConfig(side=16, scale=16.0, coverage=0.6),
    },
    "markup": {"protocol": "![x](http://e.org/x.png) <b>x</b>"},
}  # fmt: skip


def shown(name, card):
    """Whatever the screens need of a model."""
    cards = models.cards()
    scene = scene_of(ExploreState(task=card.task.name, model=name), cards)
    run = explore.run(scene)
    assert pack(lay_out(run, run, explore.plane(run, "h", "image"), None, fed=True, state=True), {})
    variants = list(variants_of(StabilityState(model=name, T=8), cards).values())
    walks = [stability.walk_of(variant) for variant in variants]
    assert all(sentence for walk in walks for sentence in walk.clocked.sentences)
    stability.plane_of(variants)
    assert world.lineup(LiveState(world=card.task.name, shown=(name,)), cards) == (name,)
    assert "](" not in models.describe_card(card).replace("\\]", "")


@pytest.mark.parametrize("what", TAKEN)
def test_a_checkpoint_that_is_taken_can_be_shown_or_is_refused_in_one_sentence(home, what):
    content = file_of(home, **TAKEN[what]).read_bytes()
    name, card = own_models.bring(content, "me")
    said = sentence_of(lambda: shown(name, card))
    assert said is None or what == "impossible grouping"


def test_of_an_entry_given_twice_the_digest_holds_what_was_read(home):
    content = doubled(home)
    name, card = own_models.bring(content, "me")
    assert card.updates == 9 and own_models.content(name) != content  # written anew from what was understood


def test_a_run_that_would_not_fit_is_refused_before_it_is_made(home, monkeypatch):
    content = file_of(home, LARGE.replace(steps=3), ShapesConfig(side=128)).read_bytes()
    name, _ = own_models.bring(content, "me")
    monkeypatch.setattr(explore, "compute", lambda *_: pytest.fail("it was made"))
    for view, asked in (
        (ExploreState(model=name, T=60), scene_of),
        (StabilityState(model=name), variants_of),
    ):
        said = sentence_of(lambda view=view, asked=asked: asked(view, models.cards()))
        assert "up to 6 steps fit" in said


# ---- whose is whose ------------------------------------------------------------------------------------


def test_equal_weights_under_another_card_are_another_file(home):
    sound, name = file_of(home), own_models.bring(file_of(home).read_bytes(), "me")[0]
    before = own_models.content(name)
    for change in ({"f1": [0.0, 1.0]}, {"protocol": "mine"}, {"chance": 0.0}, {"versions": {"x": "y"}}):
        rewrite(sound, change_card=lambda card, change=change: card.update(change))
        other, card = own_models.bring(sound.read_bytes(), "you")
        assert other != name and card.digest == models.cards()[name].digest
        assert own_models.content(name) == before


def test_a_visitor_who_brings_checkpoints_without_end_pushes_out_their_own(home, monkeypatch):
    monkeypatch.setattr(own_models, "EACH", Share(3, 2**28))
    monkeypatch.setattr(own_models, "TOGETHER", Share(6, 2**28))
    mine = own_models.bring(file_of(home).read_bytes(), "me")[0]
    theirs = [own_models.bring(file_of(home, updates=n).read_bytes(), "flood")[0] for n in range(3, 9)]
    assert own_models.kept(mine) and [own_models.kept(name) for name in theirs] == [False] * 3 + [True] * 3


def test_what_two_visitors_made_stays_until_it_goes_for_both(home, monkeypatch):
    monkeypatch.setattr(own_models, "EACH", Share(1, 2**28))
    shared = file_of(home).read_bytes()
    name = own_models.bring(shared, "me")[0]
    assert own_models.bring(shared, "you")[0] == name
    own_models.bring(file_of(home, updates=3).read_bytes(), "me")
    assert own_models.kept(name)
    own_models.bring(file_of(home, updates=4).read_bytes(), "you")
    assert not own_models.kept(name)


def test_what_nobody_used_for_long_and_half_written_files_go(home):
    name = own_models.bring(file_of(home).read_bytes(), "me")[0]
    path = own_models.path_of(name)
    half = path.parent / f".{path.name}.abcd"
    half.write_bytes(b"half")
    for one, age in ((path, own_models.AGE), (half, own_models.HOUR)):
        past = one.stat().st_mtime - age - 60
        os.utime(one, (past, past))
    own_models.bring(file_of(home, updates=3).read_bytes(), "you")
    assert not path.exists() and not half.exists() and not path.with_suffix(".json").exists()


def test_to_look_at_a_checkpoint_keeps_it(home):
    path = own_models.path_of(own_models.bring(file_of(home).read_bytes(), "me")[0])
    past = path.stat().st_mtime - own_models.AGE
    os.utime(path, (past, past))
    assert own_models.kept(f"mine:{path.stem}") and path.stat().st_mtime > past + 60


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions otherwise")
def test_the_folder_of_checkpoints_is_for_the_servers_user_alone(home):
    folder = own_models.path_of("mine:feedback-0000000000000000").parent
    folder.mkdir(parents=True)
    os.chmod(folder, 0o755)  # as earlier versions left it
    own_models.bring(file_of(home).read_bytes(), "me")
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "name", ["mine:../x-0000000000000000", "mine:feedback-0", "mine:", "mine:a-" + "0" * 16 + "\n"]
)
def test_no_other_file_is_named_as_a_checkpoint(home, name):
    assert own_models.path_of(name) is None and not own_models.kept(name)


# ---- disks --------------------------------------------------------------------------------------------


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("where", ["temporary", "kept"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(home, monkeypatch, where):
    content = file_of(home).read_bytes()
    if where == "temporary":
        monkeypatch.setattr(own_models.Path, "write_bytes", full)
    else:
        monkeypatch.setattr(own_models, "write_whole", full)
    assert "No space left" in sentence_of(lambda: own_models.bring(content, "me"))
    assert not list((home / "jobs").rglob("*.safetensors"))
    monkeypatch.undo()
    with pytest.raises(CheckpointError):
        own_models.content("mine:feedback-0000000000000000")


@pytest.mark.parametrize("is_full", [False, True], ids=["killed", "disk full"])
def test_a_checkpoint_cut_off_at_any_write_is_there_whole_or_not_at_all(home, monkeypatch, is_full):
    content = file_of(home).read_bytes()
    for at in range(1, 16):
        with failing(monkeypatch, at, is_full):
            sentence_of(lambda: own_models.bring(content, "me"))
        for path in (home / "jobs").rglob("[!.]*.safetensors"):
            assert load(path)[1].updates == CARD.updates
    name, _ = own_models.bring(content, "me")
    assert own_models.kept(name) and "brought" in own_models.titles([name], models.cards(), UTC)[name]
