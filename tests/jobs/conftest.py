"""A pool serves the tests of a whole file, so each test ends what it began."""

from dataclasses import replace

import pytest
from jobs_setup import LIMITS

from pages.jobs import Pool


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    pool = Pool(tmp_path_factory.mktemp("jobs"), LIMITS)
    yield pool
    pool.close()


@pytest.fixture
def own_pool(tmp_path):
    """A pool of the test's own; further limits as arguments."""
    pools = []

    def make(root=tmp_path / "jobs", **limits):
        pools.append(Pool(root, replace(LIMITS, **limits)))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture(autouse=True)
def nothing_is_left_running(request):
    yield
    if "pool" in request.fixturenames:
        pool = request.getfixturevalue("pool")
        for owner in ("me", "you"):
            for view in pool.jobs(owner):
                if view.active:
                    pool.stop(view.job, owner)
