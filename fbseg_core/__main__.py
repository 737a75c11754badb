"""The command line: python -m fbseg_core train | eval | info | bench | experiment.

Every flag of `train` is a setting of `config`.
"""

from __future__ import annotations

import functools
import operator
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from fbseg_core.arguments import stopped_as_by_hand
from fbseg_core.checkpoint import CheckpointError
from fbseg_core.commands.bench import Bench
from fbseg_core.commands.experiment import RunExperiment
from fbseg_core.commands.score import Eval, Info
from fbseg_core.commands.train import Train
from fbseg_core.config import ModelConfig
from fbseg_core.memory import keep_freed_memory
from fbseg_core.predictive.command import subcommands
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS
from fbseg_core.training.fit import PROTOCOLS

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
