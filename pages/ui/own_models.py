"""Checkpoints that visitors trained or brought along: files next to the jobs, found by their name alone.

A name is "mine:kind-digest"; who has it can see the model, as who has a link can see a screen. Each file has
a note on how it came here, for visitors to read. The oldest are deleted for new ones.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from fbseg_core.checkpoint import Card, CheckpointError, load, read_card, save
from fbseg_core.models.base import Model
from fbseg_core.models.registry import count_weights, traits_of
from fbseg_core.tensor_files import LARGEST, write_whole
from pages.jobs import Limits
from pages.jobs.folder import default_root
from pages.ui import ranges

KEPT = 200
LARGEST_SIDE = 128  # px, of the task of a checkpoint that is brought along
DIGITS = 16  # of the digest, in a name
_NAME = re.compile(rf"mine:([a-z_]{{1,40}}-[0-9a-f]{{{DIGITS}}})")


@dataclass(frozen=True)
class Note:
    """How a checkpoint came here.

    called: the run's name. how: "trained" or "brought". at: when its training began, or when it was brought,
    in seconds since 1970.
    """

    called: str
    how: str
    at: float


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


def titles(names: Iterable[str], cards: Mapping[str, Card], zone: tzinfo) -> dict[str, str]:
    """What checkpoints are called: a visitor's own by what they are, no two alike, others by their names.

    zone: of the clock by which times are told.
    """
    told = {name: name if path_of(name) is None else _title(name, cards[name], zone) for name in names}
    return {name: _told_apart(name, told) for name in told}


def _told_apart(name: str, told: Mapping[str, str]) -> str:
    """The title of a name, with as much of its digest as tells it from others that read alike."""
    digest = name[-DIGITS:]
    alike = [other[-DIGITS:] for other in told if other != name and told[other] == told[name]]
    if not alike:
        return told[name]
    shown = next((n for n in range(4, DIGITS) if digest[:n] not in {one[:n] for one in alike}), DIGITS)
    return f"{told[name]} · {digest[:shown]}"


def _title(name: str, card: Card, zone: tzinfo) -> str:
    note = _note(name)
    called = note.called if note else traits_of(card.model).title
    count = card.train.examples
    examples = f"{count} example{'s' * (count != 1)}" if count else "fresh examples"
    parts = [called, examples, f"seed {card.train.seed}"]
    if note:
        at = datetime.fromtimestamp(note.at, zone)
        today = at.date() == datetime.now(zone).date()
        parts.append(f"{note.how} {at:%H:%M}" if today else f"{note.how} {at:%d %b %Y} {at:%H:%M}")
    return ", ".join(parts)


def missing(name: str, known: Iterable[str]) -> str:
    """What to say where a view names a checkpoint that is not there, or does not fit."""
    names = ", ".join(one for one in known if path_of(one) is None)
    if path_of(name) is None:
        return f"There is no checkpoint {name!r:.80} for this; choose from {names}."
    return f"The trained model of this link is not kept here, or does not fit here; choose from {names}."


def keep(model: Model, card: Card, note: Note) -> tuple[str, Card]:
    """Keep a model; returns its name, and its card with the digest. Raises CheckpointError.

    Where the very same model is here already, the note that it came with stays.
    """
    try:
        with tempfile.TemporaryDirectory() as draft:  # its name, the digest, is known once written
            card = save(model, card, Path(draft) / "new.safetensors")
        name = f"mine:{card.model.kind}-{card.digest[:DIGITS]}"
        if _note(name) is None:
            write_whole(path_of(name).with_suffix(".json"), json.dumps(asdict(note)).encode())
        save(model, card, path_of(name))
        paths = sorted(_folder().glob("*.safetensors"), key=lambda path: path.stat().st_mtime)
        for path in paths[:-KEPT]:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
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
        if count_weights(card.model) > most or max(card.task.size) > LARGEST_SIDE:
            raise CheckpointError(
                f"This app takes models of up to {most:,} weights for images of up to {LARGEST_SIDE} px."
            )
        if not card.f1:
            raise CheckpointError("This checkpoint holds no measured score, which every screen states.")
        ranges.check(card)
        return keep(*load(path), Note(traits_of(card.model).title, "brought", time.time()))


def _note(name: str) -> Note | None:
    """The note of a checkpoint; None for one that was kept before there were any."""
    try:
        return Note(**json.loads(path_of(name).with_suffix(".json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _folder() -> Path:
    return default_root() / ".checkpoints"
