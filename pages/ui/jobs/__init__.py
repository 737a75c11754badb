"""Training jobs in worker processes. Pages use what is named here; streamlit is not imported.

`worker` is a process, `training` what it runs, `folder` the files it shares with the server.
"""

from pages.ui.jobs.curves import Curves
from pages.ui.jobs.spec import JobError, Limits, Spec, watched

__all__ = ["Curves", "JobError", "Limits", "Spec", "watched"]
