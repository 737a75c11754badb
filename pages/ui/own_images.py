"""Images and masks that visitors send as a zip: a folder each, next to the jobs, gone when it is not used.

A visitor has one folder; another zip takes its place. Those of visitors who have not come back for KEPT
seconds are deleted, and the oldest of too many.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import BinaryIO

from fbseg_core.settings import ConfigError
from fbseg_core.tasks.archive import unpack
from fbseg_core.tasks.folder import allow, allowed
from fbseg_core.tasks.layouts import find
from pages.jobs.folder import default_root

KEPT = 2 * 3600.0  # seconds after a visitor's last look
MOST, MOST_BYTES = 40, 2**32  # visitors whose images are kept at once, and bytes of them all
UPLOAD = "upload"  # the source that is a visitor's own zip
_OWNER = re.compile(r"[0-9a-f]{32}")


def root() -> Path:
    """Where visitors' folders are."""
    return default_root() / ".images"


def keep(owner: str, file: BinaryIO) -> Path:
    """Unpack a visitor's zip in place of what was there; returns its folder, of a name that nobody can guess.

    Raises ConfigError, and then what was there stays.
    """
    home = _home(owner)
    new = home / secrets.token_hex(16)
    draft = home / f".{new.name}"  # a server killed meanwhile leaves no half of a folder that is read
    try:
        root().mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(root(), 0o700)  # its folders are called by the tokens of their owners
        draft.mkdir(parents=True, mode=0o700)
        unpack(file, draft)
        find(draft)
        draft.rename(new)
    except ConfigError:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise ConfigError(f"The images cannot be stored: {error.strerror}.") from None
    for other in home.iterdir():
        if other != new:
            shutil.rmtree(other, ignore_errors=True)
    allow(root())
    sweep()
    return new


def of(owner: str) -> Path | None:
    """A visitor's folder, None where there is none. To ask keeps it for longer."""
    home = _home(owner)
    try:
        found = next((one for one in sorted(home.iterdir()) if one.name[0] != "."), None)
        os.utime(home)
    except OSError:
        return None
    allow(root())
    return found


def chosen(source: str, owner: str) -> Path | None:
    """The folder that a link names: UPLOAD for what this visitor sent, or one of `listed`, never a path.

    None where there is none, or none any more. Raises ConfigError for a name not listed.
    """
    if source == UPLOAD:
        return of(owner)
    if not source:
        return None
    if source not in listed():
        raise ConfigError(f"source: there is no folder {source!r:.60} here.")
    return listed()[source]


def forget(owner: str) -> None:
    """Delete what a visitor sent."""
    shutil.rmtree(_home(owner), ignore_errors=True)


def sweep() -> None:
    """Delete the folders that nobody asked after, and the oldest of too many, or of too much."""
    try:
        ages = {one: time.time() - one.stat().st_mtime for one in root().iterdir()}
    except OSError:  # there are none, or another process deletes them, too
        return
    held = 0
    for rank, one in enumerate(sorted(ages, key=ages.get)):
        held += _size(one)
        if ages[one] > KEPT or rank >= MOST or (rank and held > MOST_BYTES):
            shutil.rmtree(one, ignore_errors=True)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    held = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another process deletes it
            held += path.stat().st_size if path.is_file() else 0
    return held


def listed() -> dict[str, Path]:
    """The folders that whoever started the app opened by FBSEG_FOLDERS, each by a name of its own."""
    found: dict[str, Path] = {}
    for path in map(Path, allowed()):
        if path != root().resolve():
            name = path.name or str(path)
            found[name if name not in found else f"{name} ({len(found) + 1})"] = path
    return found


def _home(owner: str) -> Path:
    if not _OWNER.fullmatch(owner):
        raise ConfigError("There is no such visitor.")
    return root() / owner
