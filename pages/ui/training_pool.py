"""The server's training jobs, which several screens start and follow."""

from __future__ import annotations

from fbseg_core.tasks.folder import allow
from pages.jobs import Pool
from pages.ui import counters, own_images
from pages.ui.once import once

# a job's state, as its visitor reads it
STATES = {
    "queued": "Waiting in line", "running": "Training", "paused": "Paused", "done": "Done",
    "stopped": "Stopped", "interrupted": "Interrupted", "failed": "Ended by a fault",
}  # fmt: skip


@once
def pool() -> Pool:
    """The server's training jobs. Its workers may read what visitors send."""
    allow(own_images.root())  # before any worker is forked, as it is told by the environment
    made = Pool()
    counters.count("runs", made.counts)
    return made
