"""Workers forked from a warm process: how their end is told, and what holds where none can be forked."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from jobs_setup import FOREVER, LIMITS, LONG, finish, spec, under_way, wait_for, worker

from pages.jobs import fork_server, start

pytestmark = [
    pytest.mark.xdist_group("jobs"),
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="workers are not forked on this system"),
]


def stat(pid):
    """State, parent and session of a process; None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[3])


def files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.slow
def test_a_killed_worker_is_replaced_by_another_fork_and_nothing_is_left_of_it(pool):
    first, parent = worker(pool), start._fork_server.pid
    held = files(os.getpid()), files(parent), files(first.pid)
    assert stat(first.pid)[1:] == (parent, first.pid)  # a session of its own, so that it gives way as a whole
    os.kill(first.pid, signal.SIGKILL)
    second = worker(pool, other_than=first)
    assert first.last_words() == "killed by signal 9" and stat(first.pid) is None
    assert start._fork_server.pid == parent and stat(second.pid)[1:] == (parent, second.pid)
    wait_for(lambda: (files(os.getpid()), files(parent), files(second.pid)) == held)


@pytest.mark.thorough
def test_a_fork_server_that_dies_takes_no_worker_down_and_is_started_again(pool):
    job, held, parent = under_way(pool, pool.start(spec(FOREVER), "me")), worker(pool), start._fork_server
    os.kill(parent.pid, signal.SIGKILL)
    parent.gone.wait(LONG)
    assert stat(parent.pid) is None
    assert pool.pause(job, "me").state == "paused" and pool.resume(job, "me").active
    under_way(pool, job)
    os.kill(held.pid, signal.SIGKILL)
    view = finish(pool, job)
    assert view.state == "interrupted" and "unknown reason" in view.reason  # nobody is there to say how
    assert worker(pool) is not held and start._fork_server is not parent and start._fork_server.warm


@pytest.mark.thorough
def test_where_nothing_can_be_forked_workers_are_started_from_scratch(own_pool, monkeypatch):
    monkeypatch.setattr(start, "_fork_server", None)
    monkeypatch.delattr(os, "pidfd_open")
    pool = own_pool()
    assert finish(pool, pool.start(spec(), "me")).state == "done"
    assert isinstance(worker(pool)._process, subprocess.Popen) and start._fork_server is None


def test_a_fork_server_that_ends_by_itself_before_it_is_warm_is_not_tried_again(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    first = start.ForkServer(0)
    assert first.gone.wait(LONG) and first.useless
    with pytest.raises(ConnectionError):
        first.fork(LIMITS)
    monkeypatch.setattr(start, "_fork_server", first)
    assert isinstance(start.start_worker(LIMITS), subprocess.Popen) and start._fork_server is first


def test_a_process_with_threads_does_not_fork(monkeypatch, tmp_path):
    for thread in "12":
        (tmp_path / thread).mkdir()
    monkeypatch.setattr(fork_server, "THREADS", tmp_path)
    for name in ("weigh_group", "prepare"):
        monkeypatch.setattr(fork_server, name, lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["fork_server", "0"])
    with pytest.raises(SystemExit, match="not forked"):
        fork_server.main()


@pytest.mark.slow
def test_a_worker_that_is_no_longer_wanted_when_it_is_forked_ends(pool):
    worker(pool)  # so that the fork server is warm
    one = start.start_worker(LIMITS)
    one.kill()
    assert one.wait(LONG) == -signal.SIGKILL and stat(one.pid) is None
    with pytest.raises(subprocess.TimeoutExpired):
        start.start_worker(LIMITS).wait(0.0)
