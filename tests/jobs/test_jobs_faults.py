"""Faults put in on purpose: workers killed in every phase, callbacks that raise."""

import errno
import logging
import os
import signal
import time

import pytest
from jobs_setup import FOREVER, LONG, TRAIN, finish, next_to_measure, spec, under_way, wait_for, worker

from pages.jobs import JobError, scheduler, start
from pages.jobs.folder import Folder
from pages.jobs.timings import UpdateTimes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]  # its pool is made once


# ---- a worker that dies ---------------------------------------------------------------------------------


def test_a_worker_killed_while_it_starts_is_replaced_and_the_job_that_waits_is_done(own_pool):
    pool = own_pool()
    (first,) = wait_for(lambda: [one for one in pool._scheduler.processes if one.pid])
    job = pool.start(spec(), "me")
    os.kill(first.pid, signal.SIGKILL)
    assert finish(pool, job).state in ("done", "interrupted")  # it may have been ready already
    assert worker(pool, other_than=first).pid != first.pid


def test_a_worker_that_never_starts_ends_what_waits_and_what_asks_with_a_sentence(own_pool, monkeypatch):
    monkeypatch.setattr(scheduler, "Process", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOMEM, "no")))
    pool = own_pool()
    view = finish(pool, pool.start(spec(), "me"))
    assert view.state == "interrupted" and "does not start" in view.reason and view.resumable
    with pytest.raises(JobError, match=r"could not be measured: .* does not start"):
        pool.estimate(spec(), wait=LONG)
    monkeypatch.undo()  # and once it can start again, all goes on
    assert pool.resume(view.job, "me").active and finish(pool, view.job).state == "done"


def test_a_worker_that_hangs_while_it_starts_is_killed_and_replaced(own_pool, monkeypatch):
    monkeypatch.setattr(start, "_fork_server", None)  # a cold one is started, which takes longer than it may
    monkeypatch.setattr(scheduler, "STARTING", 0.0)
    pool = own_pool()
    (first,) = pool._scheduler.processes
    cold = start._fork_server
    monkeypatch.undo()
    assert finish(pool, pool.start(spec(), "me")).state == "done" and worker(pool, other_than=first)
    assert cold.gone.wait(LONG) and first.last_words() == "killed by signal 9"


def test_a_worker_killed_between_two_jobs_is_replaced(pool):
    first = worker(pool)
    os.kill(first.pid, signal.SIGKILL)
    job = pool.start(spec(), "me")
    assert finish(pool, job).state in ("done", "interrupted")  # it may have had it already
    assert worker(pool, other_than=first).pid != first.pid
    assert finish(pool, pool.start(spec(), "me")).state == "done"


def test_a_worker_killed_while_it_measures_is_told_in_a_sentence_and_tried_again_later(pool, monkeypatch):
    held = next_to_measure(pool)
    os.kill(held.pid, signal.SIGSTOP)  # so that it is still at it when it is killed
    asked = spec(TRAIN.replace(batch=1))
    assert pool.estimate(asked) is None and held.measuring
    assert pool.estimate(asked) is None
    os.kill(held.pid, signal.SIGKILL)
    with pytest.raises(JobError, match=r"could not be measured: .*killed by signal 9") as told:
        wait_for(lambda: pool.estimate(asked))
    assert "\n" not in str(told.value)
    with pytest.raises(
        JobError, match="signal 9"
    ):  # a page that asks on gets the same, and no worker dies of it
        pool.estimate(asked)
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert all(pool._scheduler.timings.get(key) is None for key in held.measuring)
    monkeypatch.undo()


def test_a_measurement_that_hangs_ends(pool, monkeypatch):
    monkeypatch.setattr(scheduler, "MEASURING", 0.3)
    held = next_to_measure(pool)
    os.kill(held.pid, signal.SIGSTOP)
    with pytest.raises(JobError, match="could not be measured"):
        pool.estimate(spec(TRAIN.replace(batch=3)), wait=LONG)


def test_what_cannot_be_measured_for_a_fault_of_ours_is_told_and_the_worker_lives(pool):
    held = worker(pool)
    pool._scheduler.measure(["broken"], {"task": {"name": "no such task"}})
    wait_for(lambda: pool._scheduler.timings.get("broken"))
    assert "JobError" in pool._scheduler.timings.get("broken").reason
    assert finish(pool, pool.start(spec(), "me")).state == "done" and worker(pool) is held


def test_a_worker_that_dies_of_its_job_leaves_a_reason(pool):
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    os.kill(worker(pool).pid, signal.SIGKILL)
    view = finish(pool, job)
    assert view.state == "interrupted" and "signal 9" in view.reason and view.resumable


def test_a_refusal_holds_for_a_while_and_a_time_for_good():
    timings = UpdateTimes()
    timings.take(["a", "b", "c"], [0.1, "too wide"])
    timings.refuse(["d"], "it died")
    assert timings.get("a") == 0.1 and timings.get("b").reason == "too wide" and timings.get("c") is None
    assert timings.get("d").reason == "it died" and timings.get("d").until > time.monotonic() + 30
    for number in range(1000):
        timings.take([str(number)], [1.0])
    assert len(timings._known) < 600


# ---- a callback that raises, a thread that must not die -------------------------------------------------


def test_an_event_that_cannot_be_taken_is_logged_and_its_job_ends_with_a_reason(pool, monkeypatch, caplog):
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    held = worker(pool)

    def broken(process, event):
        raise JobError("put in on purpose")  # as a ValueError it was once swallowed

    monkeypatch.setattr(held, "_on_event", broken)
    with caplog.at_level(logging.ERROR, "pages.jobs"):
        pool.pause(job, "me")
        worker(pool, other_than=held)
    assert "put in on purpose" in caplog.text and "Traceback" in caplog.text
    assert finish(pool, job).state == "paused"
    assert finish(pool, pool.start(spec(), "me")).state == "done"


def test_a_line_torn_by_a_crash_is_logged_and_passed_over(pool, caplog):
    held = worker(pool)
    with caplog.at_level(logging.WARNING, "pages.jobs"):
        held._take('{"event": "ended", "jo')
    assert "torn" in caplog.text
    assert finish(pool, pool.start(spec(), "me")).state == "done" and worker(pool) is held


def test_an_event_that_nobody_knows_is_a_fault_and_ends_the_worker(pool, caplog):
    held = worker(pool)
    with caplog.at_level(logging.ERROR, "pages.jobs"):
        held._take('{"event": "sneezed"}')
    assert "sneezed" in caplog.text
    worker(pool, other_than=held)


def test_the_watcher_outlives_an_error_and_says_so(own_pool, monkeypatch, caplog):
    pool = own_pool(lease=0.5)
    look, failed = pool._scheduler._look, []

    def broken():
        if len(failed) < 2:
            failed.append(True)
            raise RuntimeError("put in on purpose")
        look()

    monkeypatch.setattr(pool._scheduler, "_look", broken)
    with caplog.at_level(logging.ERROR, "pages.jobs"):
        folder = Folder(pool.root / pool.start(spec(FOREVER), "me"))
        wait_for(lambda: folder.status()[0] == "stopped")  # its lease still runs out
    assert len(failed) == 2 and "put in on purpose" in caplog.text


def test_an_end_that_cannot_be_written_down_is_logged_and_frees_the_visitors_place(pool, monkeypatch, caplog):
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    monkeypatch.setattr(
        pool._scheduler, "_settle", lambda *_: (_ for _ in ()).throw(RuntimeError("put in on purpose"))
    )
    with caplog.at_level(logging.ERROR, "pages.jobs"):
        pool.stop(job, "me")
        assert finish(pool, job).state == "stopped"  # as its worker wrote
    assert "put in on purpose" in caplog.text
    monkeypatch.undo()
    assert finish(pool, pool.start(spec(), "me")).state == "done"
