"""Print what a class costs the server: python tests/bench/bench_class.py [--visitors 30] [--browsers 1]

Half of the visitors play Live, half drag σ in Explore, each with a few seconds between two acts. Some have a
real browser, whose engine runs; the rest speak the protocol alone: they open the page, and send what a
browser sends once a hand has rested, which is all that the server ever hears of a drag. In Explore half of
them look at the image that the page opens on, as a class is told to, and half at one of their own.

Then the same is measured of as many browsers, and of one protocol client of each kind, whose own image is a
new one, on the server that the class has warmed. All open their pages at once, and act once the last has
come; how long that took is told by itself. Bars: server below one core, and latencies at most 1.2 times those
alone. In a class each has a machine of their own: where this one has two processors, the browsers have one to
themselves, and the server and the other clients the rest. Hardware threads of one core still slow each other,
so after each move of σ the engine takes as many steps by itself, on a page that nobody serves: as much slower
as these are in the class is the processor's doing.
"""

import argparse
import contextlib
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path[:0] = [str(Path(__file__).parents[1] / "browser"), str(Path(__file__).parents[2])]
from bench_explore import move_sigma, open_page, release  # noqa: E402
from bench_live import STEPS, engine_ms, engine_page, opened, slide, step  # noqa: E402
from served import FLAGS, chromium_path, start_app  # noqa: E402
from visitor import Visitor  # noqa: E402

from pages.live.state import LiveState  # noqa: E402

PAUSE = (2.0, 6.0)  # seconds between two acts of a visitor
CHECKPOINT = "shapes-feedback"  # that Explore opens on
DRAGGED, PURE = "σ dragged to masks painted (browser)", f"{STEPS} steps of the engine by itself (browser)"
PROCESSORS = sorted(os.sched_getaffinity(0))
BROWSERS = PROCESSORS[-1:]  # the processor of the browsers; the rest are the server's and the clients'
Taken = dict[str, list[float]]


class Room:
    """Where all wait for the last to arrive. taken: ms of each answer, by what was asked."""

    def __init__(self, people: int, seconds: float) -> None:
        self.taken: Taken = {}
        self.faults: list[str] = []
        self._seconds, self._there = seconds, threading.Barrier(people)

    def enter(self) -> float:
        """Wait for the others; until when to act, by time.monotonic."""
        self._there.wait(600)
        return time.monotonic() + self._seconds

    def tell(self, who: str, error: Exception) -> None:
        """Who could not go on; nobody waits for them any longer."""
        self.faults.append(f"{who}: {type(error).__name__}: {error!s:.200}")
        self._there.abort()


def protocol(url: str, number: int, room: Room) -> None:
    """A visitor without a browser."""
    draw, taken = random.Random(number), room.taken
    live, own = number % 2 == 0, number % 4 == 3
    what = "Live's set-up told" if live else f"σ let go, {'own' if own else 'shared'} image"
    visitor = Visitor(url, {}, room.faults)
    try:
        visitor.open("" if live else "explore", {"image": str(number)} if own else {})
        end = room.enter()
        while time.monotonic() < end:
            time.sleep(draw.uniform(*PAUSE))
            value = draw.randrange(1, 30) / 20
            setup = LiveState(noise_sd=value).model_dump(mode="json", exclude={"lesson"})
            start = time.perf_counter()
            if live:
                visitor.ask("stage", {"setup": setup, "n": number})
            else:
                visitor.ask("player", {"sigma": value, "live": False, "n": int(1000 * time.time())})
            taken.setdefault(f"{what} (protocol)", []).append(1000 * (time.perf_counter() - start))
    except Exception as error:
        room.tell(f"visitor {number}", error)
    finally:
        visitor.close()


def hand(url: str, number: int, room: Room) -> None:
    """A visitor with a real browser."""
    taken = room.taken
    os.sched_setaffinity(0, BROWSERS)  # of this thread, and of all that it starts
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            if number % 2:
                live, _ = opened(browser, url)
                end = room.enter()
                while time.monotonic() < end:
                    first, start = step(live), time.perf_counter()
                    slide(live, ".sigma", 0.1 + 0.05 * (int(start) % 10))
                    live.wait_for_timeout(2000)
                    rate = (time.perf_counter() - start) / max(step(live) - first, 1)
                    taken.setdefault("a step of Live under the hand (browser)", []).append(1000 * rate)
            else:
                page, _ = open_page(browser, f"{url}/explore?task=shapes&T={STEPS}")
                alone = engine_page(browser, CHECKPOINT)
                end = room.enter()
                while time.monotonic() < end:
                    for i in range(10):
                        taken.setdefault(DRAGGED, []).append(move_sigma(page, i))
                        taken.setdefault(PURE, []).append(STEPS * engine_ms(alone))
                    release(page)
                    slide(page, ".sigma", 0.5 + 0.05 * (len(taken) % 9))
                    taken.setdefault("σ let go to answer shown (browser)", []).append(release(page))
                    page.wait_for_timeout(1000 * PAUSE[0])
            browser.close()
    except Exception as error:
        room.tell(f"browser {number}", error)


def processor_seconds(pid: int) -> float:
    """What a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(
    url: str, pid: int, clients: Iterable[int], browsers: int, seconds: float
) -> tuple[Taken, float, float]:
    """What acts took, the cores that the server used meanwhile, and the seconds until all had arrived.

    clients: numbers of those without a browser.
    """
    people = [(protocol, number) for number in clients] + [(hand, number) for number in range(browsers)]
    room = Room(len(people) + 1, seconds)
    threads = [threading.Thread(target=act, args=(url, number, room)) for act, number in people]
    opened_at = time.monotonic()
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        room.enter()
    used, start = processor_seconds(pid), time.monotonic()
    for thread in threads:
        thread.join()
    cores = (processor_seconds(pid) - used) / (time.monotonic() - start)
    if room.faults:
        sys.exit("\n".join(room.faults))
    return room.taken, cores, start - opened_at


def late(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--browsers", type=int, default=2, help="how many of them have a real browser")
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    os.sched_setaffinity(0, PROCESSORS[:-1] or PROCESSORS)
    server, url = start_app()
    try:
        measured(url, server.pid, range(2), 0, 10)  # a warm server
        clients = asked.visitors - asked.browsers
        together, busy, arrived = measured(url, server.pid, range(clients), asked.browsers, asked.seconds)
        alone, idle, _ = measured(url, server.pid, (0, 1, 103), asked.browsers, asked.seconds)
    finally:
        server.terminate()
    print(f"class of {asked.visitors}: {asked.browsers} real browsers, {clients} protocol clients")
    print(f"all opened their pages at once, the last after {arrived:.1f} s")
    print(f"alone: {asked.browsers} real browsers, and one protocol client of each kind")
    print(f"{'ms':<42}{'alone p50':>11}{'p95':>8}{'class p50':>11}{'p95':>8}{'ratios':>12}   bar 1.2")
    for what, values in sorted(together.items()):
        first = alone[what]
        row = [statistics.median(first), late(first), statistics.median(values), late(values)]
        ratios = f"{row[2] / row[0]:.2f}, {row[3] / row[1]:.2f}"
        print(f"{what:<42}{row[0]:>11.0f}{row[1]:>8.0f}{row[2]:>11.0f}{row[3]:>8.0f}{ratios:>12}")
    print(f"server, cores: {idle:.2f} alone, {busy:.2f} with the class   bar 1")


if __name__ == "__main__":
    main()
