"""Print how quick the Stability lab is in a real browser: python tests/bench/bench_stability.py

Click on a new image until the four-way view of 60 steps at 64 px is complete (curves, plane and masks drawn;
bar: 3 s), and until the whole page is; a move of the step on show; and the server's own processor time.
"""

import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from served import FLAGS, chromium_path, start_app

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
READY = "document.querySelectorAll('.js-plotly-plot .main-svg .xtick').length > 0"
SHOWN = """() => [...[...document.querySelectorAll('.js-plotly-plot')].slice(0, 2).map(
    plot => [...plot.querySelectorAll('.js-line')].map(e => e.getAttribute('d')).join()),
    ...[...document.querySelectorAll('[data-testid=stImage] img')].map(e => e.src)]"""
# curves, plane and input are other ones, and so are three of the four masks; truth and a mask may look alike
COMPLETE = f"""old => {{
    const now = ({SHOWN})();
    const images = [...document.querySelectorAll('[data-testid=stImage] img')];
    return now.length === old.length && now.slice(0, 3).every((value, i) => value !== old[i])
        && now.slice(4).filter((value, i) => value !== old[i + 4]).length >= 3
        && images.every(e => e.complete && e.naturalWidth > 0);
}}"""


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def changed(page: Page, act) -> tuple[float, float]:
    """Seconds from an action to a complete four-way view, and to a page at rest."""
    page.wait_for_selector(IDLE)
    old = page.evaluate(SHOWN)
    start = time.perf_counter()
    act()
    page.wait_for_function(COMPLETE, arg=old, polling="raf", timeout=60_000)
    complete = time.perf_counter() - start
    page.wait_for_selector(IDLE)
    return complete, time.perf_counter() - start


def main() -> None:
    server, url = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            page = browser.new_context(viewport={"width": 1440, "height": 1100}).new_page()
            start = time.perf_counter()
            page.goto(f"{url}/stability")
            page.wait_for_function(READY, timeout=60_000)
            page.wait_for_selector(IDLE, timeout=60_000)
            print(f"page open on a cold server: {time.perf_counter() - start:.2f} s")
            page.wait_for_timeout(20_000)  # the warm-up's last pass over the garbage
            taken, spent = [], []
            for _ in range(10):
                before = processor_seconds(server.pid)
                taken.append(changed(page, page.get_by_role("button", name="New").first.click))
                spent.append(processor_seconds(server.pid) - before)
            for name, values in (
                ("click to complete four-way view, 60 steps, bar 3", [one for one, _ in taken]),
                ("click to page at rest", [whole for _, whole in taken]),
                ("server's processor time of that", spent),
            ):
                late = statistics.quantiles(values, n=20)[-1]
                print(f"{name}: p50 {statistics.median(values):.2f} s, p95 {late:.2f} s")
            slider, steps = page.get_by_role("slider", name="Step t on show"), []
            slider.focus()
            for _ in range(10):
                text = page.locator(".verdicts th").last.inner_text()
                start = time.perf_counter()
                slider.press("ArrowLeft")
                page.wait_for_function(
                    "old => document.querySelector('.verdicts th:last-child').innerText !== old", arg=text
                )
                page.wait_for_selector(IDLE)
                steps.append(time.perf_counter() - start)
            print(f"another step on show, page at rest: p50 {statistics.median(steps):.2f} s")
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
