"""From a ModelConfig to its model, or to what can be told of it without one."""

from __future__ import annotations

import threading
from importlib import import_module

import torch

from fbseg_core import device
from fbseg_core.config import ModelConfig
from fbseg_core.models.base import Model, Traits
from fbseg_core.models.kinds import KINDS

_BUILDING = threading.Lock()


def build(config: ModelConfig, seed: int = 0) -> Model:
    """A fresh model in evaluation mode, weights drawn from `seed`; no device's random state is touched.

    It stands on the CPU, or where `device.new_models_on` says; weights are drawn on the CPU in any case.
    Threads may build at the same time: they take turns, since the random state is one for all of them.
    """
    with _BUILDING, torch.random.fork_rng(devices=[]), torch.device("cpu"):
        # the generator of the CPU alone: torch.manual_seed would seed those of all devices
        torch.default_generator.manual_seed(seed)
        model = _class_of(config)(config).eval()
    return model.to(device.of_new_models())


def traits_of(config: ModelConfig) -> Traits:
    """What a model of that config is, without building it."""
    return _class_of(config).traits_of(config)


def count_weights(config: ModelConfig) -> int:
    """The weights that `build` would make, counted without making them, however many there are."""
    with _BUILDING, torch.device("meta"):
        return sum(weight.numel() for weight in _class_of(config)(config).parameters())


def _class_of(config: ModelConfig) -> type[Model]:
    kind = KINDS[config.kind]
    if isinstance(kind, str):
        module, _, name = kind.partition(":")
        kind = getattr(import_module(module), name)
    return kind
