"""Print what the server holds while visitors use it: python tests/bench/bench_memory.py [--minutes 120]

Ten visitors change σ, image, T and interventions in Explore and variants in the Stability lab, look through
Evidence, and train for a few updates. All speak the protocol of Streamlit's front end to a server of the real
app; one of them does so from a real browser. Printed: the resident memory of the server and of its workers
over time, at its peak in the first ten minutes and at the end, with the bars; what the caches hold of their
bounds, by the server's own counters; and how long answers took.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "browser"), str(Path(__file__).parents[2])]
from served import FLAGS, chromium_path, start_app  # noqa: E402
from visitor import Visitor  # noqa: E402

from fbseg_core.experiments import EXPERIMENTS  # noqa: E402
from fbseg_core.rollout.interventions import parse_intervention  # noqa: E402
from pages.evidence.state import EvidenceState  # noqa: E402
from pages.explore.state import ExploreState  # noqa: E402
from pages.few_shot.state import FewShotState  # noqa: E402
from pages.stability.state import NAMES, StabilityState  # noqa: E402
from pages.ui.link import Linked  # noqa: E402

BAR, GROWTH = 900, 150  # MB of the server at the end, and by how much this may be above the early peak
EARLY = 10  # minutes
PAUSE = (1.0, 4.0)  # seconds between an answer and the next act
PAGES = ("explore", "explore", "stability", "stability", "evidence", "few_shot")


def explore(draw: random.Random) -> ExploreState:
    """A state of Explore that few have asked for."""
    steps = draw.choice((10, 20, 30, 60))
    acts = [
        {"kind": "swap", "t": draw.randrange(1, steps), "seed": draw.randrange(1000)},
        {"kind": "perturb", "t": draw.randrange(1, steps)},
    ]
    do = [parse_intervention(act) for act in draw.sample(acts, draw.choice((0, 0, 1, 2)))]
    return ExploreState(
        task=draw.choice(("shapes", "shapes", "grouping")), T=steps, sigma=draw.randrange(1, 30) / 20,
        image=draw.randrange(1000), do=tuple(do), draws=draw.random() < 0.15,
        plane=draw.choice(("h", "h", "u", "v")), layer=draw.choice(("probability", "v_hat", "delta")),
    )  # fmt: skip


def stability(draw: random.Random) -> StabilityState:
    """Four variants that few have asked for; sometimes what is computed on a button."""
    return StabilityState(
        mode=draw.choice(("inference", "trained")), image=draw.randrange(1000),
        sigma=draw.randrange(1, 30) / 20, T=draw.choice((30, 60, 120)), focus=draw.choice(NAMES),
        frozen=draw.random() < 0.5, clock=draw.choice((0, 10)), local=draw.random() < 0.1,
        perturb=draw.random() < 0.1,
    )  # fmt: skip


def train(visitor: Visitor, draw: random.Random) -> None:
    """A short run, followed to its end; then its models' scores."""
    view = FewShotState(updates=20, seed=draw.randrange(1000), steps=draw.choice((3, 5)))
    visitor.open("few_shot", view.link({}))
    if not visitor.press("start"):
        return
    for _ in range(40):
        time.sleep(1.0)
        visitor.tick()
        if not visitor.timers:
            break
    visitor.press("score")


def link_of(page: str, draw: random.Random) -> Linked:
    if page == "evidence":
        return EvidenceState(claim=draw.choice(("", *EXPERIMENTS)))
    return {"explore": explore, "stability": stability}[page](draw)


def visit(url: str, number: int, end: float, faults: list[str], seconds: dict[str, list[float]]) -> None:
    """One visitor, who now and then closes the tab and opens another."""
    draw = random.Random(number)
    while time.monotonic() < end:
        visitor = Visitor(url, seconds, faults)
        try:
            for _ in range(draw.randrange(3, 9)):
                page = draw.choice(PAGES)
                acts = draw.randrange(1, 12)
                for _ in range(1 if page == "few_shot" else acts):
                    if time.monotonic() > end:
                        return
                    if page == "few_shot":
                        train(visitor, draw)
                    else:
                        visitor.open(page, link_of(page, draw).link({}))
                    time.sleep(draw.uniform(*PAUSE))
        except Exception as error:
            faults.append(f"visitor {number}: {type(error).__name__}: {error!s:.200}")
            time.sleep(1)
        finally:
            visitor.close()


def browse(url: str, end: float, faults: list[str]) -> None:
    """A visitor with a real browser, who drags σ and takes new images."""
    from bench_explore import ask_for_sigma, open_page
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        page = None
        while time.monotonic() < end:
            try:
                if page is None:
                    page, _ = open_page(browser, f"{url}/explore")
                    page.set_default_timeout(120_000)
                ask_for_sigma(page, 5)
                page.get_by_role("button", name="New").first.click()
                page.wait_for_timeout(3000)
            except Exception as error:
                faults.append(f"browser: {type(error).__name__}: {error!s:.200}")
                page = None
        browser.close()


def resident(pid: int) -> tuple[float, float]:
    """MB held by a process, and by all that it started: what these share is counted once."""
    parents, own = {}, 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if int(folder.name) == pid:
                own = int((folder / "statm").read_text().split()[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    workers = 0
    for child in family - {pid}:
        with contextlib.suppress(OSError):
            workers += int(
                re.search(r"^Pss:\s*(\d+)", Path(f"/proc/{child}/smaps_rollup").read_text(), re.M)[1]
            )
    return own * os.sysconf("SC_PAGE_SIZE") / 1e6, workers * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--visitors", type=int, default=10)
    parser.add_argument("--browsers", type=int, default=1, help="how many of them use a real browser")
    parser.add_argument("--log", type=Path, help="file that takes what the server prints, tracebacks too")
    asked = parser.parse_args()
    os.environ["FBSEG_JOBS"] = tempfile.mkdtemp()  # jobs of its own, which the server takes over
    counters = Path(tempfile.mkdtemp()) / "counters"
    server, url = start_app(log=asked.log, FBSEG_COUNTERS=str(counters))
    faults: list[str] = []
    seconds: dict[str, list[float]] = {}
    start = time.monotonic()
    end = start + 60 * asked.minutes
    try:
        print(f"{'minute':>8} {'server MB':>10} {'workers MB':>11} {'answers':>8}")
        threads = [threading.Thread(target=browse, args=(url, end, faults)) for _ in range(asked.browsers)]
        for number in range(asked.visitors - asked.browsers):
            threads.append(threading.Thread(target=visit, args=(url, number, end, faults, seconds)))
        for thread in threads:
            thread.start()
            time.sleep(0.5)
        early, peak, every = 0.0, 0.0, max(5.0, 60 * asked.minutes / 20)
        while any(thread.is_alive() for thread in threads):
            turn = time.monotonic() + every
            while time.monotonic() < turn and any(thread.is_alive() for thread in threads):
                time.sleep(0.5)
                peak = max(peak, resident(server.pid)[0])
                early = peak if time.monotonic() - start < 60 * EARLY else early
            own, workers = resident(server.pid)
            count = sum(len(taken) for taken in [*seconds.values()])
            print(f"{(time.monotonic() - start) / 60:8.1f} {own:10.0f} {workers:11.0f} {count:8}", flush=True)
        time.sleep(5)
        own, workers = resident(server.pid)
        bar = min(BAR, early + GROWTH)
        print(f"server at the end {own:.0f} MB   bar {bar:.0f}: {GROWTH} above the early peak, at most {BAR}")
        print(
            f"peak of the first {EARLY} minutes {early:.0f} MB, of all {peak:.0f}; workers {workers:.0f} MB"
        )
        told = dict(line.rsplit(" ", 1) for line in counters.read_text().splitlines() if "bytes" in line)
        print("\n".join(f"{name:<40}{int(held) / 2**20:8.1f} MB" for name, held in told.items()))
        for page, taken in sorted(seconds.items()):
            late = statistics.quantiles(taken, n=20)[-1] if len(taken) > 1 else taken[0]
            print(f"{page}: {len(taken)} answers, p50 {statistics.median(taken):.2f} s, p95 {late:.2f} s")
        for fault, count in sorted({one: faults.count(one) for one in faults}.items()):
            print(f"FAULT {count} × {fault}")
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    main()
