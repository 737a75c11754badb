"""Files of predictive-coding models: what is written is read back, and what is wrong is one sentence."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from fbseg_core.__main__ import main
from fbseg_core.config import PhotographsConfig, PredictiveConfig, PredictiveTrain, ShapesConfig
from fbseg_core.predictive.files import FORMAT, PredictiveCard, load, read_card, save
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.predictive.scores import Predicted
from fbseg_core.tensor_files import CheckpointError

CONFIG = PredictiveConfig(features=2, causes=2, kernel=4, stride=2, kernel_top=2)


@pytest.fixture
def kept(tmp_path):
    """A sound file, and a way to write it anew with another card, or other tensors."""
    path = tmp_path / "a.safetensors"
    scores = Predicted(images=3, explained=0.5, active=0.2)
    save(
        PredictiveCoding(CONFIG),
        PredictiveCard(CONFIG, PhotographsConfig(), PredictiveTrain(), scores, 7),
        path,
    )

    def change(card=None, tensors=None, **metadata):
        plain = json.loads(_metadata(path)["card"])
        if card:
            card(plain)
        metadata = {"format": FORMAT, "card": json.dumps(plain)} | metadata
        save_file(tensors or load_file(path), path, metadata)

    return path, change


def _metadata(path):
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.metadata()


def test_a_model_comes_back_bit_for_bit(kept):
    model, card = load(kept[0])
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), PredictiveCoding(CONFIG).parameters()))
    assert card.source == PhotographsConfig() and card.scores.explained == 0.5 and card == read_card(kept[0])


def deep(card):
    card["model"] = {"features": {"a": 1}}


@pytest.mark.parametrize(
    "card, told",
    [
        (lambda c: c["model"].update(features=200), "weights, but the file holds"),
        (lambda c: c["model"].update(kernel=10**9), "kernel = 1000000000 is refused"),
        (lambda c: c["model"].update(sparsity=0.9), "does not match its digest"),
        (lambda c: c.update(source={"name": "shapes"}), "are not those of shapes"),
        (lambda c: c.update(source={"name": ["a"]}), "there is no task"),
        (lambda c: c.update(scores={"images": 1}), "unreadable"),
        (lambda c: c["scores"].update(explained=float("1e9")), "a score is out of range"),
        (lambda c: c["scores"].update(images=True), "images is out of range"),
        (lambda c: c.update(more=1), "unknown entry 'more'"),
        (lambda c: c.pop("train"), "unreadable"),
        (deep, "is refused"),
    ],
)
def test_a_card_that_does_not_hold_is_refused_in_one_line(kept, card, told):
    path, change = kept
    change(card)
    with pytest.raises(CheckpointError, match=told) as refused:
        load(path)
    assert "\n" not in str(refused.value) and len(str(refused.value)) <= 200


def test_tensors_that_do_not_fit_are_refused(kept):
    path, change = kept
    good = load_file(path)
    swapped = {"U": good["W"], "V": good["V"], "W": good["U"]}
    for tensors, told in (
        ({**good, "U": good["U"] * torch.nan}, "not finite"),
        (swapped, "the model needs"),
        ({"U": good["U"], "V": good["V"], "X": good["W"]}, "missing|does not belong"),
        ({**good, "U": good["U"] + 1}, "does not match its digest"),
    ):
        change(tensors=tensors)
        with pytest.raises(CheckpointError, match=told):
            load(path)


def test_what_is_no_such_file_is_refused(kept, tmp_path):
    path, change = kept
    change(format="fbseg-checkpoint/1")
    with pytest.raises(CheckpointError, match="its format is"):
        load(path)
    (tmp_path / "b.safetensors").write_bytes(b"\x80\x04pickle" * 3)
    for name in (tmp_path / "b.safetensors", tmp_path / "none.safetensors", "nothing", "a\0b", "x" * 5000):
        with pytest.raises(CheckpointError):
            load(name)


def test_what_would_not_be_read_is_not_written(tmp_path):
    card = PredictiveCard(
        CONFIG, ShapesConfig(), PredictiveTrain(), Predicted(1, 0.5, 0.5), 0
    )  # a model of one channel and no label, said to be of shapes
    with pytest.raises(CheckpointError, match="are not those of shapes"):
        save(PredictiveCoding(CONFIG), card, tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_the_command_line_trains_scores_and_saves(tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    tiny = ["--model.features", "2", "--model.causes", "2", "--model.steps", "2", "--train.updates", "2"]
    tiny += ["--train.batch", "4", "--images", "2", "--source.side", "16", "--out", str(out)]
    assert main(["train", "predictive-shapes", *tiny]) == 0
    model, card = load(out)
    assert card.model.in_channels == 3 and card.model.classes == 2 and card.scores.images == 2
    assert card.scores.f1 is not None and (model.V != 0).any()
    assert "pooled F1" in capsys.readouterr().out
    assert main(["train", "predictive-photographs", *tiny[:-1], str(tmp_path / "a.pt")]) == 2
    assert "must end in .safetensors" in capsys.readouterr().err
