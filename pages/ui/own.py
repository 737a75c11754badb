"""Checkpoints that visitors trained or brought along: files beside the jobs, found by their name alone.

A name is "mine:kind-digest"; who has it can see the model, as who has a link can see a screen. The oldest
make room for new ones.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from fbseg_core.checkpoint import Card, CheckpointError, load, read_card, save
from fbseg_core.dynamics import Model, count_weights
from fbseg_core.tensor_files import LARGEST
from pages.ui.jobs import Limits
from pages.ui.jobs.folder import default_root
from pages.ui.view import View

KEPT = 200
LARGEST_SIDE = 128  # px, of the task of a checkpoint that is brought along
_NAME = re.compile(r"mine:((?:feedback|loop_cut|feedforward)-[0-9a-f]{16})")


def path_of(name: str) -> Path | None:
    """Where a checkpoint of that name is kept; None for a name of another kind."""
    found = _NAME.fullmatch(name)
    return _folder() / f"{found[1]}.safetensors" if found else None


def kept(name: str) -> bool:
    """Whether it is the name of a checkpoint that is still there."""
    path = path_of(name)
    return path is not None and path.is_file()


def content(name: str) -> bytes:
    """The file. Raises CheckpointError."""
    try:
        return path_of(name).read_bytes()
    except OSError:
        raise CheckpointError("This checkpoint is no longer kept; score the run again.") from None


def loadable(name: str) -> str:
    """What `load` takes for a checkpoint: its name, or the file that the Few-shot lab gives."""
    path = path_of(name)
    return name if path is None else path.name


def keep(model: Model, card: Card) -> tuple[str, Card]:
    """Keep a model; returns its name, and its card with the digest. Raises CheckpointError."""
    try:
        with tempfile.TemporaryDirectory() as draft:  # its name, the digest, is known once written
            card = save(model, card, Path(draft) / "new.safetensors")
        name = f"mine:{card.model.kind}-{card.digest[:16]}"
        save(model, card, path_of(name))
        paths = sorted(_folder().glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
        for path in paths[:-KEPT]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise CheckpointError(f"The checkpoint cannot be stored: {error.strerror}.") from None
    return name, card


def bring(uploaded: bytes) -> tuple[str, Card]:
    """Keep a checkpoint that was uploaded; returns its name and card. Raises CheckpointError, ConfigError."""
    if len(uploaded) > LARGEST:
        raise CheckpointError(f"{len(uploaded) >> 20} MB is more than a checkpoint may have.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload.safetensors"
        path.write_bytes(uploaded)
        card = read_card(path)
        most = Limits().weights
        if count_weights(card.model) > most or card.task.side > LARGEST_SIDE:
            raise CheckpointError(
                f"This app takes models of up to {most:,} weights for images of up to {LARGEST_SIDE} px."
            )
        if not card.f1:
            raise CheckpointError("This checkpoint holds no measured score, which every screen states.")
        # what Explore's controls can show
        View(T=card.model.steps, tau=card.model.tau, eigenvalue=card.model.spectrum[0], sigma=card.task.sigma)
        return keep(*load(path))


def _folder() -> Path:
    return default_root() / ".checkpoints"
