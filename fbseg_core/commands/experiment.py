"""The command `experiment`: measure a grid, and say what was found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from tqdm import tqdm

from fbseg_core.arguments import MOST, check_numbers
from fbseg_core.device import Choice, pick
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.clusters import Backend
from fbseg_core.experiments.code import code_of
from fbseg_core.experiments.harness import run as run_grid
from fbseg_core.experiments.other_seeds import measured_again
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
    check: int = 0
    """Measure that many cells of the result with a seed it lacks, tell whether they lie in the range of its
    seeds, and leave it as it is. On the CPU, one after another."""
    longest: int = MOST
    """With check: seconds that a cell may have taken to be among them."""

    def run(self) -> None:
        if self.name not in EXPERIMENTS:
            raise ConfigError(
                f"name: there is no experiment {self.name!r:.60}; choose from {', '.join(EXPERIMENTS)}."
            )
        check_numbers(1, jobs=self.jobs, longest=self.longest)
        check_numbers(0, check=self.check)
        if self.check:
            self._check()
            return
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
        print(f"{experiment.title}: {finding.verdict}. {finding.brief} {finding.because}")
        for point in finding.points:
            print(f"- {point}")

    def _check(self) -> None:
        """Cells of the result with another seed, a line a number."""
        torch.set_num_threads(1)  # as the cells of a grid
        experiment = EXPERIMENTS[self.name]
        rows = read(path_of(self.name, self.profile, self.folder))[1]
        inside = []
        for cell in measured_again(experiment, rows, self.check, self.longest):
            print(f"{self.name}, {json.dumps(cell.settings, ensure_ascii=False)}, {cell.seconds:.1f} s")
            for name, one in cell.values.items():
                where = f"outside by {one.beyond:.2g}" if one.beyond else "inside"
                print(
                    f"  {name}: {one.value:.4g}, of {cell.k} seeds {one.low:.4g} to {one.high:.4g}: {where}"
                )
            inside += [not one.beyond for one in cell.values.values()]
        print(
            f"{sum(inside)} of {len(inside)} numbers lie inside. Of {cell.k} seeds and one more, all alike, "
            f"{(cell.k - 1) / (cell.k + 1):.0%} would."
        )
