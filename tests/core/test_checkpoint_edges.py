import json
import os
import stat
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from fbseg_core import checkpoint, tensor_files
from fbseg_core.checkpoint import Card, CheckpointError, load, load_training, read_card, save_training
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.tasks import make_batch
from fbseg_core.tensor_files import LARGEST, LONGEST_MESSAGE
from fbseg_core.training.fit import TrainingState, fit

SMALL = ModelConfig(width=4, depth=1, u=3, v=2)
TASK = ShapesConfig(side=16)
TRAIN = TrainConfig(batch=1, updates=2, steps_min=2, steps_max=2)
CARD = Card(SMALL, TASK, TRAIN, 2, "custom", (0.0, 0.5), 20, 1000, 0.2)


@pytest.fixture
def path(tmp_path):
    checkpoint.save(build(SMALL), CARD, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def refused(path, read=load):
    with pytest.raises(CheckpointError) as error:
        read(path)
    assert str(error.value).isprintable() and 0 < len(str(error.value)) <= LONGEST_MESSAGE
    return str(error.value)


@pytest.mark.parametrize(
    "model",
    [
        SMALL,
        SMALL.replace(kind="loop_cut", norm="batch", depth=2),
        SMALL.replace(kind="feedforward", delta_norm=False),
        SMALL.replace(spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3), kernel="fractional", norm="none"),
    ],
)
def test_a_trained_model_of_every_kind_comes_back_bit_for_bit(model, tmp_path):
    network = build(model)
    list(fit(network, TASK, TRAIN))
    written = checkpoint.save(network, Card(model, TASK, TRAIN, 2), tmp_path / "deep" / "er.safetensors")
    again, card = load(tmp_path / "deep" / "er.safetensors")
    assert card == written and not again.training
    assert again.state_dict().keys() == network.state_dict().keys()
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in again.state_dict().items())
    x = make_batch(TASK, 2, 0).x
    assert torch.equal(rollout(again, x, 4).logits, rollout(network, x, 4).logits)


def test_other_tasks_and_long_cards_come_back_equal(tmp_path):
    model = SMALL.replace(in_channels=2)
    card = Card(model, GroupingConfig(side=16), TRAIN, 0, 'a "name"\n', tuple(np.linspace(0, 1, 600)))
    written = checkpoint.save(build(model), card, tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors")[1] == read_card(tmp_path / "a.safetensors") == written


def test_the_digest_is_of_weights_and_settings(tmp_path):
    def digest(seed=0, card=CARD):
        return checkpoint.save(build(card.model, seed), card, tmp_path / "a.safetensors").digest

    assert digest() == digest() and len(digest()) == 64
    others = [digest(1), digest(card=Card(SMALL, TASK, TRAIN.replace(seed=1), 2))]
    others.append(digest(card=Card(SMALL, TASK.replace(sigma=0.1), TRAIN, 2)))
    assert len({digest(), *others}) == 4


def test_saving_over_a_checkpoint_replaces_it_and_leaves_no_other_file(path):
    checkpoint.save(build(SMALL, 1), CARD, path)
    assert torch.equal(load(path)[0].head.weight, build(SMALL, 1).head.weight)
    assert list(path.parent.iterdir()) == [path] and stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("call", ["replace", "fsync", "chmod"])
def test_whatever_fails_in_saving_the_old_file_stays_alone(path, monkeypatch, call):
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(build(SMALL, 1), CARD, path)
    with pytest.raises(OSError, match="disk full"):
        save_training(TrainingState(1, {}, {}), path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


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
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    plain = json.loads(header["__metadata__"]["card"])
    ((part, change),) = card.items()
    plain[part] |= change
    save_file(load_file(path), path, {"format": checkpoint.FORMAT, "card": json.dumps(plain)})
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


@pytest.mark.parametrize("best", [-float("inf"), 0.75])
def test_a_training_state_comes_back_equal(tmp_path, best):
    model = build(SMALL.replace(norm="batch", spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3)))
    state = next(fit(model, TASK, TRAIN)).snapshot()
    state.best, state.stale = best, 3
    save_training(state, tmp_path / "run.training")
    again = load_training(tmp_path / "run.training")
    assert (again.update, again.best, again.stale) == (1, best, 3)
    for ours, theirs in ((state.model, again.model), (state.optimiser, again.optimiser)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[k], theirs[k]) and ours[k].dtype == theirs[k].dtype for k in ours)


@pytest.mark.parametrize(
    "tensors, state",
    [
        ({"model/a": torch.ones(1)}, "{}"),
        ({"model/a": torch.ones(1)}, "[]"),
        ({"model/a": torch.ones(1)}, "not json"),
        ({"model/a": torch.ones(1)}, '{"update": "x", "best": 0, "stale": 0}'),
        ({"model/a": torch.ones(1)}, '{"update": null, "best": 0, "stale": 0}'),
        ({"other/a": torch.ones(1)}, '{"update": 1, "best": 0, "stale": 0}'),
        ({"model/a": torch.tensor([torch.nan])}, '{"update": 1, "best": 0, "stale": 0}'),
    ],
)
def test_unsound_training_states_are_refused(tmp_path, tensors, state):
    metadata = {"format": checkpoint.STATE_FORMAT, "state": state}
    (tmp_path / "run.training").write_bytes(save(tensors, metadata))
    refused(tmp_path / "run.training", load_training)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_even_with_a_right_digest(path, value):
    tensors = load_file(path)
    tensors["head.bias"][0] = value
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    card = json.loads(header["__metadata__"]["card"])
    card["digest"] = checkpoint._digest(tensors, {key: card[key] for key in ("model", "task", "train")})
    save_file(tensors, path, {"format": checkpoint.FORMAT, "card": json.dumps(card)})
    assert "finite" in refused(path)


def test_a_card_of_a_larger_model_than_its_weights_is_refused_before_one_is_made(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "build", lambda *_: pytest.fail("it was made"))
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    card = json.loads(header["__metadata__"]["card"])
    card["model"] |= {"width": 128, "depth": 4}
    save_file(load_file(path), path, {"format": checkpoint.FORMAT, "card": json.dumps(card)})
    assert "describes a model of 1" in refused(path)


def with_header(path, change):
    """Write a file again with something about its header changed."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + content[8 + length :])


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


@pytest.mark.parametrize(
    "card",
    [
        {"f1": (float("nan"),)}, {"f1": (2.0,)}, {"chance": float("inf")}, {"updates": -1}, {"images": 0.5},
        {"versions": {"torch": float("nan")}}, {"versions": {"torch": {1}}}, {"model": SMALL.replace(u=4)},
        {"task": GroupingConfig(side=16)}, {"f1": (0.5,) * 300_000},
    ],
)  # fmt: skip
def test_save_refuses_what_load_would_refuse_and_leaves_the_old_file_alone(path, card):
    before = path.read_bytes()
    refused(path, lambda path: checkpoint.save(build(SMALL), replace(CARD, **card), path))
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_save_refuses_more_bytes_than_load_takes(path, monkeypatch):
    before = path.read_bytes()
    state = TrainingState(1, {"a": torch.ones(1000)}, {})
    monkeypatch.setattr(tensor_files, "LARGEST", 1000)
    refused(path, lambda path: checkpoint.save(build(SMALL), CARD, path))
    refused(path, lambda path: save_training(state, path))
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "state",
    [
        TrainingState(1, {"a": torch.ones(1)}, {"a/exp_avg": torch.tensor([torch.inf])}),
        TrainingState(1, {"a": torch.ones(1).double()}, {}),
        TrainingState(1, {}, {}, best=float("nan")),
        TrainingState(1, {}, {}, best=1.5),
        TrainingState(-1, {}, {}),
    ],
)
def test_an_unsound_training_state_is_not_saved(tmp_path, state):
    refused(tmp_path / "run.training", lambda path: save_training(state, path))
    assert not list(tmp_path.iterdir())
