"""The server's end of one worker process."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import queue
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from pages.jobs.spec import Limits
from pages.jobs.start import start_worker

LOG = logging.getLogger(__name__)


class Process:
    """A worker as the scheduler sees it. job: the one it was last given and has not ended, or None.

    on_event(process, event) and on_death(process) are called from a thread of this object's own, from
    `listen` on. An error in one is logged; an error in on_event also kills the worker, and its death settles
    the job.
    A plain subprocess and not multiprocessing, whose children would import the page as their main module.
    """

    def __init__(
        self,
        limits: Limits,
        on_event: Callable[[Process, dict[str, Any]], None],
        on_death: Callable[[Process], None],
    ) -> None:
        self.job: str | None = None
        self.measuring: tuple[str, ...] = ()  # keys of the timings that it was last asked for
        self.ready = False
        self.ending: tuple[str, str] | None = None  # the state and reason the job was told to end with
        self.deadline = math.inf  # when to kill it (monotonic seconds)
        self._on_event, self._on_death = on_event, on_death
        self._commands: queue.SimpleQueue[str | None] = queue.SimpleQueue()  # None: no more
        self._process = start_worker(limits)
        threading.Thread(target=self._write, daemon=True).start()

    @property
    def pid(self) -> int | None:
        """None while it waits to be forked."""
        return self._process.pid

    def listen(self) -> None:
        """Report events from now on, and the death."""
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, **command: Any) -> None:
        """Give a command; returns at once. One to a worker that is gone is lost; its death is reported."""
        self._commands.put(json.dumps(command))

    def kill(self) -> None:
        self._process.kill()

    def close(self, patience: float) -> None:
        """Let it save its job and end; kill it if that takes longer than `patience` seconds."""
        self._commands.put(None)
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def last_words(self) -> str:
        """How it ended, in words."""
        status = self._process.wait()
        if status is None:
            return "for an unknown reason"
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"

    def _write(self) -> None:
        """Pass on commands. A pipe that a worker does not empty holds up this thread alone."""
        with contextlib.suppress(OSError), self._process.stdin as pipe:  # OSError: it is gone
            while (line := self._commands.get()) is not None:
                pipe.write(line + "\n")
                pipe.flush()

    def _listen(self) -> None:
        try:
            for line in self._process.stdout:
                self._take(line)
        finally:
            self._commands.put(None)
            self._process.stdout.close()
            self._process.wait()
            try:
                self._on_death(self)
            except Exception:
                LOG.exception("The death of worker %s could not be handled.", self.pid)

    def _take(self, line: str) -> None:
        try:
            event = json.loads(line)
        except ValueError:
            LOG.warning("Worker %s: a line torn by a crash is passed over.", self.pid)
            return
        try:
            self._on_event(self, event)
        except Exception:
            LOG.exception("Worker %s is ended: its event %.200r could not be handled.", self.pid, line)
            self.kill()
