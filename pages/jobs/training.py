"""What a worker does with one job: train its runs in turns, and keep what is learned.

The random draws of an update depend on the seed and its number alone (`fbseg_core.training.fit`), so
neither the turns, nor pauses, nor a crash and its resumption change any weight.
"""

from __future__ import annotations

import contextlib
import errno
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from fbseg_core.checkpoint import CheckpointError
from fbseg_core.config import TaskConfig
from fbseg_core.models.registry import build, traits_of
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.evaluate import means
from fbseg_core.scores.metrics import confusion, mask_of
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Batch
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import Progress, TrainingState, fit, learning_rate, scale_at
from pages.jobs.curves import Curves
from pages.jobs.folder import Folder, Log
from pages.jobs.spec import SHOWN, JobError, Limits, Spec, validation_images

DIVERGED = 1e6  # nats a pixel: the loss of no model that still learns
VALIDATION_SHARE = 10  # a validation score may cost a tenth of the time
WARM_LOCK = 3.0  # seconds to wait for the last worker on this job to finish

Command = Callable[[], dict[str, Any] | None]


class Learner:
    """One run of a job: its model, how far it is, and its last two states, of which the older is proven."""

    def __init__(self, index: int, spec: Spec, folder: Folder, log: Log, past: Curves) -> None:
        self.index, self.run, self.folder, self.log = index, spec.runs[index], folder, log
        train = self.run.train
        made = [*spec.changes, *past.changes]
        self.changes = [(first, factor) for run, first, factor in made if run == index]
        self.model = build(self.run.model, train.seed)
        resume = folder.load_state(index)
        if resume is None:
            resume = TrainingState(0, {k: v.clone() for k, v in self.model.state_dict().items()}, {})
        self.states = [resume]
        self.saved = resume.update
        self.fault = past.faults.get(index)
        self.progress = fit(self.model, spec.task, train, resume, examples=spec.examples, rate=self.rate)
        self.model.load_state_dict(resume.model)
        self.model.eval()
        self.taken: list[float] = []  # seconds of each update since the job began or was resumed
        self.validated_at, self.validation_cost = -math.inf, 0.0

    @property
    def done(self) -> int:
        return self.states[-1].update

    @property
    def share(self) -> Fraction:
        return Fraction(self.done, self.run.train.total)

    @property
    def ended(self) -> bool:
        return self.fault is not None or self.done >= self.run.train.total

    def rate(self, update: int) -> float:
        """The learning rate of an update (from 0), with the changes made in flight."""
        return learning_rate(self.run.train, update) * scale_at(self.changes, update)

    def advance(self) -> Progress:
        """One update. An unsound one ends the run at the state whose loss was last found sound."""
        start = time.perf_counter()
        progress = next(self.progress)
        self.taken.append(time.perf_counter() - start)
        reason, proven = _unsound(progress, self.run)
        if reason is None:
            self.states = [self.states[-1], progress.snapshot()]
            return progress
        self.states = [self.states[-1] if proven else self.states[0]]
        self.model.load_state_dict(self.states[0].model)
        self.fault = (self.done, f"{reason}. The weights after update {self.done} are kept.")
        return progress

    def save(self) -> None:
        """Write a snapshot, unless the last one is as new."""
        if self.saved != self.done:
            self.folder.save_state(self.index, self.states[-1])
            self.saved = self.done

    def validate(self, batch: Batch) -> None:
        """Score the validation images at t = 0 … T, and record the masks of those on show."""
        start = time.perf_counter()
        steps = self.run.train.steps_max if self.model.traits.takes_steps else 1
        logits = rollout(self.model, batch.x, steps).logits
        counts = [confusion(mask, batch.labels, logits.shape[2]) for mask in mask_of(logits)]
        counts += counts[-1:] * (steps + 1 - len(counts))  # a run that ended early keeps its last mask
        found = means(counts)
        self.folder.save_live(self.index, self.done, _shown(logits[1:, :SHOWN]))
        self.log.append(event="score", run=self.index, update=self.done, **asdict(found))
        self.validated_at = time.perf_counter()
        self.validation_cost = self.validated_at - start

    def validation_due(self, every: float) -> bool:
        waited = time.perf_counter() - self.validated_at
        return waited >= max(every, VALIDATION_SHARE * self.validation_cost)


def train(folder: Folder, command: Command, limits: Limits) -> tuple[str, str]:
    """Train a job until it is done, told to end, or ended by a fault; returns its state and the reason.

    command: asked before every update for {"do": "pause" | "stop" | "interrupt", "reason": …} or
    {"do": "rate", "factor": …}. The final status is written, where it can be.
    """
    try:
        with folder.lock(WARM_LOCK):
            state, reason = _train(folder, command, limits)
            with contextlib.suppress(OSError):  # the caller is told, too
                folder.set_status(state, reason)
    except JobError as error:  # locked
        state, reason = "interrupted", str(error)
    except OSError as error:
        state, reason = "interrupted", _disk(error)
    return state, reason


def _train(folder: Folder, command: Command, limits: Limits) -> tuple[str, str]:
    try:
        folder.sweep()
        folder.set_status("running")
        with contextlib.closing(Log(folder)) as log:
            return _Job(folder, log, limits).work(command)
    except OSError as error:
        return "interrupted", _disk(error)
    except MemoryError:
        return "interrupted", "There is not enough memory for this run."
    except (CheckpointError, ConfigError, JobError) as error:
        return "failed", str(error)


class _Job:
    """The runs of a job on their way through one worker."""

    def __init__(self, folder: Folder, log: Log, limits: Limits) -> None:
        self.folder, self.log, self.limits, self.spec = folder, log, limits, folder.spec()
        self.spec.check(limits)
        past = Curves(folder.tail()[0])
        self.before, self.start = past.seconds, time.perf_counter()
        self.learners = [Learner(i, self.spec, folder, log, past) for i in range(len(self.spec.runs))]
        self.batch = validation_images(self.spec.task)
        self.saved_at = time.perf_counter()
        log.append(event="begin", done=[learner.done for learner in self.learners])

    def work(self, command: Command) -> tuple[str, str]:
        """Take turns until the end; whatever ends it, what was learned is saved first."""
        while (learner := self._next()) is not None:
            told = self._obey(command)
            if told is None and self._seconds() >= (self.spec.seconds or self.limits.seconds):
                told = "stopped", f"The time allowed, {self._seconds():.0f} seconds, is used up."
            if told is not None:
                self._save()
                return told
            if learner.validation_due(self.limits.validation):
                learner.validate(self.batch)
            self._record(learner, learner.advance())
            if learner.ended:
                learner.validate(self.batch)
            if learner.ended or time.perf_counter() - self.saved_at >= self.limits.snapshot:
                self._save()
        faults = [f"{one.run.name}: {one.fault[1]}" for one in self.learners if one.fault]
        return ("failed", " ".join(faults)) if faults else ("done", "")

    def _next(self) -> Learner | None:
        """Of those whose turn it is, the run with the smallest share done: both curves grow together."""
        open_ = [learner for learner in self.learners if not learner.ended]
        return min(open_, key=lambda one: (one.run.turn, one.share, one.index), default=None)

    def _obey(self, command: Command) -> tuple[str, str] | None:
        while (told := command() or self.folder.asked()) is not None:
            if told["do"] != "rate":
                ends = {"pause": "paused", "stop": "stopped"}
                return ends.get(told["do"], "interrupted"), told.get("reason", "")
            share = max((one.share for one in self.learners if not one.ended), default=Fraction(0))
            for one in self.learners:
                if not one.ended:
                    first = math.ceil(share * one.run.train.total)  # the same point of every run
                    self.log.append(event="rate", run=one.index, first=first, factor=told["factor"])
                    one.changes.append((first, told["factor"]))
        return None

    def _record(self, learner: Learner, progress: Progress) -> None:
        self.log.append(
            event="update",
            run=learner.index,
            update=progress.update,
            total=progress.total,
            loss=progress.loss,
            losses=progress.losses,
            lr=progress.lr,
            grad_norm=progress.grad_norm,
            seconds=round(self._seconds(), 3),
            left=round(self._left(), 1),
        )
        if learner.fault:
            done, reason = learner.fault
            self.log.append(event="fault", run=learner.index, update=done, reason=reason)

    def _seconds(self) -> float:
        """Seconds of work on this job, those before a pause or a crash included."""
        return self.before + time.perf_counter() - self.start

    def _left(self) -> float:
        """Seconds left, from the updates so far; a run not begun is taken to be like those that have."""
        each = {one.index: statistics.fmean(one.taken[-20:]) for one in self.learners if one.taken}
        typical = statistics.fmean(each.values())
        left = {one.index: one.run.train.total - one.done for one in self.learners if not one.ended}
        spent = sum(sum(one.taken) for one in self.learners)
        overhead = (time.perf_counter() - self.start) / spent
        return overhead * sum(count * each.get(index, typical) for index, count in left.items())

    def _save(self) -> None:
        for learner in self.learners:
            learner.save()
        self.saved_at = time.perf_counter()


def seconds_per_update(
    task: TaskConfig, run: TrainingRun, budget: float, stop: Callable[[], bool]
) -> float | None:
    """Median seconds of an update of a fresh model, after a warm-up of one, within about `budget` seconds.

    None if `stop` asked for an end before one update was timed.
    """
    longer = run.train.replace(epochs=0, updates=100)  # enough of them, however short the run
    updates = fit(build(run.model, run.train.seed), task, longer)
    next(updates)
    taken: list[float] = []
    while not stop() and len(taken) < 20 and (not taken or sum(taken) < budget):
        start = time.perf_counter()
        if next(updates, None) is None:
            break
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) if taken else None


def _unsound(progress: Progress, run: TrainingRun) -> tuple[str | None, bool]:
    """Why an update ends the run, or None; and whether the weights it began with still had a sound loss."""
    steps = run.train.steps_min if traits_of(run.model).takes_steps else 1
    proven = math.isfinite(progress.loss) and progress.loss <= DIVERGED and len(progress.losses) >= steps
    if progress.stopped:
        return f"Stopped at update {progress.update}: {progress.stopped}", proven
    if not proven:
        return (
            f"Stopped at update {progress.update}: the loss has blown up to {progress.loss:.1e}; "
            "a smaller learning rate may help",
            False,
        )
    return None, True


def _shown(logits: torch.Tensor) -> np.ndarray:
    """What a page shows of logits (T, B, K, H, W), (T, B, H, W) uint8.

    Of two classes P(not background), 255 for 1; of more the class of each pixel.
    """
    if logits.shape[2] > 2:
        return mask_of(logits).to(torch.uint8).numpy()
    return (255 * (1 - logits.softmax(2)[:, :, 0])).round().to(torch.uint8).numpy()


def _disk(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "The disk is full; what was learned up to the last snapshot is kept. Make room and resume."
    return f"The run's folder cannot be written ({error.strerror or error}); what was saved is kept."
