"""Training jobs in worker processes. Pages use what is named here; streamlit is not imported.

`pool` is the server's side, `worker` a process, which `start` has forked by `fork_server` where it can,
`training` what it runs, `folder` the files between the two.
"""

from pages.jobs.curves import Curves
from pages.jobs.estimate import Estimate
from pages.jobs.followed import Followed, Follower
from pages.jobs.pool import JobView, Pool
from pages.jobs.spec import JobError, Limits, NoSuchJob, Spec, validation_images

__all__ = [
    "Curves",
    "Estimate",
    "Followed",
    "Follower",
    "JobError",
    "JobView",
    "Limits",
    "NoSuchJob",
    "Pool",
    "Spec",
    "validation_images",
]
