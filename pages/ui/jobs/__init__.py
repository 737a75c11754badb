"""Training jobs in worker processes. Pages use what is named here; streamlit is not imported.

`pool` is the server's side, `worker` a process, `training` what it runs, `folder` the files between the two.
"""

from pages.ui.jobs.curves import Curves
from pages.ui.jobs.estimate import Estimate
from pages.ui.jobs.pool import Pool, View
from pages.ui.jobs.spec import JobError, Limits, Spec, watched

__all__ = ["Curves", "Estimate", "JobError", "Limits", "Pool", "Spec", "View", "watched"]
