"""Jobs in real worker processes: the queue, the visitor's actions, kills of the worker."""

import os
import signal
import time

import pytest
from jobs_setup import (
    FOREVER,
    LONG,
    SMALL,
    TASK,
    TRAIN,
    finish,
    same,
    spec,
    straight,
    under_way,
    updates,
    wait_for,
    weights,
    worker,
)

from fbseg_core.config import GroupingConfig
from fbseg_core.models.registry import build
from fbseg_core.training.fewshot import TrainingRun
from pages.jobs import Curves, JobError, Spec

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]  # its pool is made once


def test_a_job_learns_what_its_runs_would_alone_and_restarts_to_the_same_bits(pool):
    job = pool.start(spec(), "me")
    assert finish(pool, job).state == "done"
    again = pool.restart(job, "me")
    assert again != job and finish(pool, again).state == "done"
    for index, run in enumerate(spec().runs):
        assert same(weights(pool, job, index), straight(run))
        assert same(weights(pool, again, index), straight(run))
    assert pool.model(job, "me", 1)[1] == TRAIN.total
    assert [view.job for view in pool.jobs("me")][:2] == [again, job]


def test_the_log_is_read_from_where_it_was_left(pool):
    job = pool.start(spec(), "me")
    curves, offset = Curves(), 0
    while (view := pool.poll(job, "me", offset)).active or view.records:
        offset = view.offset
        curves.extend(view.records)
    assert list(curves.updates[0]) == list(curves.updates[1]) == list(range(1, 13))
    assert pool.masks(job, "me", 0)[0] == 12


def test_a_double_start_is_one_job_and_a_strangers_is_refused(pool):
    job = pool.start(spec(FOREVER), "me", "click")
    assert pool.start(spec(FOREVER), "me", "click") == job == "click"
    under_way, waiting = pool._scheduler.active()
    assert [*under_way, *waiting] == ["click"]
    for ask in (pool.poll, pool.stop, pool.pause, pool.resume, pool.restart, pool.remove, pool.spec):
        with pytest.raises(JobError, match="no such run"):
            ask(job, "another tab")
    with pytest.raises(JobError, match="no such run"):
        pool.start(spec(), "another tab", "click")
    assert pool.poll(job, "me").active and pool.jobs("another tab") == []


@pytest.mark.parametrize("job", ["../x", "a/b", "", ".", "x" * 65, "a\n"])
def test_ids_that_could_name_another_folder_are_refused(pool, job):
    with pytest.raises(JobError, match="no such run"):
        pool.poll(job, "me")


def test_visitors_wait_in_line_and_each_may_have_two(pool):
    first = under_way(pool, pool.start(spec(FOREVER), "me"))
    second, third = pool.start(spec(FOREVER), "me"), pool.start(spec(FOREVER), "you")
    with pytest.raises(JobError, match="2 runs under way"):
        pool.start(spec(), "me")
    views = [pool.poll(job, who) for job, who in ((first, "me"), (second, "me"), (third, "you"))]
    assert [(view.state, view.place) for view in views] == [("running", None), ("queued", 1), ("queued", 2)]
    counts = pool.counts()
    assert (counts["runs_active"], counts["runs_waiting"]) == (1, 2) and counts["runs_kept"] >= 3
    assert pool.stop(second, "me").state == "stopped"
    assert pool.poll(third, "you").place == 1
    assert pool.pause(first, "me").state == "paused"  # gives its place to the next
    under_way(pool, third, "you")
    assert pool.resume(first, "me").place == 1
    assert pool.stop(third, "you").state == "stopped"
    wait_for(lambda: pool.poll(first, "me").state == "running")


def test_pause_resume_stop_are_at_once_and_lose_nothing(pool):
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    view = pool.pause(job, "me")
    assert view.state == "paused" and view.resumable
    done = pool.model(job, "me", 0)[1]
    assert done == max(updates(pool, job))
    assert pool.pause(job, "me").state == "paused"
    pool.resume(job, "me")
    wait_for(lambda: max(updates(pool, job)) > done)
    assert list(updates(pool, job)) == list(range(1, max(updates(pool, job)) + 1))
    assert pool.stop(job, "me").state == pool.stop(job, "me").state == "stopped"
    learned = pool.model(job, "me", 0)[1]
    assert learned > done and same(weights(pool, job), straight(spec(FOREVER).runs[0], updates=learned))
    pool.remove(job, "me")
    with pytest.raises(JobError):
        pool.poll(job, "me")


def test_a_rate_changed_in_flight_is_restarted_to_the_same_bits(pool):
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    pool.rate(job, "me", 0.25)
    changed = 0.25 * TRAIN.lr
    wait_for(lambda: [record["lr"] for record in updates(pool, job).values()].count(changed) > 2)
    pool.stop(job, "me")
    ((_, first, factor), *_) = Curves(pool.poll(job, "me").records).changes
    assert factor == 0.25

    def rate(update):
        return TRAIN.lr * (factor if update >= first else 1.0)

    again = pool.restart(job, "me")
    wait_for(lambda: len(updates(pool, again)) > first + 2)
    pool.stop(again, "me")
    for name in (job, again):
        learned = pool.model(name, "me", 0)[1]
        assert learned > first and [r["lr"] for r in updates(pool, name).values()] == [
            *map(rate, range(learned))
        ]
        assert same(weights(pool, name), straight(spec(FOREVER).runs[0], updates=learned, rate=rate))
    with pytest.raises(JobError, match="under way"):
        pool.rate(job, "me", 2.0)
    with pytest.raises(JobError, match="multiplied"):
        pool.rate(job, "me", float("nan"))


def test_a_killed_worker_loses_one_update_at_most_and_takes_nothing_else_down(pool):
    earlier = pool.start(spec(), "me")
    finish(pool, earlier)
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    os.kill(worker(pool).pid, signal.SIGKILL)
    view = finish(pool, job)
    assert view.state == "interrupted" and "signal 9" in view.reason and "Resume" in view.reason
    logged = max(updates(pool, job))
    assert pool.model(job, "me", 0)[1] >= logged - 1
    assert same(weights(pool, earlier), straight(spec().runs[0]))
    pool.resume(job, "me")
    wait_for(lambda: max(updates(pool, job)) > logged + 2)
    pool.stop(job, "me")
    learned = pool.model(job, "me", 0)[1]
    assert same(weights(pool, job), straight(spec(FOREVER).runs[0], updates=learned))
    assert list(updates(pool, job)) == list(range(1, learned + 1))


def test_a_worker_that_hangs_is_stopped_all_the_same(own_pool):
    pool = own_pool(grace=0.7)
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    os.kill(worker(pool).pid, signal.SIGSTOP)
    assert pool.stop(job, "me").state == "stopped" and pool.model(job, "me", 0)[1] > 0
    assert finish(pool, pool.start(spec(), "me")).state == "done"  # by a worker started anew


def test_a_run_that_blows_up_ends_with_the_reason_and_weights(pool):
    job = pool.start(spec(TRAIN.replace(lr=1e6)), "me")
    view = finish(pool, job)
    assert view.state == "failed" and "smaller learning rate" in view.reason and not view.resumable
    for index, run in enumerate(spec().runs):
        assert same(weights(pool, job, index), build(run.model, run.train.seed).state_dict())
    with pytest.raises(JobError, match="learning rate"):
        pool.resume(job, "me")


def test_cost_is_measured_and_remembered(pool):
    worker(pool)  # only an idle one measures
    short, longer = spec(), spec(TRAIN.replace(updates=1200, seed=3))
    estimate = pool.estimate(short, wait=LONG)
    assert len(estimate.per_update) == 2 and all(each > 0 for each in estimate.per_update)
    again = pool.estimate(longer)  # no other shape: known at once
    assert again.per_update == estimate.per_update
    assert again.seconds == pytest.approx(100 * estimate.seconds)
    impossible = GroupingConfig(side=16, winding=2.5, scale=8.0)
    runs = (TrainingRun("a", SMALL.replace(in_channels=2), TRAIN),)
    with pytest.raises(JobError, match="winding"):
        pool.estimate(Spec(impossible, runs), wait=LONG)
    with pytest.raises(JobError, match="updates"):
        pool.estimate(spec(TRAIN.replace(updates=10**6)))


def test_a_place_that_cannot_be_written_is_told(own_pool, tmp_path):
    (tmp_path / "file").write_text("in the way")
    pool = own_pool(root=tmp_path / "file" / "jobs")
    with pytest.raises(JobError, match="cannot be stored"):
        pool.start(spec(), "me")
    assert pool.jobs("me") == []


def test_an_abandoned_job_is_stopped_and_keeps_what_it_learned(own_pool):
    pool = own_pool(lease=1.0)
    job, waiting = pool.start(spec(FOREVER), "me"), pool.start(spec(FOREVER), "me")
    end = time.monotonic() + 1.5 * pool.limits.lease

    def asked_after():
        views = pool.poll(job, "me"), pool.poll(waiting, "me")
        assert all(view.active for view in views)
        return time.monotonic() > end and len(updates(pool, job)) > 2

    wait_for(asked_after)  # as long as somebody asks, they go on
    folders = [pool._folder(each) for each in (job, waiting)]
    wait_for(lambda: all(folder.status()[0] == "stopped" for folder in folders))
    view = pool.poll(job, "me")
    assert "Nobody was watching" in view.reason and view.resumable
    assert pool.model(job, "me", 0)[1] > 0 and pool.model(waiting, "me", 0)[1] == 0


def test_old_jobs_make_room_for_new_ones(own_pool):
    pool, jobs = own_pool(kept=2), []
    for _ in range(3):
        jobs.append(pool.start(Spec(TASK, spec().runs[1:]), "me"))
        pool.stop(jobs[-1], "me")
    assert {view.job for view in pool.jobs("me")} == set(jobs[1:])
