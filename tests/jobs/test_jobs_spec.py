"""What a job is asked to do: it travels unchanged, and what is too much or does not fit is refused."""

import pytest
from jobs_setup import SMALL, TASK, TRAIN, spec

from fbseg_core.config import ShapesConfig
from fbseg_core.settings import ConfigError
from fbseg_core.training.examples import training_examples
from fbseg_core.training.fewshot import TrainingRun
from pages.jobs import JobError, Limits, Spec
from pages.jobs.folder import Folder


def test_workers_give_way_unless_it_is_said_otherwise(monkeypatch):
    monkeypatch.setenv("FBSEG_NICE", "5")
    assert Limits().nice == 5
    monkeypatch.delenv("FBSEG_NICE")
    assert Limits().nice == 19


def test_a_spec_travels_unchanged(tmp_path):
    a, b = spec().runs
    job = Spec(TASK, (a, TrainingRun("x", b.model, b.train, 2)), seconds=3.0, changes=((1, 5, 0.5),))
    assert Folder.create(tmp_path / "job", job, "me").spec() == job
    with pytest.raises(JobError, match="unreadable"):
        Spec.parse({**job.plain(), "task": {"name": "nothing"}})


@pytest.mark.parametrize(
    "job, words",
    [
        (Spec(TASK, ()), "runs"),
        (Spec(TASK, spec().runs[:1] * 2), "name"),
        (spec(TRAIN.replace(updates=100_000)), "updates"),
        (spec(seconds=1e5), "seconds"),
        (spec(changes=((2, 0, 0.5),)), "learning rate"),
        (spec(changes=((0, 0, float("nan")),)), "learning rate"),
        (spec(TRAIN.replace(patience=1, eval_every=1)), "patience"),
        (
            Spec(ShapesConfig(side=512), (TrainingRun("a", SMALL, TRAIN.replace(batch=64, steps_max=50)),)),
            "memory",
        ),
        (Spec(TASK, (TrainingRun("a", SMALL.replace(width=128), TRAIN.replace(steps_max=2)),)), "fine"),
        (Spec(TASK, (TrainingRun("a", SMALL.replace(width=128, depth=4), TRAIN),)), "weights"),
        (Spec(TASK, (TrainingRun("a", SMALL.replace(in_channels=1), TRAIN),)), "in_channels"),
        (spec(examples=training_examples(TASK, TRAIN.replace(examples=3))), "examples"),
    ],
)
def test_a_job_that_asks_for_too_much_or_does_not_fit_is_refused(job, words):
    if words == "fine":
        return job.check(Limits())
    with pytest.raises((JobError, ConfigError), match=words):
        job.check(Limits())


def test_runs_that_would_take_too_much_disk_are_refused():
    job = spec()
    with pytest.raises(JobError, match="MB of disk"):
        job.check(Limits(disk_job=1000))
    job.check(Limits())
