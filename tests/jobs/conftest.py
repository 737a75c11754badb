"""A pool serves the tests of a whole file, so each test ends what it began."""

import pytest


@pytest.fixture(autouse=True)
def nothing_is_left_running(request):
    yield
    if "pool" in request.fixturenames:
        pool = request.getfixturevalue("pool")
        for owner in ("me", "you"):
            for view in pool.jobs(owner):
                if view.active:
                    pool.stop(view.job, owner)
