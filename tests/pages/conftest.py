"""What the pages' tests share: no other machine, training jobs of their own, and nothing left running."""

import ipaddress
import sys
from pathlib import Path

import pytest
from few_shot_lab import ME, done, started

from pages.few_shot import computed

REFUSED = {"now": False}


def refuse(event, arguments):
    """Audit hook, which cannot be taken off: while a test of pages runs, it reaches this machine alone."""
    if not REFUSED["now"] or event not in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        return
    address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
    if isinstance(address, (str, bytes)) and event != "socket.getaddrinfo":  # a path, of a UNIX socket
        return
    host = address if event == "socket.getaddrinfo" else address[0]
    if host not in (None, "localhost") and not _is_loopback(host):
        raise ConnectionRefusedError(f"a page reached for {host!r}")


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


sys.addaudithook(refuse)


@pytest.fixture(autouse=True)
def no_other_machine():
    """What a page does on any action that a test of it takes must need no network."""
    REFUSED["now"] = True
    yield
    REFUSED["now"] = False


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
