"""A small sound checkpoint for the tests, and what is done to it."""

import json

import pytest
from safetensors.torch import load_file, save_file

from fbseg_core import checkpoint
from fbseg_core.checkpoint import Card, CheckpointError, load
from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.tensor_files import LONGEST_MESSAGE

SMALL = ModelConfig(width=4, depth=1, u=3, v=2)
TASK = ShapesConfig(side=16)
TRAIN = TrainConfig(batch=1, updates=2, steps_min=2, steps_max=2)
CARD = Card(SMALL, TASK, TRAIN, 2, "custom", (0.0, 0.5), 20, 1000, 0.2)


def header_of(path):
    """A file's header as JSON, and where its tensors begin."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), end


def rewrite(path, change_tensors=lambda tensors: None, change_card=lambda card: None, form=None):
    """Write a checkpoint again with something about it changed."""
    tensors, card = load_file(path), json.loads(header_of(path)[0]["__metadata__"]["card"])
    change_tensors(tensors)
    change_card(card)
    save_file(tensors, path, {"format": form or checkpoint.FORMAT, "card": json.dumps(card)})


def refused(path, read=load, match=None):
    """The one short printable line by which it is refused."""
    with pytest.raises(CheckpointError, match=match) as error:
        read(path)
    assert str(error.value).isprintable() and 0 < len(str(error.value)) <= LONGEST_MESSAGE
    return str(error.value)
