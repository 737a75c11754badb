"""Which device models stand on. All else follows the model; the default is the CPU, where numbers agree.

A seed gives the same weights and images on every device. A device adds up in an order of its own, so results
on it differ in their last digits, and after a training by more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import torch

from fbseg_core.settings import ConfigError

Choice = Literal["cpu", "cuda", "auto"]
_NEW = ContextVar("device of new models", default="cpu")


def pick(choice: Choice) -> torch.device:
    """The device of a choice; auto is cuda where there is one. Raises ConfigError where cuda is not there."""
    found = torch.cuda.is_available()
    if choice == "cuda" and not found:
        raise ConfigError("device: torch finds no CUDA device on this machine; choose cpu or auto.")
    return torch.device("cuda" if found and choice != "cpu" else "cpu")


def title(device: torch.device) -> str:
    """What a result says of where it was made: "cpu", or "cuda" with the device's own name."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


@contextmanager
def new_models_on(device: torch.device) -> Iterator[None]:
    """Within it, `build` and `load` put models on `device`, on this thread."""
    token = _NEW.set(str(device))
    try:
        yield
    finally:
        _NEW.reset(token)


def of_new_models() -> torch.device:
    """Where `build` and `load` put a model."""
    return torch.device(_NEW.get())


def wait(device: torch.device) -> None:
    """Wait until the device has done its work, so that time can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
