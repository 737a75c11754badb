"""Named tensors in one file with a line of text or two: safetensors, with bounds on what is read and written.

A file that breaks them is refused in one short line; one that is written replaces the old one whole or not
at all. `checkpoint.py` says what is in such a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

LARGEST = 64 * 2**20  # bytes; the checkpoints that ship are under 6 MB
LONGEST_CARD = 2**20  # bytes of header
LONGEST_MESSAGE, LONGEST_NAME = 200, 60  # characters; what a file says of itself may be of any length
# what safetensors' torch loader raises for headers that its own checks let through
UNREADABLE = (SafetensorError, ValueError, KeyError, RuntimeError, AttributeError, TypeError, OverflowError)


class CheckpointError(ValueError):
    """A file is not a checkpoint that this version can read, or save: one line of at most 200 characters.

    file: the one meant. The message is fit for a visitor.
    """

    def __init__(self, message: str, file: Path | None = None) -> None:
        name = "" if file is None else f"{_line(file.name, LONGEST_NAME)}: "
        super().__init__(_line(name + message, LONGEST_MESSAGE))


def _line(text: str, most: int) -> str:
    """Text as one line of printable characters, cut where it is too long."""
    line = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text[: 8 * most].split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def _check_sizes(path: Path, size: int, header: int) -> None:
    """Bytes of the file, and of the header that it names in its first eight."""
    if size > LARGEST:
        raise CheckpointError(f"{size >> 20} MB is more than a checkpoint may have.", path)
    if not 2 <= header <= min(LONGEST_CARD, size - 8):
        raise CheckpointError(
            "this is not a safetensors file, or its card is too long; pickled checkpoints are not accepted.",
            path,
        )


def metadata_of(path: Path, expected: str) -> dict[str, str]:
    """The metadata of a file whose `format` is the expected one, its sizes checked first.

    Raises CheckpointError.
    """
    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        _check_sizes(path, path.stat().st_size, header)
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except OSError as error:
        raise CheckpointError(f"the file cannot be read ({error.strerror or error}).", path) from None
    except SafetensorError as error:
        raise CheckpointError(f"the file is damaged ({error}).", path) from None
    found = metadata.get("format")
    if found != expected:
        raise CheckpointError(f"its format is {found!r:.60}; this version reads {expected!r}.", path)
    return metadata


def read_tensors(path: Path, expected: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors. Raises CheckpointError."""
    metadata = metadata_of(path, expected)
    try:
        return metadata, load_tensors(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"the file cannot be read ({error.strerror or error}).", path) from None
    except UNREADABLE as error:
        raise CheckpointError(f"the file is damaged ({error}).", path) from None


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a file whole or not at all. Raises CheckpointError for one too large to be read, OSError."""
    held = sum(value.numel() * value.element_size() for value in tensors.values())
    if held > LARGEST:  # before its bytes are made
        raise CheckpointError(f"{held >> 20} MB is more than a checkpoint may have.", path)
    content = save_tensors(tensors, metadata)
    _check_sizes(path, len(content), int.from_bytes(content[:8], "little"))
    write_whole(path, content)


def check_finite(tensors: dict[str, Tensor], path: Path) -> None:
    """Raise CheckpointError where one holds anything but finite numbers."""
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise CheckpointError(f"{name!r:.80} holds values that are not finite numbers.", path)


def check_against(path: Path, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise CheckpointError where names, shapes or types differ from those of a model."""
    for name in expected.keys() - tensors.keys():
        raise CheckpointError(f"the tensor {name!r} is missing.", path)
    for name in tensors.keys() - expected.keys():
        raise CheckpointError(f"the tensor {name!r:.80} does not belong to this model.", path)
    for name, value in tensors.items():
        if value.shape != expected[name].shape or value.dtype != expected[name].dtype:
            raise CheckpointError(
                f"{name!r} is {value.dtype} {tuple(value.shape)}, the model needs "
                f"{expected[name].dtype} {tuple(expected[name].shape)}.",
                path,
            )


def digest_of(tensors: dict[str, Tensor], settings: dict[str, Any]) -> str:
    """SHA-256 of tensors and settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, whole or not at all. Raises OSError where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
