"""Jobs as a page follows them: what they were asked, and all that was read of their logs."""

from __future__ import annotations

from dataclasses import dataclass, field

from pages.jobs.curves import Curves
from pages.jobs.pool import JobView, Pool
from pages.jobs.spec import Spec


@dataclass
class Followed:
    """A job and all that was read of its log."""

    job: str
    spec: Spec
    view: JobView
    curves: Curves = field(default_factory=Curves)
    offset: int = 0

    def done(self, run: int) -> int:
        """Updates a run has had, as far as the log says."""
        fault = self.curves.faults.get(run)
        return fault[0] if fault else max(self.curves.updates.get(run, {}), default=0)


class Follower:
    """What one session knows of its jobs. Each poll reads what is new, and renews the lease."""

    def __init__(self) -> None:
        self._jobs: dict[str, Followed] = {}

    def poll(self, pool: Pool, job: str, owner: str) -> Followed:
        """Raises JobError where the owner has no such job."""
        known = self._jobs.get(job)
        if known is None:
            known = Followed(job, pool.spec(job, owner), pool.poll(job, owner))
            known.curves.extend(known.view.records)
            known.offset = known.view.offset
            self._jobs[job] = known
            return known
        view = pool.poll(job, owner, known.offset)
        known.offset = view.offset
        known.curves.extend(view.records)
        known.view = view
        return known
