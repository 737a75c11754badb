"""The command `experiment`: measure a grid, and say what was found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from fbseg_core.arguments import check_numbers
from fbseg_core.device import Choice, pick
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.clusters import Backend
from fbseg_core.experiments.code import code_of
from fbseg_core.experiments.harness import run as run_grid
from fbseg_core.experiments.records import RESULTS, path_of, read, related
from fbseg_core.experiments.report import made_by
from fbseg_core.settings import ConfigError


@dataclass
class RunExperiment:
    """Measure an experiment's grid, or what is left of it."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=f"Which one: {', '.join(EXPERIMENTS)}.")]
    profile: Literal["tiny", "quick", "full"] = "quick"
    """How large a grid: tiny (a test of the machinery), quick (minutes), full (what ships)."""
    jobs: int = 1
    """Worker processes, one thread each."""
    backend: Backend = "loky"
    """Where cells run: on this machine, or on a Dask or Ray cluster."""
    address: str | None = None
    """Of the cluster: tcp://HOST:PORT of Dask's scheduler; HOST:PORT or ray://HOST:PORT of Ray's head."""
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
        where = {"jobs": self.jobs, "backend": self.backend, "address": self.address, "device": self.device}
        experiment, path = EXPERIMENTS[self.name], path_of(self.name, self.profile, self.folder)
        with tqdm(unit="cell") as bar:
            for done, total in run_grid(
                experiment, self.profile, folder=self.folder, command=command, keep=self.keep, **where
            ):
                bar.total = total
                bar.update(done - bar.n)
        rows = read(path)[1]
        print(f"{path}: {total} cells, {made_by(rows, code_of(experiment.measure, experiment.checkpoints))}.")
        finding = experiment.conclude(rows, related(experiment, self.profile, self.folder))
        print(f"{experiment.title}: {finding.verdict}. {finding.because}")
