"""The jobs that the Few-shot lab follows, and what is taken from their runs: curves, commands, cards."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from fbseg_core.checkpoint import Card, measured
from fbseg_core.config import EVAL_SEED, ModelConfig
from fbseg_core.models.registry import traits_of
from fbseg_core.scores.evaluate import Score
from fbseg_core.settings import Config
from fbseg_core.tasks import task_of
from fbseg_core.training.fewshot import TrainingRun
from fbseg_core.training.fit import PROTOCOLS
from pages.few_shot.figures import ABLATION_COLOURS, ABLATION_DASHES, Shown
from pages.jobs import Followed, Spec
from pages.ui.plotly_style import FEEDBACK, FEEDFORWARD
from pages.ui.tables import csv_of

IMAGES = 200  # as `python -m fbseg_core eval`


def shown(job: Followed, index: int, ablation: int | None = None) -> Shown:
    """A run as the figures draw it. ablation: the number of its ablation step, None for the two models."""
    run = job.spec.runs[index]
    recurrent = traits_of(run.model).takes_steps
    colour, dash = (FEEDBACK, "solid") if recurrent else (FEEDFORWARD, "dash")
    if ablation is not None:
        colour, dash = ABLATION_COLOURS[ablation % 4], ABLATION_DASHES[ablation % 4]
    return Shown(
        name=run.name,
        short=_short(run.name),
        recurrent=recurrent,
        colour=colour,
        dash=dash,
        steps=run.train.steps_max,
        total=run.train.total,
        updates=job.curves.updates.get(index, {}),
        scores=job.curves.scores.get(index, {}),
    )


def _short(name: str) -> str:
    base, *changes = name.split(" + ")
    return base if not changes else f"+ {changes[0]}" if len(changes) == 1 else f"+ {len(changes)} changes"


def curves_csv(jobs: Sequence[Followed]) -> str:
    """One row for each update of each run, with the validation F1 that was taken right before it, if any."""
    last = max(run.train.steps_max for job in jobs for run in job.spec.runs)
    head = ["run", "update", "seconds", "lr", "grad_norm", "loss"]
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            *head,
            *(f"loss_t{t}" for t in range(1, last + 1)),
            *(f"f1_t{t}" for t in range(last + 1)),
        )
    }
    for job in jobs:
        for index, run in enumerate(job.spec.runs):
            updates, scores = job.curves.updates.get(index, {}), job.curves.scores.get(index, {})
            for update in sorted(updates.keys() | scores.keys()):
                row = updates.get(update, {}) | {"run": run.name, "update": update}
                row |= {f"loss_t{t}": value for t, value in enumerate(row.get("losses", []), 1)}
                row |= {f"f1_t{t}": value for t, value in enumerate(scores.get(update, {}).get("f1", []))}
                for name, values in columns.items():
                    values.append(row.get(name))
    return csv_of(columns)


def protocol_of(run: TrainingRun) -> str:
    """The protocol whose settings a run shares most."""
    values = run.train.model_dump().items()
    return min(PROTOCOLS, key=lambda name: sum(getattr(PROTOCOLS[name], k) != v for k, v in values))


def command(spec: Spec, run: TrainingRun) -> str:
    """The command that learns the same weights without the app, if nothing keeps it from that."""
    protocol = protocol_of(run)
    parts = ["python", "-m", "fbseg_core", "train", f"{spec.task.name}-{protocol}"]
    parts += ["--out", f"{stem(run)}.safetensors"]
    implied = {"in_channels", "classes", "name"}  # they follow from the task
    for name, config, default in (
        ("task", spec.task, task_of(spec.task).config()),
        ("train", run.train, PROTOCOLS[protocol]),
        ("model", run.model, ModelConfig()),
    ):
        parts += _flags(name, config, default, implied)
    return shlex.join(parts)


def command_differs(job: Followed, index: int) -> str:
    """Why the command would learn other weights than the run has now; "" where it learns the same."""
    if job.spec.examples is not None:
        return "Examples of your own cannot be named on the command line: this one draws its own by the seed."
    if any(run == index for run, *_ in (*job.spec.changes, *job.curves.changes)):
        return "The learning rate was changed in flight, which the command does not repeat."
    if job.done(index) < job.spec.runs[index].train.total:
        return "The command trains to the end; this run has not reached it."
    return ""


def stem(run: TrainingRun) -> str:
    """A run's name as a file's."""
    words = run.name.replace("+", " ").replace(",", " ").split()
    return f"{'-'.join(words)}-{run.train.examples}-shot-seed{run.train.seed}"


def card(job: Followed, index: int, updates: int, score: Score) -> Card:
    """The card of a run's model after so many updates, with all that was done to it by hand."""
    run = job.spec.runs[index]
    words = [f"few-shot {protocol_of(run)}, {run.train.examples} examples"]
    words += ["some of them a visitor's own"] * (job.spec.examples is not None)
    for which, first, factor in (*job.spec.changes, *job.curves.changes):
        if which == index and first < updates:
            words.append(f"learning rate × {factor:g} from update {first + 1}")
    if updates < run.train.total:
        words.append(f"stopped at {updates} of {run.train.total} updates")
    return Card(
        model=run.model,
        task=job.spec.task,
        train=run.train,
        updates=updates,
        protocol=", ".join(words),
        eval_seed=EVAL_SEED,
        **measured(score, run.model.steps),
    )


def _flags(group: str, config: Config, default: Config, implied: set[str]) -> list[str]:
    """What differs from the subcommand's default, as the command line spells it."""
    found: list[str] = []
    for key, value in config.model_dump().items():
        if key in implied or value == getattr(default, key):
            continue
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{group}.{flag}" if value else f"--{group}.no-{flag}")
        else:
            found.append(f"--{group}.{flag}")
            found += [f"{one}" for one in value] if isinstance(value, tuple) else [f"{value}"]
    return found
