"""Grids of measurements: every cell one row of a result file, finished cells kept, on one machine or many.

`records.py` says what a result file holds. A cell is a pure function of its settings and of the code that
measures it (code.py), so a row measured again, on whatever backend, holds the same numbers on machines that
round alike (rounding.py); times alone (`exact` is False) differ. A row is measured again where it is known
that other code made it, and kept in all other cases; each row says what made it.

What the paper's few-shot grid would cost at 512 px, with the authors' backbone of 24.5 million weights: an
update at T = 5 takes 8.1 s on two cores with one backward pass, a feedforward one about a fifth. The paper's
protocol makes 10 updates an example, so the 49 examples of n = 1, 2, 4, 10, 32 are 490 updates: 1.1 h for the
feedback models of one seed, 0.2 h for the feedforward ones, 10.6 h for eight seeds on one such machine. Its
80 cells are independent; the longest (n = 32, feedback) takes 43 min. `--backend dask --address tcp://…` with
16 workers of two cores each, largest n first, brings the grid near that bound, at about 45 min.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fbseg_core import device as device_of
from fbseg_core.experiments.clusters import Backend, workers
from fbseg_core.experiments.code import code_of
from fbseg_core.experiments.records import (
    RESULTS,
    UNRECORDED,
    Experiment,
    Profile,
    Row,
    Settings,
    digest,
    makers,
    path_of,
    read,
)
from fbseg_core.experiments.rounding import fingerprint
from fbseg_core.settings import ConfigError
from fbseg_core.tensor_files import write_whole

OTHER = "made by other code, and kept"  # the note of a row that the code of today would not make


def run(
    experiment: Experiment,
    profile: Profile,
    *,
    jobs: int = 1,
    backend: Backend = "loky",
    address: str | None = None,
    folder: Path = RESULTS,
    command: str = "",
    device: device_of.Choice = "cpu",
    keep: bool = False,
) -> Iterator[tuple[int, int]]:
    """Measure what is to be measured, and yield (cells done, cells in all) after each; the caller may stop.

    A row that is known to be of other code is measured again, and stands until then; with `keep` it stays. A
    row that does not say of what code it is stays as well. backend and address as in joblib: "loky" on this
    machine; "dask" on a cluster whose scheduler listens at `address`. device: where models stand. At the end
    the file is put into the order of the grid. Raises ConfigError where a worker runs other code than this
    process.
    """
    cells = experiment.cells(profile)
    places = [digest(experiment.name, cell) for cell in cells]
    path = path_of(experiment.name, profile, folder)
    code = code_of(experiment.measure, experiment.checkpoints)
    before, rows = read(path) if path.exists() else ({}, [])
    kept = {row.digest: row for row in rows}
    current = {place for place, row in kept.items() if keep or row.code in ("", code)}
    todo = [cell for place, cell in zip(places, cells) if place not in current]
    done = len(cells) - len(todo)
    yield done, len(cells)
    if not todo:
        if list(kept) == places:
            return  # whole and in order, so the file is left as it is
        command = before.get("command", command)
    head = {"experiment": experiment.name, "profile": profile, "command": command, "cells": len(cells)}
    _write(path, head, kept.values(), code)  # without the line that a crash may have torn
    try:
        with workers(backend, address, jobs) as parallel, path.open("a", encoding="utf-8") as file:
            from joblib import delayed

            how = experiment.name, experiment.measure, experiment.checkpoints, device
            for row in parallel(delayed(_cell)(*how, cell) for cell in todo):
                if row.code != code:
                    raise ConfigError(
                        f"backend: a worker runs other code ({row.code}) than this one ({code})."
                    )
                kept[row.digest] = row
                file.write(json.dumps(vars(row)) + "\n")
                file.flush()
                done += 1
                yield done, len(cells)
    finally:
        order = {place: kept[place] for place in places if place in kept}
        _write(path, head, (order if done == len(cells) else order | kept).values(), code)


def _write(path: Path, head: dict[str, Any], rows: Iterable[Row], code: str) -> None:
    noted = [_noted(row, code) for row in rows]
    lines = ({**head, "made": makers(noted)}, *map(vars, noted))
    write_whole(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def _noted(row: Row, code: str) -> Row:
    """The row with a note where it was not made by this code, or may not have been."""
    made = {key: value for key, value in row.made.items() if key != "note"}
    if row.code != code or not code:
        made["note"] = OTHER if row.code else UNRECORDED
    return replace(row, made=made)


def _cell(
    name: str,
    measure: Callable[..., Any],
    checkpoints: tuple[str, ...],
    device: device_of.Choice,
    settings: Settings,
) -> Row:
    """Measure one cell, on one thread, in whatever process this is."""
    import torch

    from fbseg_core.memory import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()
    start = time.process_time()
    with device_of.new_models_on(device_of.pick(device)):
        result = measure(settings)
    seconds = round(time.process_time() - start, 2)
    made = {**_machine(device), "code": code_of(measure, checkpoints)}
    return Row(dict(settings), result, seconds, digest(name, settings), made)


@functools.cache
def _machine(device: device_of.Choice) -> dict[str, str]:
    """What a row of this process depends on, but for the code."""
    import numpy
    import torch

    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "device": device_of.title(device_of.pick(device)),
        "rounding": fingerprint(),
    }
