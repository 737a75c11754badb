"""Print what a room costs with a whole class in it: python tests/bench/bench_room.py [--phones 40]

Every phone speaks the protocol without a browser: it opens the room's link, sends one answer together with
all others, and looks again every two seconds as the page does, until it is told the answers of all.
"""

import argparse
import re
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "browser"), str(Path(__file__).parents[2])]
from bench_class import processor_seconds  # noqa: E402
from served import start_app  # noqa: E402
from visitor import Visitor  # noqa: E402

from pages.learn.phone import EVERY  # noqa: E402
from pages.ui.server import FREEZES, PAUSE  # noqa: E402

AT = 2  # a lesson whose guess is a bar from 0 to 100
Taken = dict[str, list[float]]


def phone(
    url: str, code: str, number: int, all_there: threading.Barrier, taken: Taken, told: list, faults: list
) -> None:
    """One student."""
    visitor = Visitor(url, {}, faults)
    try:

        def timed(what: str, act) -> None:
            start = time.perf_counter()
            act()
            taken.setdefault(what, []).append(1000 * (time.perf_counter() - start))

        timed("the page opened", lambda: visitor.open("learn", {"room": code}))
        all_there.wait()
        timed("an answer sent", lambda: visitor.press("Send", {"learn-room": float(number % 101)}))
        while not any("class='answers'" in one for one in visitor.shown):
            time.sleep(EVERY)
            timed("a look at the room", visitor.tick)
        told.append(sum(map(int, re.findall(r"<b>(\d+)</b>", visitor.shown[-1]))))
    except Exception as error:
        faults.append(f"phone {number}: {type(error).__name__}: {error!s:.200}")
        all_there.abort()
    finally:
        visitor.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phones", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=10.0, help="from the answers to their being shown")
    asked = parser.parse_args()
    server, url = start_app()
    taken: Taken = {}
    told: list[int] = []
    faults: list[str] = []
    try:
        Visitor(url, {}, faults).open("learn", {})  # a server's very first page is not of the router
        teacher = Visitor(url, {}, faults)
        teacher.open("learn", {"v": "1", "at": str(AT)})
        teacher.press("Open a room for this question")
        code = next(
            found[1] for one in teacher.shown if (found := re.search(r"room-code'[^>]*>([A-Z]{4})<", one))
        )
        time.sleep(FREEZES * PAUSE)  # as when a teacher has been at it for a while
        all_there = threading.Barrier(asked.phones + 1)
        rest = (all_there, taken, told, faults)
        threads = [
            threading.Thread(target=phone, args=(url, code, number, *rest)) for number in range(asked.phones)
        ]
        before = processor_seconds(server.pid)
        for thread in threads:
            thread.start()
        all_there.wait()
        used, start = processor_seconds(server.pid), time.monotonic()
        time.sleep(asked.seconds)
        cores = (processor_seconds(server.pid) - used) / (time.monotonic() - start)
        teacher.press("Show the answers")
        for thread in threads:
            thread.join()
        teacher.close()
    finally:
        server.terminate()
    if faults:
        sys.exit("\n".join(faults))
    print(f"{asked.phones} phones, one room: each was told of {min(told)} to {max(told)} answers")
    print(f"{'ms':<22}{'p50':>8}{'p95':>8}{'worst':>8}")
    for what, values in taken.items():
        late = statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
        print(f"{what:<22}{statistics.median(values):>8.0f}{late:>8.0f}{max(values):>8.0f}")
    print(f"server, processor time of a page opened: {1000 * (used - before) / asked.phones:.0f} ms")
    print(f"server, cores: {cores:.2f} while all answer and look every {EVERY:g} s")


if __name__ == "__main__":
    main()
