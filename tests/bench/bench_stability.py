"""Print how quick the Stability lab is in a real browser: python tests/bench/bench_stability.py [--clicks 10]

Click on a new image until the first of its paths is painted; until the four runs of 60 steps at 64 px are
computed and drawn in the browser, masks and curves (bar: 3 s); until their paths stand in their own plane;
until the last verdict stands in its place; and until the whole page is at rest. A move of the step on show;
and the server's own processor time. Motion is reduced, so that the runs are not first played. The load of
the machine is told, too: what others compute meanwhile is in all of these times.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from served import FLAGS, chromium_path, start_app

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
STEPS = 60
PATIENCE = 180_000  # ms: a busy machine is no fault of the page
READY = f".race[data-computed='{STEPS}']"
ALL = """const all = selector => [document, ...[...document.querySelectorAll('*')].map(e => e.shadowRoot)]
    .flatMap(root => [...root?.querySelectorAll(selector) ?? []]);"""
SHOWN = f"() => {{ {ALL} return all('.race canvas').map(one => one.toDataURL()); }}"
# the input is another one, and so are three of the four masks; truth and a mask may look alike
COMPLETE = f"""old => {{
    {ALL}
    if (!all("{READY}").length) return false;
    const now = all('.race canvas').map(one => one.toDataURL());
    return now.length === old.length && now.filter((value, i) => value !== old[i]).length >= 4;
}}"""
POINTS = 4 * (STEPS + 1)
PATHS = f"() => {{ {ALL} return all('.race[data-plane=own] .charts svg .point').length === {POINTS}; }}"
# from now on, until more than the start of a run that has begun anew is painted: seconds, or null
WATCH = f"""() => {{
    {ALL}
    const start = performance.now();
    let begun = false;
    window.grown = null;
    const look = () => {{
        begun ||= all("{READY}").length === 0;
        const race = all('.race')[0];
        const path = [...race.querySelectorAll('.charts figure:last-child path:not(.cloud)')].at(-1);
        const anew = ['first', 'before'].includes(race.dataset.plane) || all("{READY}").length;
        if (begun && anew && path?.getAttribute('d')?.includes('L')) {{
            window.grown = (performance.now() - start) / 1000;
            return;
        }}
        requestAnimationFrame(look);
    }};
    look();
}}"""
JUDGED = "() => !document.querySelector('[data-testid=stMain]').textContent.includes('judging…')"


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def changed(page: Page, act) -> list[float]:
    """Seconds from an action to the first of the paths, complete masks and curves, whole paths, the last
    verdict, and a page at rest."""
    page.wait_for_selector(IDLE)
    old = page.evaluate(SHOWN)
    page.evaluate(WATCH)
    start, taken = time.perf_counter(), []
    act()
    for wanted in (COMPLETE, PATHS, JUDGED):
        page.wait_for_function(wanted, arg=old, polling=50, timeout=PATIENCE)
        taken.append(time.perf_counter() - start)
    page.wait_for_selector(IDLE, timeout=PATIENCE)
    return [page.evaluate("window.grown"), *taken, time.perf_counter() - start]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=10)
    clicks = parser.parse_args().clicks
    server, url = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            window = {"width": 1440, "height": 1100}
            page = browser.new_context(viewport=window, reduced_motion="reduce").new_page()
            start = time.perf_counter()
            page.goto(f"{url}/stability")
            page.wait_for_selector(READY, timeout=PATIENCE)
            page.wait_for_selector(IDLE, timeout=PATIENCE)
            print(f"page open on a cold server: {time.perf_counter() - start:.2f} s")
            page.wait_for_timeout(20_000)  # the warm-up's last pass over the garbage
            taken, spent = [], []
            for _ in range(clicks):
                before = processor_seconds(server.pid)
                taken.append(changed(page, page.get_by_role("button", name="New").first.click))
                spent.append(processor_seconds(server.pid) - before)
            names = (
                "the first of the paths",
                "masks and curves of 60 steps, bar 3",
                "whole paths in their own plane",
                "the last verdict",
                "page at rest",
            )
            for name, values in (
                *((f"click to {name}", values) for name, values in zip(names, zip(*taken))),
                ("server's processor time of that", spent),
            ):
                late = statistics.quantiles(values, n=20)[-1]
                print(f"{name}: p50 {statistics.median(values):.2f} s, p95 {late:.2f} s")
            slider, steps = page.get_by_role("slider", name="Step t on show"), []
            slider.focus()
            for t in range(STEPS - 1, STEPS - 11, -1):
                start = time.perf_counter()
                slider.press("ArrowLeft")
                page.wait_for_selector(f".race[data-t='{t}']")
                steps.append(time.perf_counter() - start)
            print("load of the machine over 1, 5, 15 minutes:", *(f"{load:.1f}" for load in os.getloadavg()))
            print(f"another step on show: p50 {1000 * statistics.median(steps):.0f} ms")
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
