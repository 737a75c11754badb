"""Checkpoints that visitors trained or brought along: files next to the jobs, found by their name alone.

A name is "mine:kind-digest", of the digest of weights and card: equal names are equal files, and none is ever
written anew. Whoever has the name can see the model, as whoever has a link can see a screen. Each file has a
note on how it came here, and whose it is. Each visitor keeps a share; what nobody used for AGE is deleted.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path

from filelock import FileLock

from fbseg_core.checkpoint import Card, CheckpointError, load, read_card, save
from fbseg_core.models.base import Model
from fbseg_core.models.registry import count_weights, traits_of
from fbseg_core.tensor_files import LARGEST, write_whole
from pages.jobs import Limits
from pages.jobs.folder import default_root
from pages.jobs.shares import Held, Share, expired, last_used, surplus
from pages.ui import budget, ranges

EACH, TOGETHER = Share(40, 2**28), Share(400, 2**31)  # files and bytes of one visitor, and of all
AGE = 30 * 86_400.0  # seconds since its last use
HOUR = 3600.0  # how exactly the last use is known; and after which a half-written file is taken for abandoned
LARGEST_SIDE = 128  # px, of the task of a checkpoint that is brought along
LONGEST_LIST, NEAREST = 90, 3  # characters of names that a sentence lists; else so many of them
PATIENCE = 10.0  # seconds to wait for another who adds or deletes
DIGITS = 16  # of the digest, in a name
_NAME = re.compile(rf"mine:([a-z_]{{1,40}}-[0-9a-f]{{{DIGITS}}})")


@dataclass(frozen=True)
class Note:
    """How a checkpoint came here.

    called: the run's name. how: "trained" or "brought". at: when its training began, or when it was brought,
    in seconds since 1970. owners: who trained or brought it.
    """

    called: str
    how: str
    at: float
    owners: tuple[str, ...] = ()


def path_of(name: str) -> Path | None:
    """Where a checkpoint of that name is kept; None for a name of another kind."""
    found = _NAME.fullmatch(name)
    return _folder() / f"{found[1]}.safetensors" if found else None


def kept(name: str) -> bool:
    """Whether it is the name of a checkpoint that is still there, which counts as a use."""
    path = path_of(name)
    with contextlib.suppress(OSError):
        if path is not None and path.is_file():
            if abs(time.time() - path.stat().st_mtime) > HOUR:
                os.utime(path)
            return True
    return False


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
    found = [one for one in known if path_of(one) is None]
    names = ", ".join(found)
    if len(names) > LONGEST_LIST:
        names = ", ".join(difflib.get_close_matches(name[:80], found, NEAREST, 0.0))
    if path_of(name) is None:
        return f"There is no checkpoint {name!r:.80} for this; choose from {names}."
    return f"The trained model of this link is not kept here, or does not fit here; choose from {names}."


def keep(model: Model, card: Card, note: Note, owner: str = "") -> tuple[str, Card]:
    """Keep a model for a visitor; returns its name, and its card with the digest. Raises CheckpointError.

    Where the very same file is here already, it and the note that it came with stay, and are also theirs.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:  # its name, a digest, is known once written
            draft = Path(folder) / "new.safetensors"
            card = save(model, card, draft)
            name, written = f"mine:{card.model.kind}-{_digest(card)}", draft.read_bytes()
        with _changing():
            path, known = path_of(name), _note(name) or note
            if path.is_file():
                os.utime(path)
            else:
                write_whole(path, written)
            owners = tuple(dict.fromkeys((*known.owners, owner)))
            _write_note(path, dataclasses.replace(known, owners=owners))
            _make_room()
    except OSError as error:
        raise CheckpointError(f"The checkpoint cannot be stored ({error.strerror or error}).") from None
    return name, card


def _digest(card: Card) -> str:
    """Of all that a card says, the weights' own digest included."""
    parts = {one.name: getattr(card, one.name) for one in dataclasses.fields(card)}
    plain = {
        key: part.model_dump(mode="json") if hasattr(part, "model_dump") else part
        for key, part in parts.items()
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:DIGITS]


@contextlib.contextmanager
def _changing() -> Iterator[None]:
    """Be the only one who adds or deletes, of all servers that share the folder; it is its user's alone."""
    _folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(_folder(), 0o700)  # earlier versions left it open
    with FileLock(_folder() / ".lock", PATIENCE):
        yield


def _make_room() -> None:
    """Delete what nobody used for long, whatever is beyond a share, and what a crash left half written."""
    now = time.time()
    for path in _folder().glob(".*.*"):
        if path.name != ".lock" and path.stat().st_mtime < now - HOUR:
            path.unlink(missing_ok=True)
    things, paths = [], {path.stem: path for path in _folder().glob("*.safetensors")}
    for stem, path in paths.items():
        found, note = path.stat(), _note(f"mine:{stem}")
        if expired(found.st_mtime, now, AGE):
            _delete(path)
        else:
            owners = note.owners if note else ()
            used = last_used(found.st_mtime, now)
            things.append(Held(stem, owners or ("",), found.st_size, used))
    for stem, owner in surplus(things, EACH, TOGETHER):
        note = _note(f"mine:{stem}")
        left = tuple(one for one in note.owners if one != owner) if note else ()
        if left:
            _write_note(paths[stem], dataclasses.replace(note, owners=left))
        else:
            _delete(paths[stem])


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)


def bring(uploaded: bytes, owner: str = "") -> tuple[str, Card]:
    """Keep a checkpoint that a visitor uploaded; returns its name and card. Raises CheckpointError,
    ConfigError."""
    if len(uploaded) > LARGEST:
        raise CheckpointError(f"{len(uploaded) >> 20} MB is more than a checkpoint may have.")
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload.safetensors"
            path.write_bytes(uploaded)
            model, card = _checked(path)
    except OSError as error:
        raise CheckpointError(f"The checkpoint cannot be stored ({error.strerror or error}).") from None
    return keep(model, card, Note(traits_of(card.model).title, "brought", time.time()), owner)


def _checked(path: Path) -> tuple[Model, Card]:
    """A checkpoint that every screen can show. Raises CheckpointError, ConfigError, before it is loaded."""
    card = read_card(path)
    most = Limits().weights
    if count_weights(card.model) > most or max(card.task.size) > LARGEST_SIDE:
        raise CheckpointError(
            f"This app takes models of up to {most:,} weights for images of up to {LARGEST_SIDE} px."
        )
    if not card.f1:
        raise CheckpointError("This checkpoint holds no measured score, which every screen states.")
    ranges.check(card)
    budget.check(card.model, card.task.size, card.model.steps)
    return load(path)


def _note(name: str) -> Note | None:
    """The note of a checkpoint; None for one that was kept before there were any."""
    try:
        note = Note(**json.loads(path_of(name).with_suffix(".json").read_bytes()))
        return dataclasses.replace(note, owners=tuple(map(str, note.owners)))
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _write_note(path: Path, note: Note) -> None:
    write_whole(path.with_suffix(".json"), json.dumps(dataclasses.asdict(note)).encode())


def _folder() -> Path:
    return default_root() / ".checkpoints"
