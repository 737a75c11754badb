"""Try .deploy/haproxy.cfg, two replicas on this machine: python tests/bench/bench_replicas.py [--user USER]

Needs haproxy (Debian: apt-get install haproxy). The replicas share one folder of runs and are started by the
command of .deploy/Dockerfile. Tried: visitors are spread over both; whoever has the proxy's cookie comes back
to the same one, by HTTP and by WebSocket; when a replica is killed, its visitors are led to the other.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from websockets.exceptions import ConnectionClosed

sys.path[:0] = [str(Path(__file__).parents[1] / "browser"), str(Path(__file__).parents[2])]
from served import PATIENCE, ROOT, eventually  # noqa: E402
from visitor import Visitor  # noqa: E402

PORTS, LISTEN = (18501, 18502), 18080
URL = f"http://127.0.0.1:{LISTEN}"
ESTABLISHED = "01"


def command() -> list[str]:
    """How the image starts the app, without its address."""
    line = re.search(r"^CMD (\[.*\])$", (ROOT / ".deploy/Dockerfile").read_text(), re.M)[1]
    return [word for word in json.loads(line) if word not in ("--server.address", "0.0.0.0")]


def replica(python: str, port: int, folder: Path, user: str | None) -> subprocess.Popen:
    """One server of the app. user: whose rights it has, where this process may choose them."""
    rights = {"user": user, "group": "nogroup", "extra_groups": []} if user else {}
    place = ["--server.address", "127.0.0.1", "--server.port", str(port)]
    env = os.environ | {"FBSEG_JOBS": str(folder / "jobs"), "HOME": str(folder)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([python, "-m", *command(), *place], cwd=ROOT, env=env, **quiet, **rights)


def healthy(url: str) -> bool:
    try:
        return urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).status == 200
    except OSError:
        return False


def came(cookie: str | None = None) -> str | None:
    """The cookie that the proxy sets on a visit; None where it leaves the one that it was sent."""
    asked = urllib.request.Request(URL, headers={"Cookie": cookie} if cookie else {})
    answer = urllib.request.urlopen(asked, timeout=PATIENCE).headers["Set-Cookie"]
    return answer and answer.split(";")[0]


def connections(port: int) -> int:
    """Open connections to a replica."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == ESTABLISHED for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--user", help="whose rights the replicas have, where it is root that asks")
    parser.add_argument("--python", default=sys.executable, help="of the environment that they run in")
    asked = parser.parse_args()
    if not shutil.which("haproxy"):
        sys.exit("haproxy is not on the PATH: install it (Debian: apt-get install haproxy)")
    folder = Path(tempfile.mkdtemp(prefix="fbseg-replicas-"))
    if asked.user:
        shutil.chown(folder, asked.user)
    servers = [replica(asked.python, port, folder, asked.user) for port in PORTS]
    replicas = {f"FBSEG_REPLICA_{i}": f"127.0.0.1:{port}" for i, port in enumerate(PORTS, 1)}
    env = os.environ | replicas | {"FBSEG_LISTEN": f"127.0.0.1:{LISTEN}"}
    proxy = subprocess.Popen(["haproxy", "-db", "-f", str(ROOT / ".deploy/haproxy.cfg")], env=env)
    try:
        for port in PORTS:
            eventually(lambda port=port: healthy(f"http://127.0.0.1:{port}"))
        time.sleep(5)  # the proxy looks every two seconds
        spread = Counter(came() for _ in range(20))
        assert set(spread) == {"fbseg_replica=one", "fbseg_replica=two"}, spread
        print("20 visitors without a cookie:", dict(spread))
        for name, own, other in (("one", *PORTS), ("two", *PORTS[::-1])):
            cookie = f"fbseg_replica={name}"
            assert not any(came(cookie) for _ in range(20))
            before = connections(own), connections(other)
            held = [Visitor(URL, {}, [], cookie) for _ in range(5)]
            found = connections(own) - before[0], connections(other) - before[1]
            print(f"5 WebSockets with the cookie of {name}: {found[0]} more there, {found[1]} at the other")
            assert found[0] >= 5 and found[1] <= 0, found
            for one in held:
                one.close()
        faults: list[str] = []
        stays = Visitor(URL, {}, faults, "fbseg_replica=one")
        stays.open("explore", {})
        stays.open("explore", {"T": "12"})
        servers[0].kill()
        start = time.monotonic()
        try:
            stays.open("explore", {"T": "14"})
            raise AssertionError("a dead replica answered")
        except ConnectionClosed:
            print(f"replica one killed: its WebSocket is closed after {time.monotonic() - start:.1f} s")
        led = came("fbseg_replica=one")
        print(f"a page asked with its cookie: answered after {time.monotonic() - start:.1f} s, now {led}")
        assert led == "fbseg_replica=two"
        again = Visitor(URL, {}, faults, led)
        again.open("explore", {"T": "14"})
        print(f"Explore at the same link from two after {time.monotonic() - start:.1f} s, faults: {faults}")
        servers[0] = replica(asked.python, PORTS[0], folder, asked.user)
        eventually(lambda: healthy(f"http://127.0.0.1:{PORTS[0]}"))
        eventually(lambda: came() == "fbseg_replica=one")
        print("replica one started again: new visitors come to it")
    finally:
        for process in (proxy, *servers):
            process.terminate()
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
