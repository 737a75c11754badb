"""Small jobs for the tests of pages.jobs, and what they must come to."""

import time

import torch

from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import fit
from pages.jobs import Curves, Limits, Spec

TASK = ShapesConfig(side=16, sigma=0.2)
SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TRAIN = TrainConfig(
    examples=2, batch=2, updates=12, steps_min=2, steps_max=2, schedule="constant", flips=True
)
FOREVER = TRAIN.replace(updates=20_000)
LONG = 180.0  # seconds to wait for what takes a few at most, where nothing else runs
# on a busy machine a worker is slow to obey, which is not what is tested: it gets all the time it needs
LIMITS = Limits(workers=1, snapshot=0.0, validation=0.05, nice=0, grace=LONG)
OFTEN = Limits(snapshot=0.0, validation=0.0)  # of a job that is trained without a pool: each state is kept


def spec(train=TRAIN, **more):
    runs = tuple(TrainingRun(kind, SMALL.replace(kind=kind), train) for kind in ("feedback", "feedforward"))
    return Spec(TASK, runs, **more)


def straight(run, task=TASK, updates=None, **more):
    """The weights of a run trained in one go, without jobs, after `updates` updates."""
    model = build(run.model, run.train.seed)
    for progress in fit(model, task, run.train, **more):
        if progress.update == updates:
            break
    return model.state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def no_command():
    """For `train`: nothing is asked of it."""


def curves(folder):
    return Curves(folder.tail()[0])


def finish(pool, job, owner="me"):
    """The job once it is no longer active."""
    wait_for(lambda: not pool.poll(job, owner).active)
    return pool.poll(job, owner)


def updates(pool, job, owner="me"):
    """The records of its first run's updates."""
    return Curves(pool.poll(job, owner).records).updates.get(0, {})


def under_way(pool, job, owner="me"):
    """The job, once it has learned something."""
    wait_for(lambda: len(updates(pool, job, owner)) > 2)
    return job


def weights(pool, job, run=0, owner="me"):
    return pool.model(job, owner, run)[0].state_dict()


def worker(pool, other_than=None):
    """The one worker, once it is ready, and not the one that is to be replaced."""
    return wait_for(
        lambda: next((p for p in list(pool._scheduler.processes) if p.ready and p is not other_than), None)
    )


def next_to_measure(pool):
    """The worker that takes what is measured next: the first, once none is still to come or at work."""

    def first():
        there = list(pool._scheduler.processes)
        calm = not pool._scheduler._starting and all(one.ready and one.job is None for one in there)
        return there[0] if calm and there else None

    return wait_for(first)


def wait_for(what):
    """Wait until what() is true, and return it; fail after LONG seconds."""
    deadline = time.monotonic() + LONG
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found
