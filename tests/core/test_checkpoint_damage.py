"""Checkpoints that are not sound: each is refused in one short line, and nothing is built from it."""

import json
import math

import numpy as np
import pytest
import torch
from checkpoint_files import CARD, SMALL, header_of, refused, rewrite
from safetensors.torch import load_file, save_file

from fbseg_core import checkpoint
from fbseg_core.checkpoint import CheckpointError, load, load_training, read_card, save_training
from fbseg_core.models.registry import build
from fbseg_core.tensor_files import LARGEST
from fbseg_core.training.fit import TrainingState


@pytest.fixture
def path(tmp_path):
    checkpoint.save(build(SMALL), CARD, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_unchanged_rewriting_is_accepted(path):
    rewrite(path)
    assert load(path)[1].updates == 2


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
    refused(path, match="pickled")


def test_another_format_version_is_refused(path):
    rewrite(path, form="fbseg-checkpoint/2")
    refused(path, match="format")


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
        {"trivial": "0.5"},
        {"trivial": 2.0},
        {"iou": [0.5, 2.0]},
        {"class_f1": [None, "x"]},
        {"digest": 3},
        {"versions": "new"},
        {"extra": 1},
    ],
)
def test_wrong_cards_are_refused(path, change):
    rewrite(path, change_card=lambda card: card.update(change))
    refused(path, match="card|tensor|belong|needs")


@pytest.mark.parametrize(
    "card", ["", "{", "null", "[]", "3", '{"model": 1}', pytest.param("[" * 100_000, id="deep")]
)
def test_unreadable_cards_are_refused(path, card):
    save_file(load_file(path), path, {"format": checkpoint.FORMAT, "card": card})
    refused(path)


@pytest.mark.parametrize("read", [load, read_card, load_training])
@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_are_refused(tmp_path, seed, read):
    rng = np.random.default_rng(seed)
    (tmp_path / "a.safetensors").write_bytes(rng.bytes(int(rng.integers(1, 5000))))
    refused(tmp_path / "a.safetensors", read)


@pytest.mark.parametrize("read", [load, load_training])
@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_behind_a_sound_header_length_are_refused(tmp_path, seed, read):
    content = (100).to_bytes(8, "little") + np.random.default_rng(seed).bytes(500)
    (tmp_path / "a.safetensors").write_bytes(content)
    refused(tmp_path / "a.safetensors", read)


def test_no_single_flipped_byte_goes_unnoticed(path):
    content, known = path.read_bytes(), load(path)
    for place in np.random.default_rng(0).choice(len(content), 150, replace=False):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            model, card = load(path)
        except CheckpointError as error:
            assert "\n" not in str(error)
            continue
        # what says nothing of weights or settings (scores, versions, spacing) is not under the digest
        assert card.digest == known[1].digest and card.model == SMALL
        assert all(
            torch.equal(a, b) for a, b in zip(model.state_dict().values(), known[0].state_dict().values())
        )


def test_no_truncation_is_read(path):
    content = path.read_bytes()
    for length in [*range(0, 40), *range(40, len(content), len(content) // 40), len(content) - 1]:
        path.write_bytes(content[:length])
        refused(path)


@pytest.mark.parametrize("length", [0, 1, 2**20 + 1, 2**31, 2**63, 2**64 - 1])
@pytest.mark.parametrize("read", [load, read_card, load_training])
def test_false_header_lengths_are_refused(path, length, read):
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    refused(path, read)


def test_trailing_bytes_are_refused(path):
    path.write_bytes(path.read_bytes() + bytes(8))
    refused(path)


@pytest.mark.parametrize("card", [{"task": {"side": 15}}, {"model": {"tau": 0}}, {"train": {"seed": -1}}])
def test_a_setting_out_of_range_is_named_with_its_range(path, card):
    ((part, change),) = card.items()
    rewrite(path, change_card=lambda plain: plain[part].update(change))
    message = refused(path)
    assert next(iter(change)) in message and " to " in message and refused(path, read_card)


def test_each_kind_of_file_is_refused_as_the_other(path, tmp_path):
    refused(path, load_training)
    save_training(TrainingState(1, {"a": torch.ones(1)}, {}), tmp_path / "run.training")
    assert checkpoint.FORMAT in refused(tmp_path / "run.training")


def test_a_file_without_metadata_is_refused(path):
    save_file(load_file(path), path)
    assert "format" in refused(path)


def test_a_file_larger_than_any_checkpoint_is_refused_unread(path):
    with path.open("r+b") as file:
        file.truncate(LARGEST + 1)
    assert "64 MB" in refused(path)


def test_unknown_names_are_answered_with_the_nearest_known_ones():
    message = refused("shapes-feedbak")
    assert "shapes-feedback" in message and sum(name in message for name in checkpoint.shipped()) >= 3


@pytest.mark.parametrize("name", ["", "..", "a\0b", "a\nb", "no/such.safetensors", "/", "."])
def test_odd_names_are_refused_in_one_line(name):
    refused(name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_even_with_a_right_digest(path, value):
    tensors = load_file(path)
    tensors["head.bias"][0] = value
    header, _ = header_of(path)
    card = json.loads(header["__metadata__"]["card"])
    card["digest"] = checkpoint.digest_of(tensors, {key: card[key] for key in ("model", "task", "train")})
    save_file(tensors, path, {"format": checkpoint.FORMAT, "card": json.dumps(card)})
    assert "finite" in refused(path)


def test_a_card_of_a_larger_model_than_its_weights_is_refused_before_one_is_made(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "build", lambda *_: pytest.fail("it was made"))
    rewrite(path, change_card=lambda card: card["model"].update({"width": 128, "depth": 4}))
    assert "describes a model of 1" in refused(path)


def with_header(path, change):
    """Write a file again with something about its header changed."""
    header, end = header_of(path)
    tensors = path.read_bytes()[end:]
    change(header)
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + tensors)


@pytest.mark.parametrize("shape", [[2**63, 0], [0, 2**63], [2**40, 2**40, 0], [0] * 1000])
def test_shapes_that_overflow_where_the_tensor_is_made_are_refused(path, tmp_path, shape):
    empty = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    with_header(path, lambda header: header.update({"more": empty}))
    refused(path)
    save_training(TrainingState(1, {"a": torch.ones(1)}, {}), tmp_path / "run.training")
    with_header(tmp_path / "run.training", lambda header: header.update({"model/b": empty}))
    if shape[0]:
        refused(tmp_path / "run.training", load_training)


def test_whatever_a_file_says_of_itself_is_told_in_one_short_line(path):
    with_header(path, lambda header: header.update({"n" * 5000: header.pop("head.bias")}))
    refused(path)
    long = path.rename(path.parent / f"{'n' * 200}\n.safetensors")
    assert "n…: " in refused(long)
    card = {"task": {"name": "shapes", "k" * 5000: 1}}
    save_file(
        {}, path, {"format": checkpoint.FORMAT, "card": json.dumps({**vars(CARD), **card}, default=str)}
    )
    refused(path, read_card)


# checkpoint.py: CheckpointError for whatever is not a sound checkpoint
@pytest.mark.parametrize("name", ["x" * 300, "/" + "x" * 300 + ".safetensors"], ids=["name", "path"])
@pytest.mark.parametrize("read", [load, read_card])
def test_names_too_long_for_a_file_are_refused(name, read):
    refused(name, read)


@pytest.mark.parametrize("read", [load, read_card])
@pytest.mark.parametrize(
    "change",
    [{"chance": 10**400}, {"f1": [10**400]}, {"chance": "0.5"}, {"f1": "01"}],
    ids=["huge chance", "huge score", "text chance", "text score"],
)
def test_scores_that_are_no_shares_are_refused(path, change, read):
    rewrite(path, change_card=lambda card: card.update(change))
    refused(path, read)
