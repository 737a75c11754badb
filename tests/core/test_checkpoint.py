import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from fbseg_core import checkpoint
from fbseg_core.checkpoint import Card, CheckpointError, load, read_card, save
from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import rollout

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, spectrum=(-1.0, -2.0, -1.0, -1.0, -1.0))
CARD = Card(SMALL, ShapesConfig(side=16), TrainConfig(seed=3), 7, "matched", (0.1, 0.9), 200, 1000, 0.2)


@pytest.fixture
def path(tmp_path):
    save(build(SMALL), CARD, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def rewrite(path, change_tensors=lambda tensors: None, change_card=lambda card: None, form=None):
    """Write a checkpoint again with something about it changed."""
    tensors = load_file(path)
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    card = json.loads(header["__metadata__"]["card"])
    change_tensors(tensors)
    change_card(card)
    save_file(tensors, path, {"format": form or checkpoint.FORMAT, "card": json.dumps(card)})


def refused(path, match=None):
    with pytest.raises(CheckpointError, match=match) as error:
        load(path)
    assert "\n" not in str(error.value)


def test_round_trip_is_exact(path):
    model, card = load(path)
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(rollout(model, x).h, rollout(build(SMALL), x).h) and not model.training
    assert card.digest and card.versions
    for key in ("model", "task", "train", "updates", "protocol", "f1", "images", "eval_seed", "chance"):
        assert getattr(card, key) == getattr(CARD, key)
    assert read_card(path) == card


def test_unchanged_rewriting_is_accepted(path):
    rewrite(path)
    assert load(path)[1].updates == 7


@pytest.mark.parametrize(
    "content",
    [b"", b"short", b"text " * 100, (2**40).to_bytes(8, "little") + b"{}" * 50, b"\x02" + bytes(7) + b"{}",
     b"\x02" + bytes(7) + b"[]", b"\x04" + bytes(7) + b"null", bytes(1000)],
)  # fmt: skip
def test_other_files_are_refused(path, content):
    path.write_bytes(content)
    refused(path)


def test_pickles_are_refused(path):
    torch.save(build(SMALL).state_dict(), path)
    refused(path, "pickled")


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.6, 0.999])
def test_truncated_files_are_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


def test_another_format_version_is_refused(path):
    rewrite(path, form="fbseg-checkpoint/2")
    refused(path, "format")


def drop(tensors):
    del tensors["head.bias"]


def rename(tensors):
    tensors["tail.bias"] = tensors.pop("head.bias")


def add(tensors):
    tensors["more"] = torch.zeros(2)


def reshape(tensors):
    tensors["head.bias"] = torch.zeros(3)


def retype(tensors):
    tensors["head.bias"] = tensors["head.bias"].double()


def poison(tensors):
    tensors["head.bias"][0] = math.nan


def overflow(tensors):
    tensors["head.bias"][0] = math.inf


def alter(tensors):
    tensors["head.bias"][0] += 1


@pytest.mark.parametrize("change", [drop, rename, add, reshape, retype, poison, overflow, alter])
def test_wrong_tensors_are_refused(path, change):
    rewrite(path, change_tensors=change)
    refused(path)


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"width": 4096}},
        {"model": {"widht": 4}},
        {"model": {**SMALL.model_dump(mode="json"), "in_channels": 1}},
        {"model": {**SMALL.model_dump(mode="json"), "width": 8}},
        {"model": None},
        {"task": {"name": "cats"}},
        {"task": []},
        {"train": {"lr": "fast"}},
        {"updates": -1},
        {"updates": "many"},
        {"f1": [2.0]},
        {"f1": ["x"]},
        {"f1": None},
        {"chance": math.nan},
        {"chance": None},
        {"digest": 3},
        {"versions": "new"},
        {"extra": 1},
    ],
)
def test_wrong_cards_are_refused(path, change):
    rewrite(path, change_card=lambda card: card.update(change))
    refused(path, "card|tensor|belong|needs")


@pytest.mark.parametrize("card", ["", "{", "null", "[]", "3", '{"model": 1}', "[" * 100_000])
def test_unreadable_cards_are_refused(path, card):
    save_file(load_file(path), path, {"format": checkpoint.FORMAT, "card": card})
    refused(path)


def test_missing_files_are_refused_and_known_names_listed(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FOLDER", path.parent)
    assert load("model")[1].updates == 7
    refused("other", "model")
    refused(path.parent / "other.safetensors", "no file")


def test_a_model_that_is_not_finite_is_not_saved(path):
    before, model = path.read_bytes(), build(SMALL)
    model.head.bias.data[0] = math.nan
    with pytest.raises(CheckpointError):
        save(model, CARD, path)
    assert path.read_bytes() == before


def test_a_failed_save_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="disk full"):
        save(build(SMALL, 5), CARD, path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_what_ships_loads_and_keeps_its_promises():
    cards = {name: load(name)[1] for name in checkpoint.shipped()}
    assert len(cards) >= 5
    sizes = [(checkpoint.FOLDER / f"{name}.safetensors").stat().st_size for name in cards]
    assert max(sizes) <= 6 * 2**20 and sum(sizes) <= 12 * 2**20
    for kind in ("feedback", "feedforward"):
        assert cards[f"shapes-{kind}"].f1[-1] >= 0.90 and cards[f"shapes-{kind}"].images == 200
    grouping = cards["grouping-feedback"]
    T = grouping.model.steps
    others = [cards["grouping-loop-cut"].f1[T], cards["grouping-feedforward"].f1[-1]]
    assert grouping.f1[T] >= 0.93 and grouping.f1[T] >= max(others) + 0.10
    assert grouping.f1[1] <= grouping.f1[T] - 0.15 and abs(grouping.f1[3 * T] - grouping.f1[T]) <= 0.02


@pytest.mark.parametrize("name", checkpoint.shipped())
@pytest.mark.slow
def test_cards_hold_what_is_measured(name):
    from fbseg_core.scores.evaluate import f1_by_step
    from fbseg_core.tasks import make_batch

    model, card = load(name)
    whole = name in ("shapes-feedback", "grouping-feedback")  # of the others, to be quick, one step
    steps = card.model.steps if whole else 1
    batch = make_batch(card.task, card.images, card.eval_seed)
    assert f1_by_step(model, batch, steps)[-1] == pytest.approx(card.f1[steps], abs=2e-3)
