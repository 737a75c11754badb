"""Checkpoints that are sound: what is written comes back, and nothing unsound is written."""

import math
import os
import re
import stat
from dataclasses import replace

import numpy as np
import pytest
import torch
from checkpoint_files import CARD, SMALL, TASK, TRAIN, refused, rewrite
from tiers import forms

from fbseg_core import checkpoint, tensor_files
from fbseg_core.checkpoint import Card, CheckpointError, load, read_card, save, save_training
from fbseg_core.config import GroupingConfig
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.tasks import make_batch
from fbseg_core.training.fit import TrainingState, fit


@pytest.fixture
def path(tmp_path):
    checkpoint.save(build(SMALL), CARD, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_round_trip_is_exact(path):
    model, card = load(path)
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(rollout(model, x).h, rollout(build(SMALL), x).h) and not model.training
    assert card.digest and card.versions
    for key in set(vars(card)) - {"digest", "versions"}:
        assert getattr(card, key) == getattr(CARD, key)
    assert read_card(path) == card


def test_a_file_of_before_a_setting_and_a_score_existed_is_still_sound(path):
    def older(card):
        del card["trivial"], card["iou"], card["class_f1"], card["train"]["patience"]
        settings = {key: card[key] for key in ("model", "task", "train")}
        card["digest"] = checkpoint.digest_of(checkpoint.read_tensors(path, checkpoint.FORMAT)[1], settings)

    rewrite(path, change_card=older)
    card = load(path)[1]
    assert card.train == TRAIN and card.trivial is None and card.iou == card.class_f1 == ()
    rewrite(path, change_card=lambda card: card["train"].update(seed=5))
    refused(path, match="digest")


def test_missing_files_are_refused_and_known_names_listed(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FOLDER", path.parent)
    assert load("model")[1].updates == 2
    refused("other", match="model")
    refused(path.parent / "other.safetensors", match="no file")


def test_a_model_that_is_not_finite_is_not_saved(path):
    before, model = path.read_bytes(), build(SMALL)
    model.head.bias.data[0] = math.nan
    with pytest.raises(CheckpointError):
        save(model, CARD, path)
    assert path.read_bytes() == before


def test_what_ships_loads_and_keeps_its_promises():
    cards = {name: load(name)[1] for name in checkpoint.shipped()}
    assert len(cards) >= 5
    sizes = [(checkpoint.FOLDER / f"{name}.safetensors").stat().st_size for name in cards]
    assert max(sizes) <= 6 * 2**20 and sum(sizes) <= 27 * 2**20
    for kind in ("feedback", "feedforward"):
        assert cards[f"shapes-{kind}"].f1[-1] >= 0.90 and cards[f"shapes-{kind}"].images == 200
    grouping = cards["grouping-feedback"]
    T = grouping.model.steps
    others = [cards["grouping-loop-cut"].f1[T], cards["grouping-feedforward"].f1[-1]]
    assert grouping.f1[T] >= 0.93 and grouping.f1[T] >= max(others) + 0.10
    assert grouping.f1[1] <= grouping.f1[T] - 0.15 and abs(grouping.f1[3 * T] - grouping.f1[T]) <= 0.02


def test_the_table_of_checkpoints_has_the_f1_of_every_card():
    text = (checkpoint.FOLDER / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([\w-]+)` \|.*\| (0\.\d{3}[^|]*) \|$", text, re.M))
    assert rows.keys() == set(checkpoint.shipped())
    for name, told in rows.items():
        card = read_card(name)
        T = card.model.steps
        steps = (1, T, 3 * T) if len(card.f1) > 2 else (1,)
        shown = [float(number) for number in re.findall(r"0\.\d{3}", told)]
        assert shown == pytest.approx([card.f1[t] for t in steps], abs=6e-4), name


def test_only_the_grouping_models_leave_a_part_of_the_trajectory_out_of_the_loss():
    left_out = {name: read_card(name).train.loss_from for name in checkpoint.shipped()}
    expected = {name: 0.33 * name.startswith("grouping") for name in left_out}
    assert left_out == expected | {"grouping-leaky-feedback": 0.2}


# of digits and textures, whose images cost most, the loops alone
MEASURED = [
    name for name in checkpoint.shipped() if name.startswith(("shapes", "grouping")) or "feedback" in name
]


@pytest.mark.parametrize("name", forms(MEASURED, slow=MEASURED[::4]))
def test_cards_hold_what_is_measured(name):
    from fbseg_core.scores.evaluate import f1_by_step
    from fbseg_core.tasks import make_batch

    model, card = load(name)
    whole = name in ("shapes-feedback", "grouping-feedback")  # of the others, to be quick, one step
    steps = card.model.steps if whole else 1
    batch = make_batch(card.task, card.images, card.eval_seed, "test")
    assert f1_by_step(model, batch, steps)[-1] == pytest.approx(card.f1[steps], abs=2e-3)


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
