"""Whose runs are whose: what others may not do, and who gives way where too much is kept."""

import os
import time

import pytest
from jobs_setup import FOREVER, TASK, finish, spec, under_way

from pages.jobs import NoSuchJob, Spec

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]


def test_a_visitor_who_starts_runs_without_end_pushes_out_their_own(own_pool):
    pool = own_pool(kept=6, kept_each=3)
    job = Spec(TASK, spec().runs[1:])
    mine = [pool.start(job, "me", f"mine-{i}") for i in range(2)]
    for one in mine:
        pool.stop(one, "me")
    for i in range(6):
        pool.stop(pool.start(job, "flood", f"flood-{i}"), "flood")
    assert {view.job for view in pool.jobs("me")} == set(mine)
    assert {view.job for view in pool.jobs("flood")} == {"flood-3", "flood-4", "flood-5"}


def test_runs_that_nobody_took_up_for_long_go(own_pool):
    pool = own_pool()
    job = Spec(TASK, spec().runs[1:])
    old = pool.start(job, "me")
    pool.stop(old, "me")
    past = time.time() - pool.limits.age - 60
    os.utime(pool.root / old, (past, past))
    new = pool.start(job, "you")
    assert pool.jobs("me") == []
    pool.stop(new, "you")


def test_another_server_on_the_same_folder_stops_a_run_at_once(own_pool):
    ours, theirs = own_pool(), own_pool()
    job = under_way(ours, ours.start(spec(FOREVER), "me"))
    assert theirs.poll(job, "me").state == "running"
    assert theirs.stop(job, "me").state == "stopped"
    assert finish(ours, job).state == "stopped"


def test_no_other_visitor_reads_or_changes_a_run(own_pool):
    pool = own_pool()
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    acts = [
        lambda who: pool.poll(job, who), lambda who: pool.pause(job, who), lambda who: pool.stop(job, who),
        lambda who: pool.resume(job, who), lambda who: pool.remove(job, who), lambda who: pool.spec(job, who),
        lambda who: pool.restart(job, who), lambda who: pool.rate(job, who, 2.0),
        lambda who: pool.model(job, who, 0), lambda who: pool.masks(job, who, 0),
        lambda who: pool.start(spec(), who, job),
    ]  # fmt: skip
    for who in ("you", "", "ME", "../me"):
        assert pool.jobs(who) == []
        for act in acts:
            with pytest.raises(NoSuchJob):
                act(who)
    for name in ("..", ".", "../jobs", "a/b", "x" * 65, ".checkpoints", "a\0", job.upper() + "/"):
        with pytest.raises(NoSuchJob):
            pool.poll(name, "me")
    assert pool.poll(job, "me").state == "running"
    pool.stop(job, "me")


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions otherwise")
def test_what_is_on_disk_is_for_its_user_alone(own_pool):
    pool = own_pool()
    job = finish(pool, pool.start(Spec(TASK, spec().runs[1:]), "me")).job
    assert pool.root.stat().st_mode & 0o077 == 0 and (pool.root / job).stat().st_mode & 0o077 == 0
