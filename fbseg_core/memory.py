"""What glibc does with freed memory: settings of the process, made by programs and not by the library."""

from __future__ import annotations

import contextlib
import ctypes


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, instead of handing it back after every update to ask for it again.

    Back-propagation through time frees and takes back hundreds of MB at each update, and the page faults
    cost about a seventh of the time. A process-wide setting, so it is made here and not in the library;
    where the C library has no mallopt nothing happens.
    """
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(trim_threshold, 2**31 - 1)
        library.mallopt(mmap_threshold, 2**30)


def give_back_freed_memory() -> None:
    """Have glibc keep large tensors apart from small ones, so that a server's memory shrinks when they go.

    By default each thread's pool grows by the largest it ever held, and a server has many threads. Freed
    parts within a pool are given back by `trim`. Where the C library has no mallopt nothing happens.
    """
    trim_threshold, mmap_threshold, arenas = -1, -3, -8  # as above, and M_ARENA_MAX
    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(arenas, 2)
        library.mallopt(mmap_threshold, 2**20)
        library.mallopt(trim_threshold, 2**25)  # else every step's tensors would be handed back and forth


def trim() -> None:
    """Hand freed memory back to the system now; a few milliseconds."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
