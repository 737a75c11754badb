"""Disks that refuse or hang, put in on purpose, and where jobs are kept."""

import errno
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from jobs_setup import FOREVER, LONG, finish, spec, under_way, wait_for, worker

from pages.jobs import JobError, NoSuchJob
from pages.jobs import folder as files
from pages.jobs.folder import Folder

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]  # its pool is made once


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
