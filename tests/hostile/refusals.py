"""What an answer to hostile input must be."""

import ctypes
import gc
from contextlib import contextmanager, suppress
from pathlib import Path

from fbseg_core import CheckpointError, ConfigError
from pages.jobs import JobError

REFUSED = (ConfigError, CheckpointError, JobError)
LONGEST = 200  # characters


def sentence_of(act):
    """What `act` is refused with, checked to be one clear sentence; None where it is done."""
    try:
        act()
    except REFUSED as error:
        said = str(error)
        assert 0 < len(said) <= LONGEST, said
        assert said.isprintable() and said.rstrip().endswith((".", "…")) and "Traceback" not in said, said
        return said
    return None


def resident():
    """Bytes of memory that this process holds, free ones given back."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@contextmanager
def peak_within(most):
    """Checks that this process never held more than `most` bytes meanwhile."""
    process = Path("/proc/self")
    (process / "clear_refs").write_text("5")  # the peak so far is forgotten
    yield
    peak = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) * 1024 < most, peak
