"""What a worker does with one job, without processes: turns, pauses, crashes, faults, full disks."""

import errno
import itertools
import json
import os
import resource
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from jobs_setup import FOREVER, OFTEN, SMALL, TASK, TRAIN, curves, no_command, same, spec, straight

from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.training.examples import training_examples
from fbseg_core.training.fewshot import TrainingRun, own_example, replace_example
from fbseg_core.training.fit import learning_rate
from pages.jobs import Limits, Spec, training, validation_images
from pages.jobs import folder as files
from pages.jobs.folder import Folder
from pages.jobs.training import train


def after(updates, *commands):
    """Commands for `train`: nothing for that many updates, then these, one a time it asks."""
    told = [None] * updates + list(commands)
    return lambda: told.pop(0) if told else None


@pytest.fixture
def make(tmp_path):
    return lambda job=None, name="job": Folder.create(tmp_path / name, job or spec(), "me")


def learned(folder, run=0):
    return folder.load_state(run).model


def test_both_runs_learn_what_they_would_alone_and_grow_together(make):
    folder = make()
    assert train(folder, no_command, OFTEN) == folder.status() == ("done", "")
    for index, run in enumerate(spec().runs):
        assert same(learned(folder, index), straight(run))
    order = [r["run"] for r in folder.tail()[0] if r["event"] == "update"]
    assert order == [0, 1] * TRAIN.total


def test_runs_of_different_length_reach_every_share_together(make):
    a, b = spec().runs
    folder = make(Spec(TASK, (a, TrainingRun(b.name, b.model, TRAIN.replace(updates=36)))))
    train(folder, no_command, OFTEN)
    done = [0, 0]
    for record in folder.tail()[0]:
        if record["event"] == "update":
            done[record["run"]] = record["update"]
            assert abs(3 * done[0] - done[1]) <= 3
    assert done == [12, 36]


def test_later_turns_wait_for_earlier_ones(make):
    a, b = spec().runs
    folder = make(Spec(TASK, (TrainingRun(a.name, a.model, a.train, 1), b)))
    train(folder, no_command, OFTEN)
    assert [r["run"] for r in folder.tail()[0] if r["event"] == "update"] == [1] * 12 + [0] * 12


def test_every_update_is_recorded_with_all_a_page_shows(make):
    folder = make()
    train(folder, no_command, OFTEN)
    record = curves(folder).updates[0][5]
    assert record["total"] == 12 and record["lr"] == TRAIN.lr and record["grad_norm"] > 0
    assert record["loss"] == pytest.approx(sum(record["losses"]) / 2) and len(record["losses"]) == 2
    assert record["seconds"] > 0 and record["left"] > 0
    assert curves(folder).updates[1][12]["left"] == 0 and list(curves(folder).updates[1]) == list(
        range(1, 13)
    )


def test_masks_and_scores_are_those_of_the_weights_they_name(make):
    folder = make()
    train(folder, no_command, OFTEN)
    batch = validation_images(TASK)
    for index, steps in ((0, 2), (1, 1)):
        update, probs = folder.load_live(index)
        assert update == 12 and probs.shape == (steps, 3, 16, 16) and probs.dtype == np.uint8
        model = build(spec().runs[index].model).eval()
        model.load_state_dict(learned(folder, index))
        expected = rollout(model, batch.x, steps).probs[1:, :3, 1:].sum(2)
        assert np.abs(probs - 255 * expected.numpy()).max() <= 0.51
        scores = curves(folder).scores[index]
        assert 0 in scores and 12 in scores and len(scores[12]["f1"]) == steps + 1
        assert all(0 <= value <= 1 for record in scores.values() for value in record["f1"])


@pytest.mark.parametrize(
    "do, state",
    [
        ("pause", "paused"),
        pytest.param("stop", "stopped", marks=pytest.mark.slow),
        pytest.param("interrupt", "interrupted", marks=pytest.mark.slow),
    ],
)
def test_a_job_ended_at_any_time_keeps_all_and_goes_on_exactly(make, do, state):
    folder = make()
    assert train(folder, after(7, {"do": do, "reason": "Why."}), Limits()) == (state, "Why.")
    assert folder.status() == (state, "Why.")
    assert [folder.load_state(i).update for i in (0, 1)] == [4, 3]  # not one update is lost
    assert train(folder, no_command, OFTEN) == ("done", "")
    assert all(same(learned(folder, i), straight(run)) for i, run in enumerate(spec().runs))
    assert list(curves(folder).updates[0]) == list(range(1, 13))


def test_a_job_done_stays_done(make):
    folder = make()
    train(folder, no_command, OFTEN)
    records = curves(folder).updates
    assert train(folder, no_command, OFTEN) == ("done", "") and curves(folder).updates == records


def test_what_a_crash_undid_is_learned_again_and_counted_once(make):
    folder = make()
    train(folder, after(8, {"do": "pause"}), OFTEN)
    old = folder.path / "state-0.training"
    kept = old.read_bytes()
    train(folder, after(8, {"do": "pause"}), OFTEN)
    old.write_bytes(kept)  # as if the worker had died before its last snapshots
    train(folder, after(0, {"do": "pause"}), OFTEN)
    assert list(curves(folder).updates[0]) == list(range(1, 5))  # the curve ends where the weights are
    train(folder, no_command, OFTEN)
    updates = [r["update"] for r in folder.tail()[0] if r["event"] == "update" and r["run"] == 0]
    assert len(updates) == 12 + 4 and list(curves(folder).updates[0]) == list(range(1, 13))
    assert same(learned(folder), straight(spec().runs[0]))


@pytest.mark.slow
def test_a_changed_rate_holds_for_both_runs_from_the_same_update_and_is_replayed(make):
    folder = make()
    train(folder, after(9, {"do": "rate", "factor": 0.1}, None, None, {"do": "pause"}), OFTEN)
    made = curves(folder).changes
    assert [(run, first) for run, first, _ in made] == [(0, 5), (1, 5)]  # 5 and 4 updates were done
    train(folder, no_command, OFTEN)
    for index, run in enumerate(spec().runs):
        rates = [record["lr"] for record in curves(folder).updates[index].values()]
        assert rates == [TRAIN.lr] * 5 + [0.1 * TRAIN.lr] * 7

        def rate(update, run=run):
            return learning_rate(run.train, update) * (0.1 if update >= 5 else 1.0)

        expected = straight(run, rate=rate)
        assert same(learned(folder, index), expected) and not same(expected, straight(run))
    again = make(spec(changes=tuple(made)), "again")
    train(again, no_command, OFTEN)
    assert same(learned(again), learned(folder)) and same(learned(again, 1), learned(folder, 1))


@pytest.mark.parametrize("at", [0, 5])
def test_a_loss_that_blows_up_stops_with_the_last_good_weights(make, at):
    folder = make()
    state, reason = train(folder, after(2 * at, {"do": "rate", "factor": 1e6}), OFTEN)
    assert state == "failed" and "learning rate" in reason and "weights" in reason and "feedback" in reason
    for index, run in enumerate(spec().runs):
        update, why = curves(folder).faults[index]
        assert update == at and f"update {at} " in why
        expected = straight(run, updates=at) if at else build(run.model, run.train.seed).state_dict()
        assert same(learned(folder, index), expected)
    assert train(folder, no_command, OFTEN)[0] == "failed"  # and is not taken up again


def test_a_loss_that_is_no_number_is_told_in_plain_words(make):
    wild = SMALL.replace(delta_norm=False, norm="none")
    runs = (TrainingRun("wild", wild, TRAIN.replace(lr=1e9, clip=0.0)), spec().runs[1])
    folder = make(Spec(TASK, runs))
    state, reason = train(folder, no_command, OFTEN)
    assert state == "failed" and reason.startswith("wild: Stopped at update 2")
    assert same(learned(folder, 1), straight(runs[1]))  # the other goes on to its end
    assert all(json.loads(line) for line in (folder.path / "log.jsonl").read_text().splitlines())


def test_the_time_allowed_is_kept_and_named(make, monkeypatch):
    looks = itertools.count(0.0)  # a clock that a busy machine does not hurry: a second a look
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: next(looks)))
    folder = make(spec(FOREVER, seconds=40.0))
    state, reason = train(folder, no_command, OFTEN)
    assert state == "stopped" and "time allowed" in reason and folder.load_state(0).update > 0


def test_examples_of_ones_own_reach_the_runs(make):
    mask = torch.zeros(16, 16, dtype=torch.long)
    mask[2:9, 4:12] = 1
    examples = replace_example(training_examples(TASK, TRAIN), 0, own_example(TASK, mask))
    folder = make(spec(examples=examples))
    train(folder, no_command, OFTEN)
    run = spec().runs[0]
    assert same(learned(folder), straight(run, examples=examples)) and not same(
        learned(folder), straight(run)
    )


def test_a_full_disk_ends_the_run_in_plain_words_and_keeps_the_last_snapshot(make, monkeypatch):
    folder = make()
    write, calls = os.write, []

    def full(file, line):
        calls.append(line)
        if len(calls) > 14:
            write(file, line[: len(line) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, line)

    monkeypatch.setattr(files.os, "write", full)
    state, reason = train(folder, no_command, OFTEN)
    assert state == "interrupted" and "disk is full" in reason and folder.load_state(0).update > 0
    monkeypatch.undo()
    assert train(folder, no_command, OFTEN) == ("done", "")
    assert same(learned(folder), straight(spec().runs[0]))
    assert list(curves(folder).updates[0]) == list(range(1, 13))  # the torn line is passed over


@pytest.mark.slow
def test_files_that_may_not_grow_end_the_run_and_keep_the_last_snapshot(make):
    folder = make(spec(FOREVER))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        state, reason = train(folder, no_command, Limits())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert state == "interrupted" and "disk is full" in reason
    assert train(folder, after(2, {"do": "stop"}), Limits())[0] == "stopped"


def test_a_damaged_snapshot_is_told_and_not_trained_over(make):
    folder = make()
    train(folder, after(4, {"do": "pause"}), OFTEN)
    path = folder.path / "state-0.training"
    path.write_bytes(path.read_bytes()[:-100])
    assert train(folder, no_command, OFTEN)[0] == folder.status()[0] == "failed"
    assert "damaged" in folder.status()[1]


def test_two_workers_never_train_one_job(make, monkeypatch):
    monkeypatch.setattr(training, "WARM_LOCK", 0.0)
    folder = make()
    with folder.lock():
        assert folder.locked() and train(folder, no_command, OFTEN)[0] == "interrupted"
        assert folder.status()[0] == "queued" and folder.tail()[0] == []
    assert not folder.locked() and train(folder, no_command, OFTEN)[0] == "done"
