"""The server's end of one worker process."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pages.jobs.spec import Limits

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A worker as the pool sees it. job: the one it was last given and has not ended, or None.

    on_event(process, event) and on_death(process) are called from a thread of this object's own.
    A plain subprocess and not multiprocessing, whose children would import the page as their main module.
    """

    def __init__(
        self,
        limits: Limits,
        on_event: Callable[[Process, dict[str, Any]], None],
        on_death: Callable[[Process], None],
    ) -> None:
        self.job: str | None = None
        self.ready = False
        self.ending: tuple[str, str] | None = None  # the state and reason the job was told to end with
        self.deadline = math.inf  # when to kill it (monotonic seconds)
        self._on_event, self._on_death = on_event, on_death
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pages.jobs.worker", json.dumps(asdict(limits))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # so that it can give way as a whole
        )
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, **command: Any) -> None:
        """Give a command. One to a worker that is gone is lost; its death is reported on its own."""
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()

    def close(self, patience: float) -> None:
        """Let it save its job and end; kill it if that takes longer than `patience` seconds."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def last_words(self) -> str:
        """How it ended, in words."""
        status = self._process.wait()
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"

    def _listen(self) -> None:
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):  # a line torn by a crash
                self._on_event(self, json.loads(line))
        self._process.stdout.close()
        self._process.wait()
        self._on_death(self)
