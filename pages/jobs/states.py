"""What became of a job: by the scheduler, by its folder, and by what a full disk did not take."""

from __future__ import annotations

from collections.abc import Callable

from pages.jobs.folder import Folder
from pages.jobs.spec import JobError

ACTIVE = ("queued", "running")
TRIES = 3  # reads of a job, at most, until nothing changed during one
Phase = tuple[str | None, int | None]  # as the scheduler tells it: queued, running or None; the place in line


class States:
    """The states of all jobs, whose folders `folder` gives by their id, or raises JobError."""

    def __init__(self, folder: Callable[[str], Folder]) -> None:
        self._folder = folder
        self._unwritten: dict[str, tuple[str, str]] = {}  # states that could not be written to a full disk

    def read(self, job: str, phase: Callable[[str], Phase]) -> tuple[str, str, int | None]:
        """What a job's state is, whatever a crash left in its status; the reason; the place in line."""
        for _ in range(TRIES):
            before = phase(job)
            found = self._read(job, *before)
            if phase(job) == before:  # else what was read may be out of date
                break
        return found

    def settle(self, job: str, state: str, reason: str) -> None:
        """Called by the scheduler once a job has ended, or left the queue."""
        try:
            written = self._folder(job).status()[0]
        except JobError:
            written = "running"
        if written in ACTIVE:  # its worker could not write it, or was gone too soon
            self.write(job, state, reason)

    def write(self, job: str, state: str, reason: str) -> None:
        """Write a state down, or keep it in mind where the disk refuses."""
        try:
            self._folder(job).set_status(state, reason)
            self.forget(job)
        except OSError:
            self._unwritten[job] = state, reason

    def forget(self, job: str) -> None:
        """Drop what was kept in mind of a job."""
        self._unwritten.pop(job, None)

    def _read(self, job: str, phase: str | None, place: int | None) -> tuple[str, str, int | None]:
        if phase == "queued":
            return "queued", "", place
        folder = self._folder(job)
        try:
            state, reason = self._unwritten.get(job) or folder.status()
        except JobError:
            if phase is None:
                raise
            return "running", "", None
        if state not in ACTIVE:
            return state, reason, None
        if phase == "running" or folder.locked():
            return "running", "", None
        what = "before this run began" if state == "queued" else "while this run was under way"
        reason = f"The server stopped {what}; what was learned is kept. Resume to go on."
        return "interrupted", reason, None
