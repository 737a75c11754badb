"""A worker process: trains one job after the other. Forked from a warm one, or python -m pages.jobs.worker.

Commands come as JSON lines on standard input, events go as JSON lines to standard output. When the server
dies, its end of the input closes: the job is saved and marked as interrupted, and the worker ends. It does so
at normal priority: on a busy machine it would otherwise keep the job from the next server for minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.memory import keep_freed_memory
from fbseg_core.models.registry import build
from fbseg_core.settings import ConfigError
from fbseg_core.training.fit import fit
from pages.jobs.folder import Folder
from pages.jobs.spec import Limits, Spec
from pages.jobs.training import seconds_per_update, train

GONE = "The server stopped while this run was under way; what was learned is kept. Resume to go on."
MEASURE = 0.4  # seconds of timed updates for a run
GROUP = Path("/proc/self/autogroup")


class Worker:
    """One process: its commands, read by a thread, and its events."""

    def __init__(self) -> None:
        self.events = os.fdopen(os.dup(1), "w")  # nothing else that prints may get in between
        os.dup2(2, 1)
        self.commands: queue.Queue[dict[str, Any]] = queue.Queue()
        self.gone = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in sys.stdin:
                try:
                    told = json.loads(line)
                except ValueError:  # torn: the server was killed while it wrote
                    traceback.print_exc()
                    continue
                self.commands.put(told)
        finally:  # however it ended, nobody hears of what is learned from here on
            self.gone.set()
            self.commands.put({"do": "end"})
            restore_priority()

    def send(self, **event: Any) -> None:
        """Tell the server, if it is still there."""
        try:
            print(json.dumps(event), file=self.events, flush=True)
        except OSError:
            self.gone.set()

    def serve(self, limits: Limits) -> None:
        """Do as told until the input closes."""
        self.send(event="ready")
        while not self.gone.is_set():
            told = self.commands.get()
            if told["do"] == "run":
                self.send(event="ended", **self._train(told["job"], Folder(Path(told["folder"])), limits))
            elif told["do"] == "measure":
                found = self._measure(told["spec"], len(told["keys"]))
                self.send(event="measured", keys=told["keys"], seconds=found)

    def _train(self, job: str, folder: Folder, limits: Limits) -> dict[str, str]:
        def command() -> dict[str, Any] | None:
            if self.gone.is_set():
                return {"do": "interrupt", "reason": GONE}
            try:
                told = self.commands.get_nowait()
            except queue.Empty:
                return None
            return told if told.get("job") == job else None  # one meant for a job that has ended

        try:
            state, reason = train(folder, command, limits)
        except Exception as error:  # any error may occur here and below: the worker outlives its job
            state, reason = "failed", f"The training failed unexpectedly ({_told(error)})."
        return {"job": job, "state": state, "reason": reason}

    def _measure(self, plain: dict[str, Any], count: int) -> list[float | str]:
        """Seconds an update of each run takes, or why that cannot be told; fewer if a job came in between."""
        found: list[float | str] = []
        try:
            spec = Spec.parse(plain)
            for run in spec.runs:
                try:
                    each = seconds_per_update(spec.task, run, MEASURE, lambda: not self.commands.empty())
                except (ConfigError, RuntimeError, MemoryError) as error:
                    each = f"{error!s:.300}"
                if each is None:
                    break
                found.append(each)
        except Exception as error:
            found += [f"It failed unexpectedly ({_told(error)})."] * (count - len(found))
        return found


def _told(error: Exception) -> str:
    """An unexpected error in a few words; its traceback goes to the server's log."""
    traceback.print_exc()
    return f"{type(error).__name__}: {error!s:.200}"


def warm_up() -> None:
    """Make a first update: torch imports its optimisers' helpers and picks its kernels only then."""
    for kind in ("feedback", "feedforward"):
        model = build(ModelConfig(kind=kind, width=4, depth=1))
        list(fit(model, ShapesConfig(side=16), TrainConfig(batch=1, updates=2)))


def lower_priority(nice: int) -> None:
    """Let the server, and the visitor's browser where it runs on the same machine, go first."""
    if hasattr(os, "nice"):
        os.nice(nice)
    if hasattr(os, "getsid") and os.getsid(0) == os.getpid():  # else it would be the server's session, too
        weigh_group(nice)


def restore_priority() -> None:
    """Return to normal priority."""
    if hasattr(os, "getsid") and os.getsid(0) == os.getpid():
        weigh_group(0)
    with contextlib.suppress(OSError):  # where the session does not count; this needs a privilege
        for thread in Path("/proc/self/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), 0)


def weigh_group(nice: int) -> None:
    """Set the nice of the session: Linux shares time among sessions first, then within each."""
    for _ in range(20):
        try:
            GROUP.write_text(str(nice))
        except BlockingIOError:  # allowed once in a tenth of a second, for all processes together
            time.sleep(0.05)
        except OSError:
            return
        else:
            return


def prepare() -> None:
    """Set the process up to train on one thread, and warm up."""
    torch.set_num_threads(1)
    keep_freed_memory()
    warm_up()


def main() -> None:
    """Run a worker with the limits given as JSON in the first argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the server, whose end ends the input
    limits = Limits(**json.loads(sys.argv[1]))
    lower_priority(limits.nice)
    prepare()
    Worker().serve(limits)


if __name__ == "__main__":
    main()
