"""What the pages' tests share: training jobs of their own, and nothing left running."""

from pathlib import Path

import pytest
from few_shot_lab import ME, done, started

from pages.few_shot import computed


@pytest.fixture(scope="session")
def jobs(tmp_path_factory):
    """The folder of a pool of this session's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FBSEG_JOBS", str(tmp_path_factory.mktemp("jobs")))
        computed.pool.clear()
        yield Path(computed.pool().root)
        computed.pool().close()
        computed.pool.clear()


@pytest.fixture(scope="session")
def trained(jobs):
    """A short run that is done, as the Few-shot lab shows it."""
    return done(started(updates="10", seed="1", steps="3"))


@pytest.fixture
def nothing_is_left_running(jobs):
    yield
    for view in computed.pool().jobs(ME):
        if view.active:
            computed.pool().stop(view.job, ME)
