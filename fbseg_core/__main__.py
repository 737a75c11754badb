"""The command line: python -m fbseg_core train | eval | info | bench | experiment.

Every flag of `train` is a setting of `config`.
"""

from __future__ import annotations

import functools
import json
import operator
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from tqdm import tqdm

from fbseg_core.arguments import check_numbers, check_out, stopped_as_by_hand
from fbseg_core.bench import bench
from fbseg_core.checkpoint import (
    Card,
    CheckpointError,
    load,
    load_training,
    measured,
    read_card,
    save,
    save_training,
    shipped,
    versions,
)
from fbseg_core.config import EVAL_SEED, ModelConfig, Switches, TaskConfig, TrainConfig
from fbseg_core.device import Choice, new_models_on, pick, title
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.code import code_of
from fbseg_core.experiments.harness import run as run_grid
from fbseg_core.experiments.records import RESULTS, path_of, read, related
from fbseg_core.experiments.report import made_by
from fbseg_core.memory import keep_freed_memory
from fbseg_core.models.base import Model
from fbseg_core.models.registry import build
from fbseg_core.predictive.command import subcommands
from fbseg_core.scores.evaluate import Score, evaluate
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS, make_batch, task_of
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


@dataclass
class Eval:
    """Score checkpoints on fresh images, at t = 1, T and 3T."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Checkpoints by name or path; all that ship if none is given."""
    images: int = 200
    """Fresh images; pooled F1 has an interval over them."""
    seed: int = EVAL_SEED
    """Seed of the images."""
    sigma: float | None = None
    """Noise per pixel; the checkpoint's own if not given."""
    side: int | None = None
    """Image side in px, of a task that has one; the checkpoint's own if not given."""
    folder: str | None = None
    """Where a model's own kind of images are, for one trained on a folder."""
    threads: int = 2
    """CPU threads."""
    device: Choice = "cpu"
    """Where models stand. auto: cuda where there is one. Digits agree between machines on the CPU alone."""
    curve: bool = False
    """Print F1 at every step."""
    switches: Switches = field(default_factory=Switches)
    """Mechanisms to flip at inference."""

    def run(self) -> None:
        check_numbers(1, images=self.images, threads=self.threads)
        check_numbers(0, seed=self.seed)
        torch.set_num_threads(self.threads)
        device = pick(self.device)
        print(f"device: {title(device)}")
        for name in self.names or shipped():
            with new_models_on(device):
                model, card = load(name)
            changes = {"sigma": self.sigma, "side": self.side, "folder": self.folder}
            task = card.task.replace(**{k: v for k, v in changes.items() if v is not None})
            task = task if self.folder is None else task_of(task).opened(task)
            score = measure(model, task, self.images, self.seed, self.switches)
            report(Path(name).stem, score, task)
            if self.curve:
                print("   F1 by step:", " ".join(f"{value:.3f}" for value in score.f1))


@dataclass
class Info:
    """Print a checkpoint's card."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Checkpoints by name or path; all that ship if none is given."""

    def run(self) -> None:
        for name in self.names or shipped():
            card = read_card(name)
            settings = {key: getattr(card, key).model_dump(mode="json") for key in ("model", "task", "train")}
            print(json.dumps({"name": Path(name).stem, **vars(card), **settings}, indent=2))


@dataclass
class Bench:
    """Measure speed and memory, as ratios of one run."""

    side: int = 64
    """Image side in px."""
    width: int = 8
    """Width of the U-Net."""
    repeats: int = 15
    """Interleaved repetitions; the median is printed."""
    scored_width: int = 1
    """Width of the model that scores 64 images of 512 px: 8 takes about a quarter of an hour."""
    threads: int = 1
    """CPU threads."""
    device: Choice = "cpu"
    """Where the models that are timed stand. Memory is measured on the CPU in any case."""

    def run(self) -> None:
        check_numbers(1, repeats=self.repeats, threads=self.threads)
        torch.set_num_threads(self.threads)
        device = pick(self.device)
        print(f"device: {title(device)}")
        for line in bench(self.side, self.width, self.repeats, self.scored_width, device):
            print(line)


@dataclass
class RunExperiment:
    """Measure an experiment's grid, or what is left of it."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=f"Which one: {', '.join(EXPERIMENTS)}.")]
    profile: Literal["tiny", "quick", "full"] = "quick"
    """How large a grid: tiny (a test of the machinery), quick (minutes), full (what ships)."""
    jobs: int = 1
    """Worker processes, one thread each."""
    backend: Literal["loky", "dask"] = "loky"
    """Where cells run: on this machine, or on a Dask cluster."""
    address: str | None = None
    """Address of the Dask scheduler."""
    device: Choice = "cpu"
    """Where models stand. auto: cuda where there is one. Digits agree between machines on the CPU alone."""
    folder: Path = RESULTS
    """Where results are kept: finished cells stay, so a stopped run goes on where it was."""
    keep: bool = False
    """Keep cells that other code made, too; else they are measured again."""

    def run(self) -> None:
        if self.name not in EXPERIMENTS:
            raise ConfigError(
                f"name: there is no experiment {self.name!r:.60}; choose from {', '.join(EXPERIMENTS)}."
            )
        check_numbers(1, jobs=self.jobs)
        command = f"python -m fbseg_core experiment {self.name} --profile {self.profile}"
        pick(self.device)  # before any cell
        options = {"jobs": self.jobs, "backend": self.backend, "address": self.address, "keep": self.keep}
        options["device"] = self.device
        experiment, path = EXPERIMENTS[self.name], path_of(self.name, self.profile, self.folder)
        with tqdm(unit="cell") as bar:
            for done, total in run_grid(
                experiment, self.profile, folder=self.folder, command=command, **options
            ):
                bar.total = total
                bar.update(done - bar.n)
        rows = read(path)[1]
        print(f"{path}: {total} cells, {made_by(rows, code_of(experiment.measure, experiment.checkpoints))}.")
        finding = experiment.conclude(rows, related(experiment, self.profile, self.folder))
        print(f"{experiment.title}: {finding.verdict}. {finding.because}")


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


def measure(
    model: Model, task: TaskConfig, images: int, seed: int, switches: Switches | None = None
) -> Score:
    """Score a model at t = 0 … 3T (0 and 1 for a feedforward one) on `images` fresh images, or on all that
    there are."""
    supply = task_of(task).supply(task, "test")
    images = images if supply is None else min(images, supply)
    steps = 3 * model.steps if model.traits.takes_steps else 1
    return evaluate(model, make_batch(task, images, seed, "test"), steps, switches or Switches())


def report(name: str, score: Score, task: TaskConfig) -> None:
    """Print one line of a score and what noise it was taken at; of more than two classes, one for each."""
    kind = task_of(task)
    classes = kind.class_names(task)
    last = len(score.f1) - 1
    at = [1] if last == 1 else [1, last // 3, last]
    values = "  ".join(f"t={t}: {score.f1[t]:.3f} [{score.low[t]:.3f}, {score.high[t]:.3f}]" for t in at)
    noise = f"sigma {task.sigma:g} (paper sigma {task.paper_sigma:.3g}), {_px(task)}"
    trivial = "" if score.trivial is None else f"  {kind.trivial_name(task)} {score.trivial:.3f}"
    print(f"{name}: pooled F1 {values}  chance {score.chance:.3f}{trivial}  ({score.images} images, {noise})")
    if len(classes) > 2:
        wide = max(map(len, classes))
        for k, label in enumerate(classes):
            found = [(t, score.class_f1[t][k], score.class_iou[t][k]) for t in at]
            values = "  ".join(f"t={t}: F1 {_number(one)} IoU {_number(other)}" for t, one, other in found)
            print(f"   {label:<{wide}}  {values}")
        values = "  ".join(f"t={t}: F1 {score.f1[t]:.3f} IoU {score.iou[t]:.3f}" for t in at)
        print(f"   {'mean':<{wide}}  {values}  (of the classes present but {classes[0]})")


def _number(value: float | None) -> str:
    """A score; a dash where neither truth nor answer holds the class."""
    return "  –  " if value is None else f"{value:.3f}"


def _px(task: TaskConfig) -> str:
    height, width = task.size
    return f"{height} px" if height == width else f"{height} × {width} px"


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


RUN_EXPERIMENT = Annotated[RunExperiment, tyro.conf.subcommand("experiment")]


def commands() -> Any:
    """The union of all subcommands; `train` has one for each task and protocol, and for predictive coding."""
    trains = [
        Annotated[
            Train,
            tyro.conf.subcommand(
                f"{task}-{protocol}",
                default=Train(
                    out=Path(f"{task}.safetensors"),
                    task=kind.config(),
                    train=train,
                    model=ModelConfig(),
                    protocol=protocol,
                ),
                description=f"Train on {task} by the {protocol} protocol.",
            ),
        ]
        for task, kind in TASKS.items()
        for protocol, train in PROTOCOLS.items()
    ]
    train = Annotated[
        functools.reduce(operator.or_, [*trains, *subcommands()]),
        tyro.conf.subcommand("train", description="Train a model and save it with its score."),
    ]
    return train | Eval | Info | Bench | RUN_EXPERIMENT


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status. A refused setting is one sentence, not a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    keep_freed_memory()
    try:
        with stopped_as_by_hand():
            tyro.cli(commands(), args=arguments, prog="python -m fbseg_core", description=__doc__).run()
    except (ConfigError, CheckpointError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:  # a disk that is full or closed to us, a cluster that does not answer
        print(" ".join(f"{error.strerror or error}: {error.filename or ''}".split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
