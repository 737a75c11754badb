"""Which job runs in which worker, which waits, and when one is ended: the queue, the leases, the deadlines.

It knows jobs by their id, owner and folder alone. What became of one is told by `settle(job, state, reason)`.

The lock guards memory only. What a decision leads to on the disk, or in other processes, is a chore: it is
noted under the lock, and done by the same thread once it has let go of it.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pages.jobs.process import Process
from pages.jobs.spec import JobError, Limits
from pages.jobs.timings import UpdateTimes

LOG = logging.getLogger(__name__)
TICK = 0.1  # seconds between two looks at leases and deadlines
PATIENCE = 5.0  # seconds to wait for what must come at once
STARTING = 1800.0  # seconds after which a worker that does not start is killed; a busy machine needs minutes
MEASURING = 600.0  # and one that does not come back from a measurement
FUTILE = 3  # workers that ended in a row and did nothing; then none is started until the next job is queued
RETRY = 60.0  # seconds until a measurement may try again to start one
NO_START = "The training process does not start."


class Scheduler:
    """Workers and their queue. `changed` guards it, and is notified of every change."""

    def __init__(self, limits: Limits, settle: Callable[[str, str, str], None]) -> None:
        self.limits = limits
        self.changed = threading.Condition()
        self.timings = UpdateTimes()
        self.processes: list[Process] = []
        self._settle = settle
        self._owners: dict[str, str] = {}  # of all jobs that were admitted and have not been settled
        self._queue: dict[str, Path] = {}
        self._leases: dict[str, float] = {}
        self._settling: set[str] = set()  # ended, but not yet on the disk
        self._claimed: set[str] = set()
        self._chores: list[Callable[[], None]] = []
        self._starting = 0  # workers on their way into `processes`
        self._futile, self._futile_at = 0, -math.inf
        self._closed = False
        with self._deciding():
            self._top_up()
        threading.Thread(target=self._watch, daemon=True).start()

    @contextlib.contextmanager
    def claim(self, job: str, wait: bool = True) -> Iterator[bool]:
        """Be the only thread that changes a job's files; False where another has it and `wait` is not set."""
        with self.changed:
            if wait:
                self.changed.wait_for(lambda: job not in self._claimed)
            free = job not in self._claimed
            if free:
                self._claimed.add(job)
        try:
            yield free
        finally:
            if free:
                with self.changed:
                    self._claimed.discard(job)
                    self.changed.notify_all()

    def admit(self, job: str, owner: str) -> None:
        """Keep a place for a job, until `enqueue` or `dismiss`.

        Raises JobError if the owner, or all together, have too much under way.
        """
        with self.changed:
            waiting = [one for one in self._owners if self._process_of(one) is None]
            if len(waiting) >= self.limits.waiting:
                raise JobError("Too many runs are waiting already; try again later.")
            mine = list(self._owners.values()).count(owner)
            if mine >= self.limits.per_owner:
                raise JobError(f"You have {mine} runs under way; stop one or wait until it ends.")
            self._owners[job] = owner

    def dismiss(self, job: str) -> None:
        """Give up the place of a job that could not be queued."""
        with self.changed:
            self._owners.pop(job, None)

    def enqueue(self, job: str, folder: Path) -> None:
        """Run an admitted job as soon as a worker is free."""
        with self._deciding():
            self._queue[job] = folder
            self._leases[job] = time.monotonic() + self.limits.lease
            self._futile = 0
            self._dispatch()

    def phase(self, job: str) -> tuple[str | None, int | None]:
        """queued, running or None; and the place in line, 1 for the next, of one that waits in it."""
        with self.changed:
            if job in self._queue:
                return "queued", list(self._queue).index(job) + 1
            if self._held(job):
                return "running", None
            return ("queued" if job in self._owners else None), None

    def running(self, job: str) -> bool:
        """Whether a worker has the job, or its end is still being written down."""
        with self.changed:
            return self._held(job)

    def active(self) -> tuple[list[str], list[str]]:
        """The jobs that wait and those that run."""
        with self.changed:
            return list(self._queue), [process.job for process in self.processes if process.job]

    def renew(self, job: str) -> None:
        """Somebody asked after the job."""
        with self.changed:
            if job in self._leases:
                self._leases[job] = time.monotonic() + self.limits.lease

    def end(self, job: str, do: str, state: str, reason: str = "") -> None:
        """Have an active job end in `state`. One that does not within the grace is killed."""
        with self._deciding():
            self._end(job, do, state, reason)

    def wait_free(self, job: str) -> bool:
        """Wait until no worker has the job; whether that came to pass."""
        with self.changed:
            return self.changed.wait_for(lambda: not self._held(job), PATIENCE)

    def rate(self, job: str, factor: float) -> bool:
        """Pass on a change of the learning rate; whether a worker has the job."""
        with self.changed:
            process = self._process_of(job)
            if process is not None:
                process.send(do="rate", job=job, factor=factor)
            return process is not None

    def measure(self, keys: list[str], spec: dict[str, Any]) -> None:
        """Have an idle worker time the runs of a plain spec, unless one is at it, for `timings` to know."""
        with self._deciding():
            if any(process.measuring for process in self.processes):
                return
            idle = next((p for p in self.processes if p.ready and p.job is None), None)
            if idle is not None:
                idle.measuring = tuple(keys)
                idle.deadline = time.monotonic() + MEASURING
                idle.send(do="measure", keys=keys, spec=spec)
            elif self._given_up():
                if time.monotonic() < self._futile_at + RETRY:
                    self.timings.refuse(keys, NO_START)
                else:
                    self._futile = 0
                    self._top_up()

    def close(self) -> None:
        """Have the workers save what is under way, mark it as interrupted, and end."""
        with self.changed:
            self._closed = True
            processes = list(self.processes)
        for process in processes:
            process.close(PATIENCE if process.job else 0.0)

    @contextlib.contextmanager
    def _deciding(self) -> Iterator[None]:
        """Hold the lock; then do the chores that came up. Not to be nested."""
        chores: list[Callable[[], None]] = []
        try:
            with self.changed:
                try:
                    yield
                finally:
                    chores, self._chores = self._chores, chores
                    self.changed.notify_all()
        finally:
            for chore in chores:
                chore()

    # What follows expects `changed` to be held, and where it decides anything, by `_deciding`.

    def _process_of(self, job: str) -> Process | None:
        return next((process for process in self.processes if process.job == job), None)

    def _held(self, job: str) -> bool:
        return self._process_of(job) is not None or job in self._settling

    def _given_up(self) -> bool:
        """Whether there is no worker, and none is to be started."""
        return self._futile >= FUTILE and not self.processes and not self._starting

    def _end(self, job: str, do: str, state: str, reason: str) -> None:
        process = self._process_of(job)
        if job in self._queue:
            del self._queue[job]
            self._finish(job, state, reason)
            self._dispatch()
        elif process is not None and process.ending is None:
            process.ending = state, reason
            process.deadline = time.monotonic() + self.limits.grace
            process.send(do=do, job=job, reason=reason)

    def _finish(self, job: str, state: str, reason: str) -> None:
        """No worker has the job any more: what became of it is a chore, and it is under way until then."""
        self._leases.pop(job, None)
        self._settling.add(job)
        self._chores.append(partial(self._write_down, job, state, reason))

    def _free(self, process: Process, state: str, reason: str) -> None:
        job, process.job, process.ending, process.deadline = process.job, None, None, math.inf
        self._finish(job, state, reason)

    def _dispatch(self) -> None:
        for process in self.processes:
            if self._queue and process.ready and process.job is None:
                process.job, process.deadline = next(iter(self._queue)), math.inf
                process.send(do="run", job=process.job, folder=str(self._queue.pop(process.job)))
        self._top_up()
        if self._given_up():
            for job in list(self._queue):
                del self._queue[job]
                self._finish(job, "interrupted", f"{NO_START} Resume to try again.")

    def _top_up(self) -> None:
        """Keep a warm worker for each job that waits and one for the next, as far as the limit allows."""
        while (
            not self._closed
            and self._futile < FUTILE
            and len(self.processes) + self._starting < self.limits.processes()
            and sum(process.job is None for process in self.processes) + self._starting <= len(self._queue)
        ):
            self._starting += 1
            self._chores.append(self._start)

    # The chores, and what a worker's own threads call; none of these holds the lock.

    def _start(self) -> None:
        process = None
        try:
            process = Process(self.limits, self._on_event, self._on_death)
        except Exception:  # whatever keeps it from starting, jobs that wait must hear of it
            LOG.exception("A worker could not be started.")
        with self._deciding():
            self._starting -= 1
            if process is None:
                self._futile, self._futile_at = FUTILE, time.monotonic()
                self._dispatch()
            else:
                process.deadline = time.monotonic() + STARTING
                self.processes.append(process)
            closed = self._closed
        if process is not None:
            process.listen()
            if closed:
                process.close(0.0)

    def _write_down(self, job: str, state: str, reason: str) -> None:
        try:
            self._settle(job, state, reason)
        except Exception:
            LOG.exception("How job %s ended (%s) could not be written down.", job, state)
        finally:
            with self.changed:
                self._settling.discard(job)
                self._owners.pop(job, None)
                self.changed.notify_all()

    def _on_event(self, process: Process, event: dict[str, Any]) -> None:
        with self._deciding():
            if event["event"] == "ready":
                process.ready, process.deadline = True, math.inf
            elif event["event"] == "ended":
                self._futile = 0
                if event["job"] == process.job:
                    self._free(process, event["state"], event["reason"])
            elif event["event"] == "measured":
                self._futile = 0
                self.timings.take(event["keys"], event["seconds"])
                process.measuring = ()
                if process.job is None:
                    process.deadline = math.inf
            else:
                raise ValueError(f"unknown event {event['event']!r:.40}")
            self._dispatch()

    def _on_death(self, process: Process) -> None:
        how = process.last_words()
        with self._deciding():
            self.processes.remove(process)
            if process.measuring:
                self.timings.refuse(process.measuring, f"The training process ended while at it ({how}).")
            if process.job is not None:
                why = (
                    f"The training process ended unexpectedly ({how}); what was learned up "
                    "to the last snapshot is kept. Resume to go on."
                )
                self._free(process, *(process.ending or ("interrupted", why)))
            else:
                self._futile, self._futile_at = self._futile + 1, time.monotonic()
            self._dispatch()

    def _watch(self) -> None:
        """Until closed: stop what nobody asks after, kill what does not stop."""
        while not self._closed:
            time.sleep(TICK)
            try:
                self._look()
            except Exception:
                LOG.exception("A look at leases and deadlines failed; the next one follows.")

    def _look(self) -> None:
        with self._deciding():
            now = time.monotonic()
            for job in [job for job, end in self._leases.items() if end < now]:
                why = f"Nobody was watching for {self.limits.lease:g} seconds; what was learned is kept."
                self._end(job, "stop", "stopped", why)
            for process in self.processes:
                if process.deadline < now:
                    process.deadline = math.inf
                    with contextlib.suppress(OSError):
                        process.kill()
