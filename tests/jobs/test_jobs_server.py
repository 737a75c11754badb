"""What becomes of workers and their jobs when the server ends, or is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jobs_setup import (
    FOREVER,
    LIMITS,
    LONG,
    finish,
    same,
    spec,
    straight,
    under_way,
    updates,
    wait_for,
    weights,
)

from pages.jobs import Curves, Pool
from pages.jobs.folder import Folder
from pages.jobs.start import start_worker

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]  # its pool is made once


def alone(folder, limits):
    """A worker without a server, at work on a job."""
    process = start_worker(limits)
    command = {"do": "run", "job": "job", "folder": str(folder.path)}
    process.stdin.write(json.dumps(command) + "\n")
    process.stdin.flush()
    wait_for(lambda: len(Curves(folder.tail()[0]).updates.get(0, {})) > 2)
    return process


@pytest.mark.parametrize("last", [b'{"do": "pau', b"\xff\xfe\n"])
def test_a_worker_whose_server_died_saves_and_lets_go_whatever_was_written_last(tmp_path, last):
    folder = Folder.create(tmp_path / "job", spec(FOREVER), "me")
    process = alone(folder, LIMITS)
    try:
        process.stdin.buffer.write(last)
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


SERVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests/jobs")
from jobs_setup import TRAIN, spec
from pages.jobs import Limits, Pool
pool = Pool(Path(sys.argv[1]), Limits(workers=1, snapshot=0.0, nice=0))
pool.start(spec(TRAIN.replace(updates=int(sys.argv[2]))), "me", "first")
pool.start(spec(), "me", "second")
while True:
    pool.poll("first", "me")
    time.sleep(0.05)
"""


def descendants(pid):
    """Processes that it started, and those that they did."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    own = [int(child) for task in tasks for child in task.read_text().split()]
    return own + [further for child in own for further in descendants(child)]


def runs(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_killed_server_leaves_its_runs_interrupted_and_they_go_on(tmp_path):
    total = 3000
    command = [sys.executable, "-c", SERVER, str(tmp_path), str(total)]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    log = tmp_path / "first" / "log.jsonl"
    wait_for(lambda: log.exists() and log.read_text().count("update") > 5)
    family = descendants(server.pid)
    server.kill()
    server.wait()
    pool = Pool(tmp_path, LIMITS)
    try:
        first, second = (finish(pool, job) for job in ("first", "second"))
        assert first.state == second.state == "interrupted" and "server stopped" in first.reason
        wait_for(lambda: not any(map(runs, family)))
        assert {view.job for view in pool.jobs("me")} == {"first", "second"}
        done = pool.model("first", "me", 0)[1]
        assert 0 < done < total and done >= max(updates(pool, "first")) - 1
        pool.resume("second", "me")
        assert finish(pool, "second").state == "done"
        assert same(weights(pool, "second"), straight(spec().runs[0]))
        pool.resume("first", "me")
        wait_for(lambda: max(updates(pool, "first")) > done)
        assert pool.stop("first", "me").state == "stopped"
        learned = pool.model("first", "me", 0)[1]
        assert same(weights(pool, "first"), straight(spec(FOREVER).runs[0], updates=learned))
    finally:
        pool.close()


def test_a_server_that_ends_saves_what_is_under_way_and_leaves_no_process(own_pool):
    pool = own_pool()
    job = under_way(pool, pool.start(spec(FOREVER), "me"))
    pid = pool._scheduler.processes[0].pid
    pool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert pool.poll(job, "me").state == "interrupted"
    assert pool.model(job, "me", 0)[1] == max(updates(pool, job))
