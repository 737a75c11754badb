"""The command line told nonsense, stopped, or without a disk: one sentence, and what was learned is kept."""

import errno
import os
import signal

import pytest
from test_command_line import TINY

from fbseg_core import ConfigError, load
from fbseg_core.__main__ import main
from fbseg_core.arguments import check_out, stopped_as_by_hand
from fbseg_core.checkpoint import load_training, save_training
from fbseg_core.commands import train
from fbseg_core.experiments.clusters import workers
from fbseg_core.training.fit import fit

TRAIN = ["train", "grouping-settling", *TINY, "--train.updates", "4"]


@pytest.mark.parametrize(
    "arguments, word",
    [
        ([*TRAIN, "--images", "0"], "images"),
        ([*TRAIN, "--threads", "0"], "threads"),
        ([*TRAIN, "--eval-seed", "-1"], "eval-seed"),
        ([*TRAIN, "--threads", str(10**30)], "threads"),
        (["train", "predictive-shapes", "--images", "0"], "images"),
        (["eval", "shapes-feedback", "--images", "0"], "images"),
        (["eval", "shapes-feedback", "--seed", "-1"], "seed"),
        (["bench", "--repeats", "0"], "repeats"),
        (["experiment", "noise", "--profile", "tiny", "--jobs", "0"], "jobs"),
        (["experiment", "noise", "--check", "-1"], "check"),
    ],
)
def test_numbers_without_sense_are_refused_before_anything_begins(
    arguments, word, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "fit", lambda *_: pytest.fail("it began"))
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"{word} = ") and "\n" not in error and len(error) <= 200
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("out", ["/proc/no/a.safetensors", "folder.safetensors", "file/a.safetensors"])
def test_where_nothing_can_be_written_is_told_before_the_training(out, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr(train, "fit", lambda *_: pytest.fail("it began"))
    assert main([*TRAIN, "--out", out]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("out: ") and "\n" not in error


def test_a_dask_scheduler_that_does_not_answer_is_one_sentence(tmp_path, capsys):
    dask = pytest.importorskip("dask")
    where = ["--backend", "dask", "--address", "tcp://127.0.0.1:1", "--folder", str(tmp_path)]
    with dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}):
        assert main(["experiment", "noise", "--profile", "tiny", *where]) == 2
    assert "no Dask scheduler at 'tcp://127.0.0.1:1'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address, word",
    [("127.0.0.1:1", "no Ray cluster at '127.0.0.1:1'"), ("ray://127.0.0.1:1", "no Ray cluster"),
     ("127.0.0.1:99999", "no Ray cluster"), ("auto", "no HOST:PORT"), ("tcp://127.0.0.1:1", "no HOST:PORT")],
)  # fmt: skip
def test_a_ray_cluster_that_does_not_answer_is_one_sentence(address, word):
    with pytest.raises(ConfigError, match=f"^address: .*{word}") as told, workers("ray", address, 1):
        pass  # found out before Ray, which is not installed here, is asked
    assert "\n" not in str(told.value) and len(str(told.value)) <= 200


def told_to_end_after(update):
    """A `fit` during which the system tells the process to end."""

    def ended(*arguments):
        for progress in fit(*arguments):
            yield progress
            if progress.update == update:
                os.kill(os.getpid(), signal.SIGTERM)

    return ended


def test_told_to_end_a_training_keeps_what_was_learned(tmp_path, monkeypatch):
    out = tmp_path / "a.safetensors"
    monkeypatch.setattr(train, "fit", told_to_end_after(2))
    assert main([*TRAIN, "--out", str(out)]) == 0
    assert load(out)[1].updates == 2 and load_training(out.with_suffix(".training")).update == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_stopped_while_it_scores_a_training_keeps_its_state(tmp_path, monkeypatch):
    out = tmp_path / "a.safetensors"

    def stopped(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(train, "measure", stopped)
    assert main([*TRAIN, "--out", str(out)]) == 130
    assert load_training(out.with_suffix(".training")).update == 4


def test_a_killed_training_has_a_snapshot(tmp_path, monkeypatch):
    out, seen = tmp_path / "a.safetensors", []

    def watched(*arguments):
        for progress in fit(*arguments):
            yield progress
            seen.append(load_training(out.with_suffix(".training")).update)

    monkeypatch.setattr(train, "SNAPSHOT", 0.0)
    monkeypatch.setattr(train, "fit", watched)
    assert main([*TRAIN, "--out", str(out)]) == 0
    assert seen == [1, 2, 3, 4]


def test_what_a_full_disk_does_not_take_is_kept_elsewhere(tmp_path, monkeypatch, capsys):
    out = tmp_path / "full" / "a.safetensors"

    def full(state, path):
        if path.parent == out.parent:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        save_training(state, path)

    def unwritable(model, card, path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(train, "save_training", full)
    monkeypatch.setattr(train, "save", unwritable)
    monkeypatch.setattr(train.tempfile, "gettempdir", lambda: str(tmp_path))
    assert main([*TRAIN, "--out", str(out)]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("No space left on device")
    assert load_training(tmp_path / "a.training").update == 4


def test_signals_are_as_before_once_it_is_over():
    with stopped_as_by_hand(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_half_written_files_of_a_killed_run_are_swept(tmp_path):
    names = {
        ".a.safetensors.abcd1234": True, ".a.training.abcd1234": True, ".b.safetensors.abcd1234": False,
        ".a.safetensors.young123": False, "a.training": False, ".a.keep": False,
    }  # fmt: skip
    for name in names:
        (tmp_path / name).write_bytes(b"half")
        if "young" not in name:
            os.utime(tmp_path / name, (1e9, 1e9))
    check_out(tmp_path / "a.safetensors")
    assert {name: not (tmp_path / name).exists() for name in names} == names
