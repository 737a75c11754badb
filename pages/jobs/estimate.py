"""What a job would cost on this machine: measured, not guessed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from fbseg_core.training.fewshot import TrainingRun
from pages.jobs.scheduler import Scheduler
from pages.jobs.spec import JobError, Spec
from pages.jobs.timings import Refusal

ASK = 0.2  # seconds at most between two looks for an answer, or an idle worker
OVERHEAD = 1.3  # seconds of a job / seconds of its updates: validation scores, snapshots, the log


@dataclass(frozen=True)
class Estimate:
    """Measured seconds of an update of each run, and from them those of the whole job."""

    per_update: tuple[float, ...]
    seconds: float


def estimate(scheduler: Scheduler, spec: Spec, wait: float) -> Estimate | None:
    """Have an idle worker time a few updates of each run, unless it was done before.

    None where no answer came within `wait` seconds. Raises JobError where a run cannot be timed; a
    measurement that its worker died of is tried again after a while, not at once.
    """
    keys = [_cost_key(spec, run) for run in spec.runs]
    deadline = time.monotonic() + wait
    while True:
        with scheduler.changed:
            found = [scheduler.timings.get(key) for key in keys]
        missing = {key: run for key, run, known in zip(keys, spec.runs, found) if known is None}
        if not missing:
            break
        runs = tuple(replace(run, name=str(i)) for i, run in enumerate(missing.values()))
        scheduler.measure(list(missing), Spec(spec.task, runs).plain())
        if (left := deadline - time.monotonic()) <= 0:
            return None
        with scheduler.changed:
            scheduler.changed.wait(min(left, ASK))
    for seconds in found:
        if isinstance(seconds, Refusal):
            raise JobError(f"What this costs here could not be measured: {seconds.reason}")
    total = OVERHEAD * sum(run.train.total * each for run, each in zip(spec.runs, found))
    return Estimate(tuple(found), total)


def _cost_key(spec: Spec, run: TrainingRun) -> str:
    """What the time of an update depends on."""
    train = run.train.replace(seed=0, updates=1, epochs=0)
    return " ".join(part.model_dump_json() for part in (spec.task, run.model, train))
