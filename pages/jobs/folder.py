"""A job's folder: all that the server and a worker tell each other, and all that outlives a crash of either.

spec.json            what to do, and whose it is; never changed
examples.safetensors the clean images to train on, where the visitor gave some; never changed
status.json          state and reason, replaced whole
log.jsonl            one JSON object a line, appended; a torn line is skipped
state-0.training …   each run's weights and optimiser, replaced whole
live-0.npz …         each run's masks of the images on show, replaced whole
asked.json           what another server on the same folder asks of the worker; deleted once read
lock                 held by the worker that trains; the kernel lets go of it when the worker dies
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from platformdirs import user_cache_path
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from fbseg_core.checkpoint import load_training, save_training
from fbseg_core.tasks import Content
from fbseg_core.tensor_files import UNREADABLE, write_whole
from fbseg_core.training.fit import TrainingState
from pages.jobs.spec import JobError, NoSuchJob, Spec

FORMAT = "fbseg-job/1"
LOOK = 0.2  # seconds: whoever holds a lock longer is training, not testing whether it is held
POLL = 0.02  # seconds between two tries to take a lock
STATES = ("queued", "running", "paused", "done", "stopped", "interrupted", "failed")


class Folder:
    """One job's folder. Reading never raises for what a crash may leave, and JobError where the disk refuses;
    writing raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, spec: Spec, owner: str) -> Folder:
        """Make the folder, whole or not at all. Raises FileExistsError or OSError."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=".draft-"))
        try:
            if spec.examples is not None:
                tensors = {"clean": spec.examples.clean, "labels": spec.examples.labels}
                write_whole(draft / "examples.safetensors", save_tensors(tensors))
            plain = {"format": FORMAT, "owner": owner, "created": time.time(), **spec.plain()}
            cls(draft).write_json("spec.json", plain)
            cls(draft).set_status("queued")
            os.rename(draft, path)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise FileExistsError(str(path)) from None
            raise
        return cls(path)

    def about(self) -> dict[str, Any]:
        """The plain spec, with owner and created (seconds since 1970). Raises NoSuchJob or JobError."""
        plain = _read_json(self.path / "spec.json") or {}
        runs, created = plain.get("runs"), plain.get("created")
        if (
            plain.get("format") != FORMAT
            or not isinstance(plain.get("owner"), str)
            or not isinstance(created, (int, float))
            or not isinstance(runs, list)
            or not all(isinstance(run, dict) and isinstance(run.get("name"), str) for run in runs)
        ):
            raise NoSuchJob()
        return plain

    def spec(self) -> Spec:
        """What the job is to do. Raises JobError."""
        plain, examples = self.about(), None
        if (path := self.path / "examples.safetensors").exists():
            try:
                tensors = load_tensors(path.read_bytes())
                examples = Content(tensors["clean"], tensors["labels"])
            except (*UNREADABLE, OSError) as error:
                raise JobError(f"The job's examples are unreadable ({error!s:.120}).") from None
        return Spec.parse(plain, examples)

    def status(self) -> tuple[str, str]:
        """State, one of STATES, and the reason for it in one sentence or nothing."""
        plain = _read_json(self.path / "status.json") or {}
        state, reason = plain.get("state"), plain.get("reason")
        return (state if state in STATES else "interrupted"), (reason if isinstance(reason, str) else "")

    def set_status(self, state: str, reason: str = "") -> None:
        self.write_json("status.json", {"state": state, "reason": reason, "at": time.time()})

    def ask(self, do: str) -> None:
        """Ask the worker that holds the lock to "pause" or "stop", whichever server it belongs to."""
        self.write_json("asked.json", {"do": do})

    def asked(self) -> dict[str, Any] | None:
        """What was asked since, once."""
        path = self.path / "asked.json"
        if not path.exists():
            return None
        with contextlib.suppress(JobError):
            plain = _read_json(path) or {}
            path.unlink(missing_ok=True)
            return plain if plain.get("do") in ("pause", "stop") else None
        return None

    def write_json(self, name: str, plain: object) -> None:
        write_whole(self._here() / name, json.dumps(plain, allow_nan=False).encode())

    def _here(self) -> Path:
        """The folder; once it was deleted, no write brings it back. Raises FileNotFoundError."""
        if not self.path.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.path

    def tail(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The log's whole lines from a byte offset on, and the offset to go on from."""
        try:
            with (self.path / "log.jsonl").open("rb") as file:
                file.seek(offset)
                content = file.read()
        except OSError:
            return [], offset
        end = content.rfind(b"\n") + 1
        records = []
        for line in content[:end].splitlines():
            with contextlib.suppress(ValueError, RecursionError):  # torn by a crash, and gone on after it
                record = json.loads(line)
                if isinstance(record, dict):
                    records.append(record)
        return records, offset + end

    def load_state(self, run: int) -> TrainingState | None:
        """A run's latest snapshot, None before the first. Raises CheckpointError for a damaged one."""
        path = self.path / f"state-{run}.training"
        return load_training(path) if path.exists() else None

    def save_state(self, run: int, state: TrainingState) -> None:
        save_training(state, self._here() / f"state-{run}.training")

    def load_live(self, run: int) -> tuple[int, np.ndarray] | None:
        """The updates done and the masks at t = 1 … T, (T, SHOWN, H, W) uint8, as `Pool.masks` says."""
        try:
            with np.load(self.path / f"live-{run}.npz", allow_pickle=False) as file:
                update, probs = int(file["update"]), file["probs"]
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
            return None
        return (update, probs) if probs.ndim == 4 and probs.dtype == np.uint8 else None

    def save_live(self, run: int, update: int, probs: np.ndarray) -> None:
        buffer = io.BytesIO()
        np.savez(buffer, update=update, probs=probs)
        write_whole(self._here() / f"live-{run}.npz", buffer.getvalue())

    @contextlib.contextmanager
    def lock(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the job's lock; raise JobError if another process still does after `patience` seconds."""
        self._here()  # FileLock would make the folder again
        # preserved, so that it is the kernel's lock alone: a soft one would outlive a killed worker
        lock = FileLock(self.path / "lock", patience, poll_interval=POLL, preserve_lock_file=True)
        try:
            lock.acquire()
        except Timeout:
            raise JobError("Another process is still at work on this run; try again in a moment.") from None
        try:
            yield
        finally:
            lock.release()

    def locked(self) -> bool:
        """Whether some process is at work on the job."""
        try:
            with self.lock(LOOK):
                return False
        except JobError:
            return True
        except OSError:
            return False

    def sweep(self) -> None:
        """Remove what a killed writer left half done. For the holder of the lock."""
        for path in (*self.path.glob(".*"), self.path / "asked.json"):
            path.unlink(missing_ok=True)

    def size(self) -> int:
        """Bytes of its files."""
        held = 0
        for path in self.path.glob("*"):
            with contextlib.suppress(OSError):
                held += path.stat().st_size
        return held


class Log:
    """The writer of a log. A line is written by one call, or OSError is raised."""

    def __init__(self, folder: Folder) -> None:
        path = folder.path / "log.jsonl"
        torn = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if torn:
            self._write(b"\n")

    def append(self, **record: Any) -> None:
        """Add one record. Numbers that are not finite become null."""
        self._write(json.dumps(_finite(record), allow_nan=False).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        if not os.fstat(self._file).st_nlink:  # deleted with its folder: no later write may bring it back
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if os.write(self._file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def default_root() -> Path:
    """Where jobs are kept: $FBSEG_JOBS, the user's cache, or a temporary folder where that is read-only."""
    if named := os.environ.get("FBSEG_JOBS"):
        return Path(named)
    with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: a user without a home
        cache = user_cache_path("fbseg", appauthor=False) / "jobs"
        # where earlier versions kept them on every system; on Linux it is the same place
        earlier = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fbseg" / "jobs"
        cache = earlier if earlier.is_dir() else cache
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(cache, os.W_OK):
            return cache
    return Path(tempfile.gettempdir()) / f"fbseg-jobs-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _read_json(path: Path) -> dict[str, Any] | None:
    """None where there is no such file, or it makes no sense. Raises JobError where it cannot be read."""
    try:
        plain = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    except OSError as error:  # too many open files, a disk that fails: the job may exist
        raise JobError(f"The run's folder cannot be read ({error.strerror or error}); try again.") from None
    return plain if isinstance(plain, dict) else None


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
