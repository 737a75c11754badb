"""Print how quick the first screen is: python tests/browser/bench_first_screen.py

Page open to first picture, on a cold and on a warm server; and control to new picture, in the browser, from
key press until the picture shown has been decoded, over 30 presses of a key on each control.
"""

import shutil
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
from conftest import FLAGS, start_app

PRESSES = 30
FIRST = "[data-testid=stImage] img"
DECODED = """([i, old]) => {
    const image = document.querySelectorAll('[data-testid=stImage] img')[i];
    return image && image.src !== old && image.complete && image.naturalWidth > 0;
}"""


def seconds_to_first_picture(page: Page, url: str) -> float:
    start = time.perf_counter()
    page.goto(url)
    page.wait_for_function(DECODED, arg=[1, ""], polling="raf", timeout=60_000)
    return time.perf_counter() - start


def seconds_by_key(page: Page, label: str, keys: tuple[str, str], picture: int) -> list[float]:
    """Press the keys in turns on the slider of that label; wait each time until the picture is another."""
    taken = []
    for turn in range(PRESSES):
        old = page.locator(FIRST).nth(picture).evaluate("image => image.src")
        slider = page.get_by_role("slider", name=label)
        slider.focus()
        start = time.perf_counter()
        slider.press(keys[turn // 5 % 2])
        page.wait_for_function(DECODED, arg=[picture, old], polling="raf")
        taken.append(time.perf_counter() - start)
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    return taken


def main() -> None:
    server, url = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            opened = []
            for _ in range(6):
                page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
                opened.append(seconds_to_first_picture(page, url))
            print(f"page open to first picture, cold server: {opened[0]:.2f} s")
            print(
                f"page open to first picture, warm server, median of 5: {statistics.median(opened[1:]):.2f} s"
            )
            page.wait_for_selector(".js-plotly-plot .main-svg")
            for label, what in (("Noise σ", "new σ, both models run again"), ("Step t", "step")):
                keys = ("ArrowLeft", "ArrowRight")
                taken = seconds_by_key(page, label, keys, 0 if label == "Noise σ" else 1)
                middle, late = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
                print(f"{what} to new picture: p50 {1000 * middle:.0f} ms, p95 {1000 * late:.0f} ms")
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
