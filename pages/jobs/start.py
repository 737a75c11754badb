"""How a worker process is started: forked from a warm one where the system allows it, else from scratch."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path

from pages.jobs.spec import Limits

ROOT = Path(__file__).resolve().parents[2]


def start_worker(limits: Limits) -> subprocess.Popen[str] | Forked:
    """Start a worker; returns at once. Its standard input and output are pipes of JSON lines.

    One fork server serves the whole process. It is started with the first worker, and again if it ended.
    Where it ends by itself before it is warm, workers cannot be forked and are started from scratch. Raises
    OSError where no process can be started.
    """
    global _fork_server
    with _lock:
        while hasattr(os, "pidfd_open") and not (_fork_server and _fork_server.useless):
            if _fork_server is None or _fork_server.gone.is_set():
                _fork_server = ForkServer(limits.nice)
            try:
                return _fork_server.fork(limits)
            except ConnectionError:
                _fork_server.gone.wait()
    return subprocess.Popen(
        [sys.executable, "-m", "pages.jobs.worker", json.dumps(asdict(limits))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # so that it can give way as a whole
    )


class Forked:
    """A forked worker: as much of a Popen as `Process` needs. pid: None until the fork server is warm."""

    def __init__(self, parent: ForkServer, commands: int, events: int) -> None:
        self.stdin = os.fdopen(commands, "w", encoding="utf-8")
        self.stdout = os.fdopen(events, encoding="utf-8", errors="replace")
        self.pid: int | None = None
        self._parent = parent
        self._pidfd: int | None = None  # while it lives: a pid alone may be another process's by now
        self._unwanted = False
        self._status: Future[int | None] = Future()
        self._lock = threading.Lock()

    def kill(self) -> None:
        with self._lock:
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            self._unwanted = True
        if self.pid is None and not self._parent.warm:
            self._parent.kill()  # what it waits for may never come

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit status, negative for a signal; None if nobody can tell. Raises TimeoutExpired."""
        try:
            return self._status.result(timeout)
        except TimeoutError:
            raise subprocess.TimeoutExpired("a forked worker", timeout or 0.0) from None

    def fileno(self) -> int | None:
        """A pidfd, which can be read from once the worker has ended; None unless it runs."""
        return self._pidfd

    def born(self, pid: int, pidfd: int) -> None:
        """Called once it runs."""
        with self._lock:
            self.pid, self._pidfd = pid, pidfd
            if self._unwanted:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def ended(self, status: int | None) -> None:
        """Called once it has ended, or will never run."""
        with self._lock:
            pidfd, self._pidfd = self._pidfd, None
        if pidfd is not None:
            os.close(pidfd)
        self._status.set_result(status)


class ForkServer:
    """The server's end of a fork server.

    warm: it forks at once. gone: it has ended. useless: it ended by itself before it was warm.
    """

    def __init__(self, nice: int) -> None:
        self.warm = self.useless = False
        self.gone = threading.Event()
        self._asked: deque[Forked] = deque()
        self._alive: dict[int, Forked] = {}  # by pid
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pages.jobs.fork_server", str(nice)],
                cwd=ROOT,
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # else NumPy starts threads as it is imported
                start_new_session=True,
            )
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def fork(self, limits: Limits) -> Forked:
        """Ask for a worker. Raises ConnectionError if the fork server has ended."""
        (their_input, commands), (events, their_output) = os.pipe(), os.pipe()
        worker = Forked(self, commands, events)
        try:
            with self._lock:
                if self.gone.is_set():
                    raise ConnectionResetError
                request = json.dumps(asdict(limits)).encode()
                socket.send_fds(self._socket, [request], [their_input, their_output])
                self._asked.append(worker)
        except OSError:
            worker.stdin.close()
            worker.stdout.close()
            raise
        finally:
            os.close(their_input)
            os.close(their_output)
        return worker

    def kill(self) -> None:
        self._process.kill()

    def _listen(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                answer, files, _, _ = socket.recv_fds(self._socket, 4096, 1, socket.MSG_CMSG_CLOEXEC)
                if not answer:
                    break
                self._take(json.loads(answer), files)
        status = self._process.wait()
        with self._lock:
            self.useless = status > 0 and not self.warm
            self.gone.set()
            self._socket.close()
        for worker in self._asked:
            worker.ended(status)
        self._outlive()

    def _take(self, answer: dict[str, int], files: list[int]) -> None:
        if "warm" in answer:
            self.warm = True
        elif "pid" in answer:
            with self._lock:  # else it may be answered before it stands there
                worker = self._asked.popleft()
            self._alive[answer["pid"]] = worker
            worker.born(answer["pid"], *files)
        else:
            self._alive.pop(answer["ended"]).ended(answer["status"])

    def _outlive(self) -> None:
        """Wait for the workers that it left behind; nobody can tell with what status they end."""
        left = {worker.fileno(): worker for worker in self._alive.values()}
        ends = select.poll()
        for pidfd in left:
            ends.register(pidfd, select.POLLIN)
        while left:
            for pidfd, _ in ends.poll():
                ends.unregister(pidfd)
                left.pop(pidfd).ended(None)


_lock = threading.Lock()
_fork_server: ForkServer | None = None
