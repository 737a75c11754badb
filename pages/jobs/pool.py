"""Training jobs as pages see them: whose they are, what may be asked of them, and what became of them.

Only the queue and the leases live in memory. Everything else stands in the jobs' folders, so that a server
that starts anew finds all earlier results and can go on with what was interrupted.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fbseg_core.models.base import Model
from fbseg_core.models.registry import build
from pages.jobs.curves import Curves
from pages.jobs.estimate import Estimate, estimate
from pages.jobs.folder import Folder, default_root
from pages.jobs.scheduler import Scheduler
from pages.jobs.spec import JobError, Limits, Spec, sound_factor

ACTIVE = ("queued", "running")
RESUMABLE = ("paused", "stopped", "interrupted")
DRAFT_AGE = 3600.0  # seconds after which a half-made folder is nobody's


@dataclass(frozen=True)
class JobView:
    """What a page shows of a job. created: seconds since 1970. place: 1 is next in line; None unless queued.

    records: what the log says from the asked offset on, for `Curves`; offset: where to go on reading.
    """

    job: str
    state: str
    reason: str
    created: float
    names: tuple[str, ...]
    place: int | None = None
    records: tuple[dict[str, Any], ...] = ()
    offset: int = 0

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def resumable(self) -> bool:
        return self.state in RESUMABLE


class Pool:
    """Worker processes and their jobs; one for the whole server. Methods may be called from any thread.

    `owner` is whatever token the page gives its visitor. All methods that take a job raise JobError, one
    plain sentence, if that owner has no such job.
    """

    def __init__(self, root: Path | None = None, limits: Limits | None = None) -> None:
        self.root, self.limits = (root or default_root()).absolute(), limits or Limits()
        self._unwritten: dict[str, tuple[str, str]] = {}  # states that a full disk did not take
        self._scheduler = Scheduler(self.limits, self._settle)
        self._lock = self._scheduler.changed

    def start(self, spec: Spec, owner: str, job: str | None = None) -> str:
        """Queue a job; returns its id. A second start of the same id by the same owner does nothing.

        Raises JobError for too much at once or a folder that cannot be written, ConfigError for a misfit.
        """
        job = job or uuid.uuid4().hex
        path = self._folder(job).path
        with self._lock:
            if not path.exists():
                spec.check(self.limits)
                self._admit(owner)
                try:
                    self._tidy()
                    Folder.create(path, spec, owner)
                    self._scheduler.enqueue(job, path)
                except FileExistsError:  # another server was quicker
                    pass
                except OSError as error:
                    raise JobError(f"The run cannot be stored in {self.root}: {error.strerror}.") from None
            self._mine(job, owner)
        return job

    def poll(self, job: str, owner: str, offset: int = 0) -> JobView:
        """The job's state and its log from byte `offset` on. Asking renews the lease of an active job."""
        folder, about = self._mine(job, owner)
        self._scheduler.renew(job)
        view = self._view(job, about)
        records, offset = folder.tail(offset)
        return replace(view, records=tuple(records), offset=offset)

    def jobs(self, owner: str) -> list[JobView]:
        """All jobs of an owner, newest first, without their logs."""
        views = []
        for path in self._paths():
            with contextlib.suppress(JobError):
                _, about = self._mine(path.name, owner)
                views.append(self._view(path.name, about))
        return sorted(views, key=lambda view: view.created, reverse=True)

    def pause(self, job: str, owner: str) -> JobView:
        """Save the job and give its place to the next in line; returns once it rests, within a second."""
        return self._end(job, owner, "pause", "paused")

    def stop(self, job: str, owner: str) -> JobView:
        """Save the job and end it; returns once it has ended, within a second. It may still be resumed."""
        return self._end(job, owner, "stop", "stopped")

    def resume(self, job: str, owner: str) -> JobView:
        """Queue a paused, stopped or interrupted job again; it goes on from its last snapshot."""
        with self._lock:
            folder, about = self._mine(job, owner)
            view = self._view(job, about)
            if not view.active:
                self._scheduler.wait_free(job)
                if not view.resumable:
                    raise JobError(f"This run cannot be resumed: it is {view.state}. {view.reason}".strip())
                self._admit(owner)
                try:
                    folder.set_status("queued")
                except OSError as error:
                    raise JobError(f"The run's folder cannot be written: {error.strerror}.") from None
                self._unwritten.pop(job, None)
                self._scheduler.enqueue(job, folder.path)
        return self.poll(job, owner)

    def restart(self, job: str, owner: str, new: str | None = None) -> str:
        """Start a job anew, as another one, which learns the very same weights: same seeds, same examples,
        and the same changes of the learning rate made in flight. Returns the new id; raises as `start`."""
        folder, _ = self._mine(job, owner)
        spec, made = folder.spec(), Curves(folder.tail()[0]).changes
        return self.start(replace(spec, changes=(*spec.changes, *made)), owner, new)

    def rate(self, job: str, owner: str, factor: float) -> None:
        """Multiply the scheduled learning rate of all runs by `factor` from the next update on."""
        self._mine(job, owner)
        if not sound_factor(factor):
            raise JobError("The learning rate can be multiplied by 0 to 1,000,000.")
        if not self._scheduler.rate(job, float(factor)):
            raise JobError("The learning rate can be changed while the run is under way.")

    def remove(self, job: str, owner: str) -> None:
        """Delete an ended job and all it learned."""
        with self._lock:
            folder, about = self._mine(job, owner)
            if self._view(job, about).active or self._scheduler.running(job):
                raise JobError("Stop the run before it is deleted.")
            self._unwritten.pop(job, None)
            shutil.rmtree(folder.path, ignore_errors=True)

    def spec(self, job: str, owner: str) -> Spec:
        """What the job was asked to do."""
        return self._mine(job, owner)[0].spec()

    def model(self, job: str, owner: str, run: int) -> tuple[Model, int]:
        """A run's model as last saved, in evaluation mode, and the updates it has had.

        Raises CheckpointError if its snapshot is damaged.
        """
        folder, _ = self._mine(job, owner)
        config = folder.spec().runs[run]
        model, state = build(config.model, config.train.seed), folder.load_state(run)
        if state is not None:
            model.load_state_dict(state.model)
        return model.eval(), state.update if state else 0

    def masks(self, job: str, owner: str, run: int) -> tuple[int, np.ndarray] | None:
        """Updates done, and the masks at t = 1 … T of the images on show, (T, SHOWN, H, W) uint8.

        Of two classes they are P(not background)·255, of more class numbers. None before the first. The
        images are the first SHOWN of `watched(task)`.
        """
        return self._mine(job, owner)[0].load_live(run)

    def estimate(self, spec: Spec, wait: float = 0.0) -> Estimate | None:
        """What a job would cost on this machine, measured by a few updates in an idle worker.

        None while that is under way or no worker is idle: ask again, or give `wait` seconds. Raises JobError
        and ConfigError as `start` does.
        """
        spec.check(self.limits)
        return estimate(self._scheduler, spec, wait)

    def close(self) -> None:
        """Save what is under way, mark it as interrupted, and end the workers."""
        self._scheduler.close()

    def _folder(self, job: str) -> Folder:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", job):
            raise JobError("There is no such run.")
        return Folder(self.root / job)

    def _mine(self, job: str, owner: str) -> tuple[Folder, dict[str, Any]]:
        """The job's folder and description, for its owner alone."""
        folder = self._folder(job)
        about = folder.about()
        if about["owner"] != owner:
            raise JobError("There is no such run.")
        return folder, about

    def _paths(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return [path for path in self.root.iterdir() if path.is_dir() and path.name[0] != "."]
        return []

    def _view(self, job: str, about: dict[str, Any]) -> JobView:
        with self._lock:
            state, reason = self._state(job)
            place = self._scheduler.place(job)
        names = tuple(str(run["name"]) for run in about["runs"])
        return JobView(job, state, reason, float(about["created"]), names, place)

    def _state(self, job: str) -> tuple[str, str]:
        """What a job's state is, whatever a crash left in its status."""
        if self._scheduler.place(job):
            return "queued", ""
        folder = self._folder(job)
        state, reason = self._unwritten.get(job) or folder.status()
        if state not in ACTIVE:
            return state, reason
        if self._scheduler.running(job) or folder.locked():
            return "running", ""
        what = "before this run began" if state == "queued" else "while this run was under way"
        return "interrupted", f"The server stopped {what}; what was learned is kept. Resume to go on."

    def _admit(self, owner: str) -> None:
        """Raise JobError if the owner, or all together, have too much under way."""
        waiting, running = self._scheduler.active()
        if len(waiting) >= self.limits.waiting:
            raise JobError("Too many runs are waiting already; try again later.")
        mine = 0
        for job in waiting + running:
            with contextlib.suppress(JobError):
                mine += self._folder(job).about()["owner"] == owner
        if mine >= self.limits.per_owner:
            raise JobError(f"You have {mine} runs under way; stop one or wait until it ends.")

    def _end(self, job: str, owner: str, do: str, state: str) -> JobView:
        with self._lock:
            _, about = self._mine(job, owner)
            if do == "stop" and self._state(job)[0] == "paused":
                self._write_status(job, state, "")
            self._scheduler.end(job, do, state)
        self._scheduler.wait_free(job)
        return self._view(job, about)

    def _settle(self, job: str, state: str, reason: str) -> None:
        """Called by the scheduler once a job has ended, or left the queue."""
        if self._folder(job).status()[0] in ACTIVE:  # its worker could not write it, or was gone too soon
            self._write_status(job, state, reason)

    def _write_status(self, job: str, state: str, reason: str) -> None:
        try:
            self._folder(job).set_status(state, reason)
            self._unwritten.pop(job, None)
        except OSError:
            self._unwritten[job] = state, reason

    def _tidy(self) -> None:
        """Delete the oldest ended jobs beyond the number that is kept, and what a crash left half made."""
        for draft in self.root.glob(".draft-*"):
            if time.time() - draft.stat().st_mtime > DRAFT_AGE:
                shutil.rmtree(draft, ignore_errors=True)
        paths = self._paths()
        if len(paths) >= self.limits.kept:
            ended = [path for path in paths if self._state(path.name)[0] not in ACTIVE]
            ended.sort(key=lambda path: path.stat().st_mtime)
            for path in ended[: len(paths) - self.limits.kept + 1]:
                shutil.rmtree(path, ignore_errors=True)
