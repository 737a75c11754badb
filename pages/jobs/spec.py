"""What a job is to do, as one value that travels as JSON, and what no job may exceed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any

from fbseg_core.config import ModelConfig, TaskConfig, TrainConfig
from fbseg_core.models.registry import count_weights, traits_of
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Batch, Content, make_batch, parse_task, task_of
from fbseg_core.training.examples import check_examples
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import check_fit

VALIDATED, SHOWN = 8, 3  # validation images: scored while a job trains; the first of them are shown
VALIDATION_SEED = 20_000
LONGEST_NAME = 80
SNAPSHOT = 12  # bytes for each weight: itself and Adam's two moments
FLOATS = 32  # kept for backward, for each pixel, step, image and channel of width, u and v: 9 to 31 measured


class JobError(Exception):
    """Something asked of a job cannot be done. The message is one sentence fit for a visitor.

    It is no ValueError, since code that handles those of a parser would swallow it.
    """


class NoSuchJob(JobError):
    """There is no such job, or it is another owner's, which must look alike."""

    def __init__(self) -> None:
        super().__init__("There is no such run.")


@dataclass(frozen=True)
class Limits:
    """What the pool and its jobs may take. Seconds are wall-clock time; memory is in bytes."""

    workers: int = 0  # processes; 0 is one for each core but one, four at most
    per_owner: int = 2  # jobs of one visitor that run or wait
    waiting: int = 32  # jobs of all visitors that wait
    lease: float = 90.0  # a job nobody asks after is stopped; hidden tabs ask only once a minute
    grace: float = 0.7  # a worker that does not stop within it is killed
    snapshot: float = 0.7  # between two snapshots: what a crash may cost
    validation: float = 0.7  # between two validation scores of a run, at least
    runs: int = 40  # in a job
    updates: int = 20_000  # of a run
    seconds: float = 600.0  # of a job
    weights: int = 2_500_000  # of a model: a snapshot of three times as many floats stays quick
    memory: int = 2**30  # of one update
    kept: int = 200  # ended jobs on the disk
    kept_each: int = 40  # and of one visitor
    disk: int = 2**32  # bytes of all of them
    disk_each: int = 2**29
    disk_job: int = 2**28  # of the snapshots of one job
    age: float = 30 * 86_400.0  # an ended job is deleted so long after it was last under way
    # how far workers give way to the server and the visitor's browser, 19 the most
    nice: int = field(default_factory=lambda: int(os.environ.get("FBSEG_NICE", "19")))

    def processes(self) -> int:
        """Workers at most: all cores but the server's own, at least one."""
        return self.workers or max(1, min(4, _cores() - 1))


@dataclass(frozen=True)
class Spec:
    """Runs that train side by side on one task.

    examples: the clean images all of them read, in place of drawn ones. seconds: wall-clock budget, the
    pool's own limit if 0. changes: (run, first update, factor) of learning rates changed in flight, to be
    repeated.
    """

    task: TaskConfig
    runs: tuple[TrainingRun, ...]
    examples: Content | None = None
    seconds: float = 0.0
    changes: tuple[tuple[int, int, float], ...] = ()

    def check(self, limits: Limits) -> None:
        """Raise JobError for what exceeds the limits, and ConfigError for what does not fit together."""
        if not 1 <= len(self.runs) <= limits.runs:
            raise JobError(f"A job has 1 to {limits.runs} runs, not {len(self.runs)}.")
        if len({run.name for run in self.runs}) < len(self.runs):
            raise JobError("Each run of a job needs a name of its own.")
        if not all(0 < len(run.name) <= LONGEST_NAME for run in self.runs):
            raise JobError(f"The name of a run has 1 to {LONGEST_NAME} characters.")
        if not 0 <= self.seconds <= limits.seconds:
            raise JobError(f"A job may take up to {limits.seconds:g} seconds.")
        for run in self.runs:
            self._check(run, limits)
        held = sum(SNAPSHOT * count_weights(run.model) for run in self.runs)
        if held > limits.disk_job:
            raise JobError(
                f"These runs would take {held >> 20} MB of disk, more than {limits.disk_job >> 20}; lower "
                "the width, or train fewer at once."
            )
        if not all(
            run in range(len(self.runs)) and first >= 0 and sound_factor(factor)
            for run, first, factor in self.changes
        ):
            raise JobError("A change of the learning rate names no run of this job, or is no number.")

    def _check(self, run: TrainingRun, limits: Limits) -> None:
        check_fit(run.model, self.task)
        if self.examples is not None:
            check_examples(self.task, run.train, self.examples)
        if run.train.patience:
            raise JobError(f"{run.name}: patience is for runs without a visitor; set it to 0.")
        if run.train.total > limits.updates:
            raise JobError(f"{run.name}: {run.train.total} updates are more than {limits.updates}.")
        weights = count_weights(run.model)
        if weights > limits.weights:
            raise JobError(
                f"{run.name}: {weights:,} weights are more than {limits.weights:,}; lower the width."
            )
        memory = update_memory(self.task, run)
        if memory > limits.memory:
            raise JobError(
                f"{run.name}: an update would take about {memory / 2**30:.1f} GB of memory, too much; use "
                "smaller images, fewer steps, a smaller batch or a narrower model."
            )

    def plain(self) -> dict[str, Any]:
        """As JSON takes it, without the examples."""
        return {
            "task": self.task.model_dump(mode="json"),
            "runs": [
                {
                    "name": run.name,
                    "model": run.model.model_dump(mode="json"),
                    "train": run.train.model_dump(mode="json"),
                    "turn": run.turn,
                }
                for run in self.runs
            ],
            "seconds": self.seconds,
            "changes": [list(change) for change in self.changes],
        }

    @classmethod
    def parse(cls, plain: Any, examples: Content | None = None) -> Spec:
        """Read what `plain` gave. Raises JobError, nothing else."""
        try:
            runs = tuple(
                TrainingRun(
                    str(run["name"]),
                    ModelConfig.parse(run["model"]),
                    TrainConfig.parse(run["train"]),
                    int(run["turn"]),
                )
                for run in plain["runs"]
            )
            changes = tuple((int(run), int(first), float(by)) for run, first, by in plain["changes"])
            return cls(parse_task(plain["task"]), runs, examples, float(plain["seconds"]), changes)
        except (ConfigError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise JobError(f"The job's description is unreadable ({error!s:.120}).") from None


def validation_images(task: TaskConfig) -> Batch:
    """The fixed images that are scored while a job trains, or all there are; masks of the first SHOWN are
    recorded."""
    supply = task_of(task).supply(task, "test")
    images = VALIDATED if supply is None else min(VALIDATED, supply)
    return make_batch(task, images, VALIDATION_SEED, "test")


def sound_factor(factor: float) -> bool:
    """Whether a learning rate may be multiplied by it."""
    return math.isfinite(factor) and 0 <= factor <= 1e6


def update_memory(task: TaskConfig, run: TrainingRun) -> int:
    """A rough upper bound of the memory an update takes, in bytes."""
    model, train = run.model, run.train
    steps = train.steps_max if traits_of(model).takes_steps else 1
    channels = model.width + model.u + model.v
    return 4 * FLOATS * channels * math.prod(task.size) * steps * train.batch


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
