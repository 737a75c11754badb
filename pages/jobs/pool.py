"""Training jobs as pages see them: whose they are, what may be asked of them, and what became of them.

Only the queue and the leases live in memory, behind the scheduler's lock. Everything else stands in the jobs'
folders, which are read and written without it, so that a slow disk holds up nobody else; and so that a server
that starts anew finds all earlier results and can go on with what was interrupted.
"""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fbseg_core.models.base import Model
from fbseg_core.models.registry import build
from pages.jobs.curves import Curves
from pages.jobs.estimate import Estimate, estimate
from pages.jobs.folder import Folder, default_root
from pages.jobs.scheduler import PATIENCE, TICK, Scheduler
from pages.jobs.shares import Held, Share, expired, last_used, surplus
from pages.jobs.spec import JobError, Limits, NoSuchJob, Spec, sound_factor
from pages.jobs.states import ACTIVE, States

RESUMABLE = ("paused", "stopped", "interrupted")
DRAFT_AGE = 3600.0  # seconds after which a half-made folder is taken for abandoned


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

    `owner` is whatever token the page gives its visitor. All methods that take a job raise NoSuchJob if that
    owner has none of that id, and JobError where its folder cannot be read: one plain sentence each.
    """

    def __init__(self, root: Path | None = None, limits: Limits | None = None) -> None:
        self.root, self.limits = (root or default_root()).absolute(), limits or Limits()
        self._states = States(self._folder)
        self._scheduler = Scheduler(self.limits, self._states.settle)

    def start(self, spec: Spec, owner: str, job: str | None = None) -> str:
        """Queue a job; returns its id. A second start of the same id by the same owner does nothing.

        Raises JobError for too much at once or a folder that cannot be written, ConfigError for a misfit.
        """
        job = job or uuid.uuid4().hex
        path = self._folder(job).path
        with self._scheduler.claim(job):
            if not path.exists():
                spec.check(self.limits)
                with contextlib.suppress(FileExistsError), self._queued(job, owner, path):
                    self._store(path, spec, owner)
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
        with self._scheduler.claim(job):
            folder, about = self._mine(job, owner)
            view = self._view(job, about)
            if not view.active:
                if not self._scheduler.wait_free(job):
                    raise JobError("This run is still being saved; try again in a moment.")
                if not view.resumable:
                    raise JobError(f"This run cannot be resumed: it is {view.state}. {view.reason}".strip())
                with self._queued(job, owner, folder.path):
                    try:
                        folder.set_status("queued")
                    except OSError as error:
                        raise JobError(f"The run's folder cannot be written: {error.strerror}.") from None
                    self._states.forget(job)
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
        with self._scheduler.claim(job):
            folder, about = self._mine(job, owner)
            if self._view(job, about).active or self._scheduler.running(job):
                raise JobError("Stop the run before it is deleted.")
            self._states.forget(job)
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
        images are the first SHOWN of `validation_images(task)`.
        """
        return self._mine(job, owner)[0].load_live(run)

    def estimate(self, spec: Spec, wait: float = 0.0) -> Estimate | None:
        """What a job would cost on this machine, measured by a few updates in an idle worker.

        None while that is under way or no worker is idle: ask again, or give `wait` seconds. Raises JobError
        and ConfigError as `start` does.
        """
        spec.check(self.limits)
        return estimate(self._scheduler, spec, wait)

    def counts(self) -> dict[str, int]:
        """How many jobs wait, how many run, and how many folders of jobs there are, of all owners."""
        waiting, running = self._scheduler.active()
        return {"runs_waiting": len(waiting), "runs_active": len(running), "runs_kept": len(self._paths())}

    def close(self) -> None:
        """Save what is under way, mark it as interrupted, and end the workers."""
        self._scheduler.close()

    def _folder(self, job: str) -> Folder:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", job):
            raise NoSuchJob()
        return Folder(self.root / job)

    def _mine(self, job: str, owner: str) -> tuple[Folder, dict[str, Any]]:
        """The job's folder and description, for its owner alone."""
        folder = self._folder(job)
        about = folder.about()
        if about["owner"] != owner:
            raise NoSuchJob()
        return folder, about

    def _paths(self) -> list[Path]:
        with contextlib.suppress(OSError):
            return [path for path in self.root.iterdir() if path.is_dir() and path.name[0] != "."]
        return []

    def _view(self, job: str, about: dict[str, Any]) -> JobView:
        state, reason, place = self._states.read(job, self._scheduler.phase)
        names = tuple(run["name"] for run in about["runs"])
        return JobView(job, state, reason, float(about["created"]), names, place)

    @contextlib.contextmanager
    def _queued(self, job: str, owner: str, path: Path) -> Iterator[None]:
        """Keep a place in the queue, and queue the job once the body has written it to the disk."""
        self._scheduler.admit(job, owner)
        try:
            yield
        except BaseException:
            self._scheduler.dismiss(job)
            raise
        else:
            self._scheduler.enqueue(job, path)

    def _store(self, path: Path, spec: Spec, owner: str) -> None:
        """Raises FileExistsError where another server was quicker, JobError for a disk that refuses."""
        try:
            self._tidy(owner)
            Folder.create(path, spec, owner)
        except FileExistsError:
            raise
        except OSError as error:
            raise JobError(f"The run cannot be stored in {self.root}: {error.strerror}.") from None

    def _end(self, job: str, owner: str, do: str, state: str) -> JobView:
        with self._scheduler.claim(job):
            folder, about = self._mine(job, owner)
            if self._scheduler.phase(job)[0] is None and folder.locked():
                self._ask(folder, do)
            if do == "stop" and self._states.read(job, self._scheduler.phase)[0] == "paused":
                self._states.write(job, state, "")
            self._scheduler.end(job, do, state)
        self._scheduler.wait_free(job)
        return self._view(job, about)

    def _ask(self, folder: Folder, do: str) -> None:
        """End a job that another server on the same folder has under way."""
        try:
            folder.ask(do)
        except OSError as error:
            raise JobError(f"The run's folder cannot be written: {error.strerror}.") from None
        deadline = time.monotonic() + PATIENCE
        while folder.locked():
            if time.monotonic() > deadline:
                raise JobError("This run is under way on another server; try again in a moment.")
            time.sleep(TICK)

    def _tidy(self, owner: str) -> None:
        """Make room for a job of this owner: what a crash left half made goes, ended jobs that nobody took up
        for long, and the oldest beyond what is kept of each visitor, and of all."""
        drafts = self.root.glob(".draft-*")
        for draft in [one for one in drafts if time.time() - _touched(one) > DRAFT_AGE]:
            shutil.rmtree(draft, ignore_errors=True)
        limits, now = self.limits, time.time()
        ended = [one for path in self._paths() if (one := self._ended(path)) is not None]
        old = [one.name for one in ended if expired(one.at, now, limits.age)]
        things = [one for one in ended if one.name not in old] + [Held("", (owner,), 0, math.inf)]
        each, together = Share(limits.kept_each, limits.disk_each), Share(limits.kept, limits.disk)
        for job in (*old, *(name for name, _ in surplus(things, each, together) if name)):
            with self._scheduler.claim(job, wait=False) as free:
                if free and self._ended(self.root / job) is not None:
                    shutil.rmtree(self.root / job, ignore_errors=True)
                    self._states.forget(job)

    def _ended(self, path: Path) -> Held | None:
        """An ended job as it counts for its owner; None for one that is under way, or cannot be read now."""
        folder, owner = Folder(path), ""  # nobody's, where its description is lost
        try:
            with contextlib.suppress(NoSuchJob):
                owner = folder.about()["owner"]
            if self._states.read(path.name, self._scheduler.phase)[0] in ACTIVE:
                return None
        except JobError:
            return None
        return Held(path.name, (owner,), folder.size(), last_used(_touched(path), time.time()))


def _touched(path: Path) -> float:
    """When a folder was last written to (seconds since 1970); now, where it is just being removed."""
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return time.time()
