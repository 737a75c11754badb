"""A message that any browser may send, on a real server: what visitors share is still there."""

import sys
import time
from pathlib import Path

import pytest
from served import start_app
from streamlit.proto.BackMsg_pb2 import BackMsg
from visitor import Visitor

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.xdist_group("jobs"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are read from /proc"),
]


def descendants(pid):
    """The processes that a process started, and those that they did."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), set()).add(int(path.parent.name))
    found, ahead = set(), {pid}
    while ahead:
        ahead = set().union(*(parents.get(one, set()) for one in ahead)) - found
        found |= ahead
    return found


def test_a_clear_cache_message_leaves_pool_and_workers_as_they_are(tmp_path):
    server, url = start_app(FBSEG_JOBS=str(tmp_path))
    try:
        faults = []
        visitor = Visitor(url, {}, faults)
        visitor.open("few_shot", {})
        before, calm = descendants(server.pid), time.monotonic() + 8
        while time.monotonic() < calm:  # until the warm worker is there, and no other follows
            time.sleep(0.2)
            now = descendants(server.pid)
            calm, before = (time.monotonic() + 8, now) if now != before else (calm, before)
        assert before
        for _ in range(3):
            message = BackMsg()
            message.clear_cache = True
            visitor._socket.send(message.SerializeToString())
            visitor.open("few_shot", {"seed": "1"})
            visitor.open("explore", {})
        time.sleep(2)
        assert descendants(server.pid) == before and not faults
        visitor.close()
    finally:
        server.terminate()
        server.wait()
