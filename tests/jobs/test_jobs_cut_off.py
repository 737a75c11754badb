"""Training cut off at any write, by a kill or a full disk: each state can be read, named and gone on from."""

import os
import time

import pytest
from failing_disk import failing
from jobs_setup import SMALL, TASK, TRAIN, same, straight

from fbseg_core.training.fewshot import TrainingRun
from pages.jobs import Limits, Spec
from pages.jobs.folder import STATES, Folder
from pages.jobs.training import train

OFTEN = Limits(snapshot=0.0, validation=0.0)
RUN = TrainingRun("feedback", SMALL, TRAIN.replace(updates=3))
JOB = Spec(TASK, (RUN,))


def no_command():
    return None


def writes(monkeypatch, tmp_path):
    """How many writes a whole training makes."""
    folder = Folder.create(tmp_path / "count", JOB, "me")
    with failing(monkeypatch, 0, full=False) as count:
        assert train(folder, no_command, OFTEN)[0] == "done"
    return count.calls


@pytest.fixture(scope="module")
def want():
    return straight(RUN)


@pytest.mark.parametrize("full", [False, True], ids=["killed", "disk full"])
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_training_cut_off_at_any_write_goes_on_to_the_same_weights(monkeypatch, tmp_path, want, full, stride):
    total = writes(monkeypatch, tmp_path)
    assert total > 30
    for at in range(1, total + 1, stride):
        folder = Folder.create(tmp_path / f"{full}-{at}", JOB, "me")
        told = None
        with failing(monkeypatch, at, full):
            told = train(folder, no_command, OFTEN)
        state, reason = folder.status()
        assert state in STATES and not folder.locked() and folder.spec() == JOB
        if full and told[0] != "done":
            assert told[0] == "interrupted" and "disk is full" in told[1]
        before = folder.load_state(0)
        assert train(folder, no_command, OFTEN) == ("done", ""), (at, state, reason)
        assert same(folder.load_state(0).model, want)
        assert before is None or before.update <= 3
        assert not list(folder.path.glob(".*"))


@pytest.mark.parametrize("full", [False, True], ids=["killed", "disk full"])
def test_a_job_cut_off_while_it_is_stored_is_there_or_not(monkeypatch, tmp_path, full):
    for at in range(1, 20):
        path = tmp_path / f"job-{full}-{at}"
        with failing(monkeypatch, at, full):
            if full:
                try:
                    Folder.create(path, JOB, "me")
                except OSError:
                    assert not path.exists()
            else:
                Folder.create(path, JOB, "me")
        if path.exists():
            assert Folder(path).status() == ("queued", "") and Folder(path).spec() == JOB
    assert full or list(tmp_path.glob(".draft-*"))  # which a pool deletes once they are old
    assert not full or not list(tmp_path.glob(".draft-*"))


def test_a_clock_set_back_changes_nothing_that_is_learned(monkeypatch, tmp_path, want):
    folder, real = Folder.create(tmp_path / "job", JOB, "me"), time.time
    asked = []

    def command():
        asked.append(None)
        if len(asked) == 2:
            monkeypatch.setattr(time, "time", lambda: real() - 86_400)
        return None

    assert train(folder, command, OFTEN) == ("done", "")
    assert same(folder.load_state(0).model, want)
    seconds = [record["seconds"] for record in folder.tail()[0] if record["event"] == "update"]
    assert seconds == sorted(seconds) and 0 <= seconds[-1] < 3600


def test_files_of_a_time_to_come_are_read_as_any_other(tmp_path, want):
    folder = Folder.create(tmp_path / "job", JOB, "me")
    train(folder, no_command, OFTEN)
    for path in folder.path.iterdir():
        os.utime(path, (time.time() + 1e7,) * 2)
    assert folder.status() == ("done", "") and same(folder.load_state(0).model, want)
