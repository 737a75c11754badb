"""A job's files damaged, incomplete or deleted, and what other servers write there."""

import errno
import json
import shutil

import numpy as np
import pytest
from jobs_setup import OFTEN, curves, no_command, spec

from pages.jobs import folder as files
from pages.jobs.folder import Folder, Log
from pages.jobs.training import train


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


@pytest.mark.parametrize("updates", [0, 1, 5])
def test_a_folder_deleted_while_its_run_is_under_way_stays_deleted(folder, updates):
    asked = []

    def command():
        asked.append(None)
        if len(asked) == updates + 1:
            shutil.rmtree(folder.path)

    state, reason = train(folder, command, OFTEN)
    assert state == "interrupted" and "cannot be written" in reason
    assert not folder.path.exists()
    with pytest.raises(OSError):
        folder.set_status("stopped")
    assert not folder.path.exists()


def test_a_folder_is_made_whole_or_not_at_all(tmp_path, monkeypatch):
    def make():
        return Folder.create(tmp_path / "job", spec(), "me")

    monkeypatch.setattr(files.os, "rename", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError):
        make()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    make()
    with pytest.raises(FileExistsError):
        make()
    assert [path.name for path in tmp_path.iterdir()] == ["job"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"state": 3}', b'{"state": "flying"}'])
def test_a_status_that_makes_no_sense_reads_as_interrupted(folder, content):
    (folder.path / "status.json").write_bytes(content)
    assert folder.status() == ("interrupted", "")


def test_a_log_is_read_piece_by_piece_and_survives_a_torn_line(folder):
    log = Log(folder)
    log.append(event="update", loss=float("nan"), losses=[1.0, float("inf")])
    records, offset = folder.tail()
    assert records == [{"event": "update", "loss": None, "losses": [1.0, None]}]
    with (folder.path / "log.jsonl").open("ab") as file:
        file.write(b'{"event": "upd')
    assert folder.tail(offset) == ([], offset)  # not yet whole
    log.close()
    log = Log(folder)  # a worker that goes on after the crash
    log.append(event="begin", done=[])
    log.close()
    assert folder.tail(offset)[0] == [{"event": "begin", "done": []}]
    assert folder.tail(offset)[1] == (folder.path / "log.jsonl").stat().st_size
