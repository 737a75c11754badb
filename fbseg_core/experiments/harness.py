"""Grids of measurements: every cell one row of a result file, finished cells kept, run anywhere joblib runs.

`records.py` says what a result file holds. A cell is a pure function of its settings, so
a row measured again, on whatever backend, holds the same numbers on machines that round alike (rounding.py);
times alone (`exact` is False) differ.

What the paper's few-shot grid would cost at 512 px, with the authors' backbone of 24.5 million weights: an
update at T = 5 takes 8.1 s on two cores with one backward pass, a feedforward one about a fifth. The paper's
protocol makes 10 updates an example, so the 49 examples of n = 1, 2, 4, 10, 32 are 490 updates: 1.1 h for the
feedback models of one seed, 0.2 h for the feedforward ones, 10.6 h for eight seeds on one such machine. Its
80 cells are independent; the longest (n = 32, feedback) takes 43 min. `--backend dask --address tcp://…` with
16 workers of two cores each, largest n first, brings the grid near that bound, at about 45 min.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fbseg_core import device as device_of
from fbseg_core.experiments.records import RESULTS, Experiment, Profile, Row, Settings, digest, path_of, read
from fbseg_core.settings import ConfigError
from fbseg_core.tensor_files import write_whole


def run(
    experiment: Experiment,
    profile: Profile,
    *,
    jobs: int = 1,
    backend: str = "loky",
    address: str | None = None,
    folder: Path = RESULTS,
    command: str = "",
    device: device_of.Choice = "cpu",
) -> Iterator[tuple[int, int]]:
    """Measure what is not there yet, and yield (cells done, cells in all) after each; the caller may stop.

    backend and address as in joblib: "loky" on this machine; "dask" on a cluster whose scheduler listens at
    `address`. device: where models stand. At the end the file is put into the order of the grid.
    """
    cells = experiment.cells(profile)
    path = path_of(experiment.name, profile, folder)
    head = {
        "experiment": experiment.name,
        "profile": profile,
        "command": command,
        "versions": _versions(device),
    }
    kept: dict[str, Row] = {}
    if path.exists():
        made, rows = read(path)
        kept, head = {row.digest: row for row in rows}, made
    todo = [cell for cell in cells if digest(experiment.name, cell) not in kept]
    done = len(cells) - len(todo)
    yield done, len(cells)
    folder.mkdir(parents=True, exist_ok=True)
    _write(path, head, kept.values())  # without the line that a crash may have torn
    with _workers(backend, address, jobs) as parallel, path.open("a", encoding="utf-8") as file:
        from joblib import delayed

        for row in parallel(delayed(_cell)(experiment.name, cell, device) for cell in todo):
            kept[row.digest] = row
            file.write(json.dumps(vars(row)) + "\n")
            file.flush()
            done += 1
            yield done, len(cells)
    rows = [kept[digest(experiment.name, cell)] for cell in cells]
    _write(path, {**head, "versions": _versions(device), "command": command} if todo else head, rows)


def _write(path: Path, head: dict[str, Any], rows: Iterable[Row]) -> None:
    write_whole(path, "".join(json.dumps(line) + "\n" for line in (head, *map(vars, rows))).encode())


@contextlib.contextmanager
def _workers(backend: str, address: str | None, jobs: int):
    from joblib import Parallel, parallel_config

    options: dict[str, Any] = {}
    if backend == "dask":
        try:
            from distributed import Client
        except ImportError:
            raise ConfigError("backend: dask needs `pip install distributed`.") from None
        with Client(address), parallel_config(backend="dask"):
            yield Parallel(return_as="generator_unordered")
        return
    if address is not None:
        raise ConfigError("address: only the dask backend takes one.")
    with parallel_config(backend=backend, n_jobs=jobs, **options):
        yield Parallel(return_as="generator_unordered")


def _cell(name: str, settings: Settings, device: device_of.Choice) -> Row:
    """Measure one cell, on one thread, in whatever process this is."""
    import torch

    from fbseg_core.experiments import EXPERIMENTS
    from fbseg_core.memory import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()
    start = time.perf_counter()
    with device_of.new_models_on(device_of.pick(device)):
        result = EXPERIMENTS[name].measure(settings)
    return Row(dict(settings), result, round(time.perf_counter() - start, 2), digest(name, settings))


def _versions(device: device_of.Choice) -> dict[str, str]:
    import numpy
    import torch

    from fbseg_core.experiments.rounding import fingerprint

    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "python": python,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "machine": machine,
        "device": device_of.title(device_of.pick(device)),
        "rounding": fingerprint(),
    }
