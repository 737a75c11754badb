"""What the pages' tests share: training jobs of their own, and nothing left running."""

from pathlib import Path

import pytest
from few_shot_lab import ME, done, started

from pages.ui import cache


@pytest.fixture(scope="session")
def jobs(tmp_path_factory):
    """The folder of a pool of this session's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FBSEG_JOBS", str(tmp_path_factory.mktemp("jobs")))
        cache.pool.clear()
        yield Path(cache.pool().root)
        cache.pool().close()
        cache.pool.clear()


@pytest.fixture(scope="session")
def trained(jobs):
    """A short run that is done, as the Few-shot lab shows it."""
    return done(started(updates="10", seed="1", steps="3"))


@pytest.fixture
def nothing_is_left_running(jobs):
    yield
    for view in cache.pool().jobs(ME):
        if view.active:
            cache.pool().stop(view.job, ME)
