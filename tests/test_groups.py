"""What belongs together runs on one worker: xdist must find the group that a test names."""

import os

import pytest

pytestmark = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" not in os.environ, reason="without workers nothing is dealt out"
)


@pytest.mark.xdist_group("held-together")
def test_a_group_is_part_of_the_id_that_tests_are_dealt_out_by(request):
    assert request.node.nodeid.endswith("@held-together")


@pytest.mark.browser
def test_what_drives_the_browser_is_a_group(request):
    assert request.node.nodeid.endswith("@browser")
