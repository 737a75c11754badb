"""Faults put in on purpose: workers killed in every phase, callbacks that raise, disks that refuse."""

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from jobs_setup import FOREVER, LONG, TRAIN, finish, spec, wait_for

from pages.jobs import Curves, JobError, Limits, NoSuchJob, Pool, scheduler
from pages.jobs import folder as files
from pages.jobs.folder import Folder
from pages.jobs.timings import UpdateTimes

# on a busy machine a worker is slow to obey, which is not what is tested here: it gets all the time it needs
LIMITS = Limits(workers=1, snapshot=0.0, validation=0.05, nice=0, grace=LONG)
ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]  # its pool is made once


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    pool = Pool(tmp_path_factory.mktemp("jobs"), LIMITS)
    yield pool
    pool.close()


def worker(pool, ready=True):
    """The one worker, once it is there, and ready or not yet."""

    def found():
        return next((p for p in list(pool._scheduler.processes) if p.ready or not ready), None)

    return wait_for(found)


def under_way(pool, job):
    wait_for(lambda: len(Curves(pool.poll(job, "me").records).updates.get(0, {})) > 2)
    return job


# ---- a worker that dies ---------------------------------------------------------------------------------


def test_a_worker_killed_while_it_starts_is_replaced_and_the_job_that_waits_is_done(tmp_path):
    pool = Pool(tmp_path, LIMITS)
    try:
        first = worker(pool, ready=False)
        job = pool.start(spec(), "me")
        os.kill(first.pid, signal.SIGKILL)
        assert finish(pool, job).state == "done"
        assert worker(pool).pid != first.pid
    finally:
        pool.close()


def test_a_worker_that_never_starts_ends_what_waits_and_what_asks_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "Process", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOMEM, "no")))
    pool = Pool(tmp_path, LIMITS)
    try:
        view = finish(pool, pool.start(spec(), "me"))
        assert view.state == "interrupted" and "does not start" in view.reason and view.resumable
        with pytest.raises(JobError, match=r"could not be measured: .* does not start"):
            pool.estimate(spec(), wait=LONG)
        monkeypatch.undo()  # and once it can start again, all goes on
        assert pool.resume(view.job, "me").active and finish(pool, view.job).state == "done"
    finally:
        pool.close()


def test_a_worker_that_hangs_while_it_starts_is_killed_and_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(scheduler, "STARTING", 0.0)
    pool = Pool(tmp_path, LIMITS)
    try:
        first = worker(pool, ready=False).pid
        monkeypatch.undo()
        assert finish(pool, pool.start(spec(), "me")).state == "done" and worker(pool).pid != first
    finally:
        pool.close()


def test_a_worker_killed_between_two_jobs_is_replaced(pool):
    first = worker(pool)
    os.kill(first.pid, signal.SIGKILL)
    assert finish(pool, pool.start(spec(), "me")).state in (
        "done",
        "interrupted",
    )  # it may have had it already
    assert worker(pool).pid != first.pid
    assert finish(pool, pool.start(spec(), "me")).state == "done"


def test_a_worker_killed_while_it_measures_is_told_in_a_sentence_and_tried_again_later(pool, monkeypatch):
    held = worker(pool)
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
    held = worker(pool)
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
        wait_for(lambda: worker(pool) is not held)
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
    wait_for(lambda: worker(pool) is not held)


def test_the_watcher_outlives_an_error_and_says_so(tmp_path, monkeypatch, caplog):
    pool = Pool(tmp_path, Limits(workers=1, nice=0, lease=0.5))
    try:
        look, failed = pool._scheduler._look, []

        def broken():
            if len(failed) < 2:
                failed.append(True)
                raise RuntimeError("put in on purpose")
            look()

        monkeypatch.setattr(pool._scheduler, "_look", broken)
        with caplog.at_level(logging.ERROR, "pages.jobs"):
            job = pool.start(spec(FOREVER), "me")
            wait_for(lambda: Folder(tmp_path / job).status()[0] == "stopped")  # its lease still runs out
        assert len(failed) == 2 and "put in on purpose" in caplog.text
    finally:
        pool.close()


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


# ---- a disk that refuses, or hangs ----------------------------------------------------------------------


def test_a_status_that_a_full_disk_does_not_take_is_shown_all_the_same(pool, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    monkeypatch.setattr(files, "write_whole", full)
    os.kill(worker(pool).pid, signal.SIGKILL)  # so that the server must write it
    view = finish(pool, job)
    assert view.state == "interrupted" and "signal 9" in view.reason
    with pytest.raises(JobError, match="cannot be written"):
        pool.resume(job, "me")
    monkeypatch.undo()
    assert pool.resume(job, "me").active  # its place was given up, and is to be had again


def test_a_disk_that_hangs_for_one_visitor_holds_up_nobody_else(pool, monkeypatch):
    hanging, go_on = threading.Event(), threading.Event()
    create = Folder.create.__func__

    def slow(cls, path, job, owner):
        if owner == "slow":
            hanging.set()
            assert go_on.wait(LONG)
        return create(cls, path, job, owner)

    monkeypatch.setattr(Folder, "create", classmethod(slow))
    started = [threading.Thread(target=pool.start, args=(spec(), "slow", "one-click")) for _ in range(2)]
    try:
        started[0].start()
        assert hanging.wait(LONG)
        started[1].start()  # the same job again: a double click waits for the first, and is no second job
        assert finish(pool, pool.start(spec(), "me")).state == "done"
        assert pool.jobs("slow") == []
    finally:
        go_on.set()
    for thread in started:
        thread.join(LONG)
    assert [view.job for view in pool.jobs("slow")] == ["one-click"]
    wait_for(lambda: not pool.poll("one-click", "slow").active)


def test_the_places_of_a_visitor_hold_while_jobs_are_still_being_stored(pool, monkeypatch):
    gate = threading.Barrier(4)
    create, told = Folder.create.__func__, []

    def slow(cls, path, job, owner):
        time.sleep(0.2)  # all are at the door before the first is through
        return create(cls, path, job, owner)

    def start():
        gate.wait(LONG)
        try:
            pool.start(spec(FOREVER), "me")
        except JobError as error:
            told.append(str(error))

    monkeypatch.setattr(Folder, "create", classmethod(slow))
    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(told) == 2 and all("2 runs under way" in words for words in told)


def test_a_folder_that_cannot_be_read_just_now_is_not_said_to_be_gone(pool, monkeypatch):
    job = pool.start(spec(), "me")
    assert finish(pool, job).state == "done"
    read = Path.read_bytes

    def too_many(path):
        if path.name == "spec.json":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", too_many)
    with pytest.raises(JobError, match="cannot be read") as told:
        pool.poll(job, "me")
    assert not isinstance(told.value, NoSuchJob)
    monkeypatch.undo()
    with pytest.raises(NoSuchJob):
        pool.poll("another", "me")
    (pool._folder(job).path / "spec.json").write_text('{"format": "fbseg-job/1", "owner": "me"}')
    with pytest.raises(NoSuchJob):  # damaged: it is no job any more, and takes no other down
        pool.poll(job, "me")
    assert job not in [view.job for view in pool.jobs("me")]


def test_who_only_looks_whether_a_job_is_under_way_is_not_taken_for_a_worker(tmp_path, monkeypatch):
    folder = Folder.create(tmp_path / "job", spec(), "me")
    held, let_go = threading.Event(), threading.Event()

    def look():
        with folder.lock():
            held.set()
            let_go.wait(LONG)

    thread = threading.Thread(target=look)
    thread.start()
    assert held.wait(LONG)
    assert folder.locked()  # held on, as a worker does
    monkeypatch.setattr(files, "LOOK", LONG)
    threading.Timer(0.1, let_go.set).start()
    assert not folder.locked()  # let go at once
    thread.join(LONG)


# ---- a server that is gone ------------------------------------------------------------------------------


def alone(folder, limits):
    """A worker without a server, at work on a job."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pages.jobs.worker", json.dumps(asdict(limits))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    command = {"do": "run", "job": "job", "folder": str(folder.path)}
    process.stdin.write(json.dumps(command).encode() + b"\n")
    process.stdin.flush()
    wait_for(lambda: len(Curves(folder.tail()[0]).updates.get(0, {})) > 2)
    return process


@pytest.mark.parametrize("last", [b'{"do": "pau', b"\xff\xfe\n"])
def test_a_worker_whose_server_died_saves_and_lets_go_whatever_was_written_last(tmp_path, last):
    folder = Folder.create(tmp_path / "job", spec(FOREVER), "me")
    process = alone(folder, LIMITS)
    try:
        process.stdin.write(last)
        process.stdin.close()
        process.wait(LONG)
    finally:
        process.kill()
    state, reason = folder.status()
    assert state == "interrupted" and "server stopped" in reason and not folder.locked()
    assert folder.load_state(0).update == max(Curves(folder.tail()[0]).updates[0])


GIVES_WAY = """
import os
from pathlib import Path
from pages.jobs.worker import lower_priority, restore_priority
def weight():
    group = Path("/proc/self/autogroup")
    return group.read_text().split()[-1] if group.exists() else "0", os.nice(0)
lower_priority(19)
print(*weight())
restore_priority()
print(*weight())
"""


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="this system does not weigh sessions")
def test_a_worker_gives_way_until_its_server_is_gone():
    done = subprocess.run(
        [sys.executable, "-c", GIVES_WAY], cwd=ROOT, capture_output=True, text=True, check=True,
        start_new_session=True,
    )  # fmt: skip
    slow, quick = done.stdout.splitlines()
    assert slow == "19 19" and quick.split()[0] == "0"


def test_jobs_are_kept_where_they_were(tmp_path, monkeypatch):
    monkeypatch.delenv("FBSEG_JOBS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert files.default_root() == tmp_path / "cache" / "fbseg" / "jobs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.default_root() == tmp_path / ".cache" / "fbseg" / "jobs"
    elsewhere = tmp_path / "Library" / "Caches" / "fbseg"  # as another system has it
    monkeypatch.setattr(files, "user_cache_path", lambda *_, **__: elsewhere)
    assert files.default_root() == tmp_path / ".cache" / "fbseg" / "jobs"  # for it is there already
    monkeypatch.setenv("HOME", str(tmp_path / "new"))
    assert files.default_root() == elsewhere / "jobs"
    monkeypatch.setenv("FBSEG_JOBS", str(tmp_path / "named"))
    assert files.default_root() == tmp_path / "named"
