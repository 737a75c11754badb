"""Which job runs in which worker, which waits, and when one is ended: the queue, the leases, the deadlines.

It knows jobs by their id and folder alone. What became of one is told by `settle(job, state, reason)`.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pages.jobs.process import Process
from pages.jobs.spec import Limits

TICK = 0.1  # seconds between two looks at leases and deadlines
PATIENCE = 5.0  # seconds to wait for what must come at once
FAILED_STARTS = 3  # in a row; then no worker is started until the next job is queued
MEASURED = 512  # timings remembered


class Scheduler:
    """Workers and their queue. `changed` guards it: hold it around several calls that belong together."""

    def __init__(self, limits: Limits, settle: Callable[[str, str, str], None]) -> None:
        self.limits, self.settle = limits, settle
        self.changed = threading.Condition(threading.RLock())
        self.measured: dict[str, float | str] = {}  # seconds, or why it cannot be measured
        self.processes: list[Process] = []
        self._queue: dict[str, Path] = {}
        self._leases: dict[str, float] = {}
        self._measuring: str | None = None
        self._failed_starts = 0
        self._closed = False
        with self.changed:
            self._top_up()
        threading.Thread(target=self._watch, daemon=True).start()

    def enqueue(self, job: str, folder: Path) -> None:
        """Run a job as soon as a worker is free."""
        with self.changed:
            self._queue[job] = folder
            self._leases[job] = time.monotonic() + self.limits.lease
            self._failed_starts = 0
            self._dispatch()

    def place(self, job: str) -> int | None:
        """The job's place in line, 1 for the next; None if it does not wait."""
        with self.changed:
            return list(self._queue).index(job) + 1 if job in self._queue else None

    def running(self, job: str) -> bool:
        """Whether a worker has the job."""
        return self._process_of(job) is not None

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
        with self.changed:
            process = self._process_of(job)
            if job in self._queue:
                del self._queue[job]
                self._leases.pop(job, None)
                self.settle(job, state, reason)
                self._dispatch()
            elif process is not None and process.ending is None:
                process.ending = state, reason
                process.deadline = time.monotonic() + self.limits.grace
                process.send(do=do, job=job, reason=reason)

    def wait_free(self, job: str) -> bool:
        """Wait until no worker has the job; whether that came to pass."""
        with self.changed:
            return self.changed.wait_for(lambda: not self.running(job), PATIENCE)

    def rate(self, job: str, factor: float) -> bool:
        """Pass on a change of the learning rate; whether a worker has the job."""
        with self.changed:
            process = self._process_of(job)
            if process is not None:
                process.send(do="rate", job=job, factor=factor)
            return process is not None

    def measure(self, keys: list[str], spec: dict[str, Any]) -> None:
        """Have an idle worker time the runs of a plain spec, unless one is at it; fills `measured`."""
        with self.changed:
            idle = next((p for p in self.processes if p.ready and p.job is None), None)
            if idle is not None and self._measuring is None:
                self._measuring = json.dumps(keys)
                idle.send(do="measure", key=self._measuring, spec=spec)

    def close(self) -> None:
        """Have the workers save what is under way, mark it as interrupted, and end."""
        with self.changed:
            self._closed = True
            processes = list(self.processes)
        for process in processes:
            process.close(PATIENCE if process.job else 0.0)

    # What follows expects `changed` to be held, unless it says otherwise.

    def _process_of(self, job: str) -> Process | None:
        return next((process for process in self.processes if process.job == job), None)

    def _dispatch(self) -> None:
        for process in self.processes:
            if self._queue and process.ready and process.job is None:
                process.job = next(iter(self._queue))
                process.send(do="run", job=process.job, folder=str(self._queue.pop(process.job)))
        self._top_up()
        self.changed.notify_all()

    def _top_up(self) -> None:
        """Keep a warm worker for each job that waits and one for the next, as far as the limit allows."""
        while (
            not self._closed
            and self._failed_starts < FAILED_STARTS
            and len(self.processes) < self.limits.processes()
            and sum(process.job is None for process in self.processes) <= len(self._queue)
        ):
            try:
                self.processes.append(Process(self.limits, self._on_event, self._on_death))
            except OSError:
                self._failed_starts = FAILED_STARTS

    def _on_event(self, process: Process, event: dict[str, Any]) -> None:
        """Called by a process, without the lock."""
        with self.changed:
            if event["event"] == "ready":
                process.ready, self._failed_starts = True, 0
            elif event["event"] == "ended" and event["job"] == process.job:
                self._free(process, event["state"], event["reason"])
            elif event["event"] == "measured":
                self._measuring = None
                if len(self.measured) > MEASURED:
                    self.measured.clear()
                self.measured |= dict(zip(json.loads(event["key"]), event["seconds"]))
            self._dispatch()

    def _on_death(self, process: Process) -> None:
        """Called by a process, without the lock."""
        with self.changed:
            self.processes.remove(process)
            self._measuring = None
            if not process.ready:
                self._failed_starts += 1
            if process.job is not None:
                why = (
                    f"The training process ended unexpectedly ({process.last_words()}); what was learned up "
                    "to the last snapshot is kept. Resume to go on."
                )
                self._free(process, *(process.ending or ("interrupted", why)))
            if self._failed_starts >= FAILED_STARTS and not self.processes:
                for job in list(self._queue):
                    self.end(job, "stop", "interrupted", "The training process does not start.")
            self._dispatch()

    def _free(self, process: Process, state: str, reason: str) -> None:
        job, process.job, process.ending, process.deadline = process.job, None, None, math.inf
        self._leases.pop(job, None)
        self.settle(job, state, reason)

    def _watch(self) -> None:
        """Until closed: stop what nobody asks after, kill what does not stop. Takes the lock itself."""
        while not self._closed:
            time.sleep(TICK)
            with self.changed:
                now = time.monotonic()
                for job in [job for job, end in self._leases.items() if end < now]:
                    why = f"Nobody was watching for {self.limits.lease:g} seconds; what was learned is kept."
                    self.end(job, "stop", "stopped", why)
                for process in self.processes:
                    if process.deadline < now:
                        process.deadline = math.inf
                        with contextlib.suppress(OSError):
                            process.kill()
