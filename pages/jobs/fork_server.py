"""A warm process that forks workers: python -m pages.jobs.fork_server NICE, its standard input a socket.

A worker started from scratch spends seconds on importing torch and on its first updates. One that is forked
is ready at once, and shares the memory of both. A request is a worker's limits as JSON, with the two pipes
that become its standard input and output. Answers are JSON, too: once, that this process is warm; for each
worker, in the order of the requests, its pid with a pidfd; and later how it ended.

When the server dies its end of the socket closes, and this process ends. Workers see their own input close.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from pages.jobs.spec import Limits
from pages.jobs.worker import Worker, lower_priority, prepare, weigh_group

REQUEST = 65_536  # bytes of a request, at most
THREADS = Path("/proc/self/task")


def fork_workers(server: socket.socket) -> Limits | None:
    """Fork a worker for each request. Returns its limits in each worker; None once the server is gone."""
    alive: dict[int, int] = {}  # by pidfd, the pids of the workers
    while True:
        for one in select.select([server, *alive], [], [])[0]:
            if one is not server:
                pid = alive.pop(one)
                os.close(one)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                tell(server, [], ended=pid, status=status)
                continue
            try:
                request, pipes, _, _ = socket.recv_fds(server, REQUEST, 2)
            except ConnectionError:
                return None
            if not request:
                return None
            pid = os.fork()
            if pid == 0:
                os.setsid()  # so that it can give way as a whole
                server.detach()  # it is standard input, which the pipe now replaces
                for number, pipe in enumerate(pipes):
                    os.dup2(pipe, number)
                for other in (*pipes, *alive):
                    os.close(other)
                return Limits(**json.loads(request))
            for pipe in pipes:
                os.close(pipe)
            pidfd = os.pidfd_open(pid)  # opened before it is waited for, so the pid is no other's
            alive[pidfd] = pid
            tell(server, [pidfd], pid=pid)


def tell(server: socket.socket, files: list[int], **answer: Any) -> None:
    """Answer, if the server is still there; that it is gone shows where it is listened to."""
    with contextlib.suppress(ConnectionError):
        socket.send_fds(server, [json.dumps(answer).encode()], files)


def main() -> None:
    """Warm up, then serve. Ends at once, with a sentence, where a fork would not be sound."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    weigh_group(int(sys.argv[1]))
    prepare()
    os.close(os.pidfd_open(os.getpid()))  # fails here, if at all
    if len(list(THREADS.iterdir())) > 1:
        sys.exit(
            "Workers are not forked: the warm process has threads of its own, whose locks a fork would break."
        )
    gc.collect()
    gc.freeze()  # else the first collection of each worker would copy all that is shared
    server = socket.socket(fileno=0)
    tell(server, [], warm=True)
    limits = fork_workers(server)
    if limits is not None:
        lower_priority(limits.nice)
        Worker().serve(limits)


if __name__ == "__main__":
    main()
