"""What an answer to hostile input must be."""

import ctypes
import gc
from contextlib import suppress
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
