"""What the command line is told beside settings, checked before anything is begun."""

from __future__ import annotations

import glob
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fbseg_core.settings import ConfigError

HOUR = 3600.0  # seconds after which a half-written file is taken for abandoned
MOST = 2**31 - 1  # of any whole number: a larger seed or count is a slip of the pen


def check_numbers(least: int, **numbers: int) -> None:
    """Raise ConfigError for a number below `least`, or beyond all use."""
    for name, value in numbers.items():
        if not least <= value <= MOST:
            raise ConfigError(
                f"{name.replace('_', '-')} = {value} is refused; allowed: a whole number from {least} to "
                f"{MOST}."
            )


def check_out(path: Path) -> None:
    """Raise ConfigError unless a checkpoint can be written there; its folder is made where there is none."""
    if path.suffix != ".safetensors":
        raise ConfigError(f"out: {path.name!r:.80} must end in .safetensors.")
    if path.is_dir():
        raise ConfigError(f"out: {path.name!r:.80} is a folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for half in path.parent.glob(f".{glob.escape(path.stem)}.*.????????"):  # left by one that was killed
            if half.stat().st_mtime < time.time() - HOUR:
                half.unlink(missing_ok=True)
        handle, trial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        os.unlink(trial)
    except OSError as error:
        raise ConfigError(f"out: {path.name!r:.80} cannot be written there ({error.strerror}).") from None


@contextmanager
def stopped_as_by_hand() -> Iterator[None]:
    """Within, the signal by which systems end a process raises KeyboardInterrupt, as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # no other hears signals
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
