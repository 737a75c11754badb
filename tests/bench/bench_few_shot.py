"""Print how quick the Few-shot lab is in a real browser: python tests/bench/bench_few_shot.py

Start to the first live masks and to the end of the default run and of the paper's, stop, and how long Explore
takes to answer a control of another visitor while a training runs, as a ratio to idle. Each with its bar.
"""

import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from served import FLAGS, chromium_path, start_app

IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
MASKS = re.compile(r"after \d+ / \d+ updates")
PROGRESS = "[data-testid=stProgress]"
SEEDS, STOPS, ANSWERS, ROUNDS = 3, 5, 20, 3
REST = 0.25  # seconds that the player waits for the hand before it asks


def line(name: str, values: list[float], unit: str, bar: float) -> None:
    print(f"{name:<58} p50 {statistics.median(values):7.2f}   max {max(values):7.2f} {unit}   bar {bar:g}")


def lab(browser, url: str, **query) -> Page:
    """The page in a browser of its own, its cost measured, ready to start."""
    page = browser.new_context(viewport={"width": 1440, "height": 1100}).new_page()
    page.set_default_timeout(120_000)
    page.goto(f"{url}/few_shot?v=1&{'&'.join(f'{key}={value}' for key, value in query.items())}")
    page.wait_for_selector(".gallery[data-id]")
    page.get_by_text("on this machine, measured").wait_for()
    page.wait_for_selector(IDLE)
    return page


def seconds(page: Page, button: str, *shown) -> list[float]:
    """Press a button; seconds until each of the texts is there."""
    start, found = time.perf_counter(), []
    page.get_by_role("button", name=button, exact=True).click()
    for text in shown:
        page.get_by_text(text).first.wait_for()
        found.append(time.perf_counter() - start)
    return found


def drag_sigma(page: Page) -> list[float]:
    """Seconds until the player shows the new run, for values of σ that no one has asked for yet."""
    taken = []
    for _ in range(ANSWERS):
        before = page.locator(".player").get_attribute("data-run")
        start = time.perf_counter()
        page.locator(".sigma").evaluate(
            """range => {
                range.value = (0.4 + ((+range.value * 20 - 8 + 7) % 29) / 20).toFixed(2);
                range.dispatchEvent(new Event('change', {bubbles: true}));
            }"""
        )
        page.wait_for_selector(f".player:not([data-run='{before}'])")
        taken.append(time.perf_counter() - start - REST)
        page.wait_for_timeout(100)
    return taken


def main() -> None:
    os.environ["FBSEG_JOBS"] = tempfile.mkdtemp()  # jobs of its own, which the server takes over
    server, url = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            lab(browser, url).context.close()  # the pool is warm
            for protocol, bar in (("matched", 30), ("paper", 5)):
                firsts, wholes = [], []
                for seed in range(SEEDS):
                    page = lab(browser, url, protocol=protocol, seed=seed)
                    first, whole = seconds(page, "Start training", MASKS, "Done")
                    firsts.append(first)
                    wholes.append(whole)
                    page.context.close()
                line(f"{protocol}, 2 examples: start to first live masks", firsts, "s", 2)
                line(f"{protocol}, 2 examples: start to the end", wholes, "s", bar)
            stops = []
            for seed in range(STOPS):
                page = lab(browser, url, updates=1000, seed=seed)
                seconds(page, "Start training", MASKS)
                page.wait_for_timeout(300 + 100 * seed)
                stops += seconds(page, "Stop", "Stopped")
                page.context.close()
            line("stop, until the page says so", stops, "s", 1)
            page = lab(browser, url, updates=2000)
            visitor = browser.new_context(viewport={"width": 1440, "height": 1100}).new_page()
            visitor.goto(url)
            visitor.wait_for_selector(".player[data-playing=false]", timeout=60_000)
            ratios = []
            for turn in range(ROUNDS):  # idle and busy in turns, so that neither has the better machine
                idle = statistics.median(drag_sigma(visitor))
                seconds(page, "Resume" if turn else "Start training", MASKS)
                page.locator(PROGRESS).first.get_by_text("Training").wait_for()
                busy = statistics.median(drag_sigma(visitor))
                seconds(page, "Stop", "Stopped")
                ratios.append(busy / idle)
                print(
                    f"   control in Explore: {1000 * idle:.0f} ms idle, {1000 * busy:.0f} ms while it trains"
                )
            line("control in Explore while another trains, to idle", ratios, "×", 1.5)
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
