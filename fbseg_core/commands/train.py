"""The command `train`: one training from its settings to a scored checkpoint, kept whatever ends it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from tqdm import tqdm

from fbseg_core.arguments import check_numbers, check_out
from fbseg_core.checkpoint import Card, load, load_training, measured, save, save_training, versions
from fbseg_core.commands.score import measure, report
from fbseg_core.config import EVAL_SEED, ModelConfig, TrainConfig
from fbseg_core.device import Choice, pick, title
from fbseg_core.models.base import Model
from fbseg_core.models.registry import build
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import task_of
from fbseg_core.training.fit import PROTOCOLS, TrainingState, fit

SNAPSHOT = 60.0  # seconds between two snapshots of a training: what a crash may cost


@dataclass
class Train:
    """Train a model and save it with its measured score. Ctrl-C keeps what was learned.

    The model's in_channels and classes follow from the task.
    """

    out: Path
    """Checkpoint to write (.safetensors), with a .training file next to it while the run is unfinished."""
    task: Any
    train: TrainConfig
    model: ModelConfig
    images: int = 200
    """Fresh images to score the result on."""
    eval_seed: int = EVAL_SEED
    """Seed of those images."""
    weights: str = ""
    """Start from the weights of this checkpoint, by name or path; else they are drawn from the seed."""
    resume: bool = False
    """Go on from the .training file of an unfinished run."""
    threads: int = 1
    """CPU threads. Another number may round differently, so give other weights in the last digits."""
    device: Choice = "cpu"
    """Where models stand. auto: cuda where there is one. Digits agree between machines on the CPU alone."""
    protocol: tyro.conf.Suppress[str] = "matched"

    def run(self) -> None:
        check_numbers(1, images=self.images, threads=self.threads)
        check_numbers(0, eval_seed=self.eval_seed)
        check_out(self.out)
        torch.set_num_threads(self.threads)
        kind = task_of(self.task)
        self.task = kind.opened(self.task)
        config = self.model.replace(
            in_channels=len(kind.channel_names(self.task)), classes=len(kind.class_names(self.task))
        )
        device = pick(self.device)
        unfinished = self.out.with_suffix(".training")
        model = build(config, self.train.seed).to(device)
        if self.weights:
            start_from(model, self.weights)
        start = load_training(unfinished) if self.resume else None
        progress, found = None, {}  # found: what the last validation gave
        bar = tqdm(total=self.train.total, initial=start.update if start else 0, unit="update")
        saved_at = time.monotonic()
        try:
            with bar:
                for progress in fit(model, self.task, self.train, start):
                    now = {"loss": f"{progress.loss:.3f}", "lr": f"{progress.lr:.1e}"}
                    if progress.means:
                        found = {"F1": f"{progress.means.f1[-1]:.3f}", "IoU": f"{progress.means.iou[-1]:.3f}"}
                    bar.set_postfix(**now, **found, refresh=False)
                    bar.update()
                    if time.monotonic() - saved_at >= SNAPSHOT:
                        keep_snapshot(progress.snapshot(), unfinished)
                        saved_at = time.monotonic()
        except KeyboardInterrupt:
            print("\nStopped; keeping what was learned.")
        updates = start.update if progress is None and start else getattr(progress, "update", 0)
        done = updates == self.train.total
        if progress is not None:
            keep_snapshot(progress.snapshot(), unfinished)  # first, so that nothing that fails below loses it
        elif not done:  # else all was learned before, and then scoring or saving failed
            print("Nothing to do: no update was made.")
            return
        if not done:
            print(f"Unfinished: {progress.stopped or 'stopped by hand'}. Go on with --resume.")
        score = measure(model.eval(), self.task, self.images, self.eval_seed)
        card = Card(
            model=config,
            task=self.task,
            train=self.train,
            updates=updates,
            protocol=describe(self.protocol, self.train)
            + (f", from the weights of {Path(self.weights).stem}" if self.weights else ""),
            eval_seed=self.eval_seed,
            **measured(score, config.steps),
            versions=versions(device),
        )
        save(model, card, self.out)
        if done:
            unfinished.unlink(missing_ok=True)
        print(f"device: {title(device)}")
        report(self.out.stem, score, self.task)


def keep_snapshot(state: TrainingState, path: Path) -> None:
    """Write a run's state for --resume; where its folder takes none, among the temporary files.

    Raises ConfigError where neither does.
    """
    try:
        return save_training(state, path)
    except OSError as error:
        reason = error.strerror
    other = Path(tempfile.gettempdir()) / path.name
    try:
        save_training(state, other)
    except OSError:
        raise ConfigError(
            f"out: {path.name!r:.80} cannot be written there ({reason}), nor anywhere."
        ) from None
    tqdm.write(f"{path} cannot be written ({reason}). What was learned is in {other}; move it for --resume.")


def start_from(model: Model, checkpoint: str) -> None:
    """Give a model the weights of a checkpoint, whatever images that one learned from.

    Raises ConfigError where it is of another shape, CheckpointError where it cannot be read.
    """
    learned = load(checkpoint)[0].state_dict()
    if {k: v.shape for k, v in learned.items()} != {k: v.shape for k, v in model.state_dict().items()}:
        raise ConfigError(f"weights: {Path(checkpoint).stem!r:.60} is a model of another shape.")
    model.load_state_dict(learned)


def describe(protocol: str, train: TrainConfig) -> str:
    """The protocol's name, and what this run changes of it (its seed apart)."""
    named = PROTOCOLS[protocol].model_dump()
    changed = {
        key: value for key, value in train.model_dump().items() if value != named[key] and key != "seed"
    }
    return (
        f"{protocol} ({', '.join(f'{key} {value}' for key, value in changed.items())})"
        if changed
        else protocol
    )
