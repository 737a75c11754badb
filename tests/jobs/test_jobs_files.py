"""A job's files damaged, incomplete or deleted, and what other servers write there."""

import json
import shutil

import numpy as np
import pytest
from jobs_setup import spec

from pages.jobs import Curves, JobError, Limits
from pages.jobs.folder import Folder
from pages.jobs.training import train

OFTEN = Limits(snapshot=0.0, validation=0.0)


def no_command():
    return None


def curves(folder):
    return Curves(folder.tail()[0])


@pytest.fixture
def folder(tmp_path):
    return Folder.create(tmp_path / "job", spec(), "me")


def test_damaged_masks_are_as_good_as_none(folder):
    folder.save_live(0, 3, np.zeros((2, 3, 16, 16), np.uint8))
    path = folder.path / "live-0.npz"
    whole = path.read_bytes()
    assert folder.load_live(0)[0] == 3
    for content in (b"", whole[:100], whole[:-40], bytes(500), whole.replace(b"probs", b"prob_")):
        path.write_bytes(content)
        assert folder.load_live(0) is None
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 100):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        folder.load_live(0)  # whatever it is by now
    np.savez(path, update=1, probs=np.zeros(3))
    assert folder.load_live(0) is None


def test_records_that_are_not_whole_are_passed_over(folder):
    train(folder, no_command, OFTEN)
    path = folder.path / "log.jsonl"
    lines = path.read_text().splitlines()
    want = curves(folder)
    halves = [json.dumps({"event": json.loads(line)["event"]}) for line in lines]
    odd = ['{"event": []}', '{"event": "fault", "run": "x"}', '{"event": "update", "run": 0, "update": null}']
    path.write_text("\n".join([*halves, *odd, *lines, *halves, *odd]) + "\n")
    found = curves(folder)
    assert found.updates == want.updates and found.scores == want.scores and found.faults == want.faults


def test_what_another_server_asks_of_a_worker_is_obeyed_once(folder):
    folder.ask("stop")  # before it began: it is not meant
    calls = []

    def command():
        calls.append(len(calls))
        if len(calls) == 4:
            folder.ask("pause")

    assert train(folder, command, OFTEN)[0] == "paused" and len(calls) == 4
    assert not (folder.path / "asked.json").exists()
    assert train(folder, no_command, OFTEN)[0] == "done"


def test_runs_that_would_take_too_much_disk_are_refused():
    job = spec()
    with pytest.raises(JobError, match="MB of disk"):
        job.check(Limits(disk_job=1000))
    job.check(Limits())


@pytest.mark.parametrize("updates", [0, 1, 5])
def test_a_folder_deleted_while_its_run_is_under_way_stays_deleted(folder, updates):
    asked = []

    def command():
        asked.append(None)
        if len(asked) == updates + 1:
            shutil.rmtree(folder.path)

    assert train(folder, command, OFTEN)[0] == "interrupted"
    assert not folder.path.exists()
    with pytest.raises(OSError):
        folder.set_status("stopped")
    assert not folder.path.exists()
