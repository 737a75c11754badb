"""Print how quick Live is on this machine: python tests/bench/bench_live.py

Steps shown a second at full pace at 48 px, with one model on show and with three; beside them, in the same
run and browser, what a step of the engine alone takes. Then the time from opening the page to the first mask
that has moved, on a warm server, how many requests a drag of σ and of the dot makes, and how long Explore
takes from a move of σ to all masks of a run of 10 steps. Bars: 20 steps a second with one model, 3 s to the
first moved mask, no request, 1.5 times 10 engine steps and a frame, and 80 ms.
"""

import base64
import json
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

sys.path[:0] = [str(Path(__file__).parents[1] / "browser"), str(Path(__file__).parents[2])]
from bench_engine import OPEN, TIME  # noqa: E402
from bench_explore import drag_sigma, move_sigma, open_page, release  # noqa: E402
from engine_page import scripts, text  # noqa: E402
from served import FLAGS, chromium_path, start_app  # noqa: E402
from stage import WOKEN, drag, slide, step, until_step  # noqa: E402

from fbseg_core import load, make_batch  # noqa: E402
from pages.engine.weights import packed  # noqa: E402

SHOWN = ["grouping-feedback", "grouping-loop-cut", "grouping-feedforward"]
SECONDS = 4.0
FRAME = 1000 / 60  # ms
STEPS = 10  # of Explore's run


def opened(browser, url: str, **query: str) -> tuple[Page, float]:
    """A new visitor's page, and the seconds until the mask had moved."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    start = time.perf_counter()
    page.goto(f"{url}/?{urlencode(query)}")
    page.wait_for_selector(WOKEN, timeout=120_000)
    until_step(page, 1)
    return page, time.perf_counter() - start


def rate(browser, url: str, shown: list[str]) -> float:
    """Steps shown a second at full pace."""
    page, _ = opened(browser, url, v="1", pace="full", shown=json.dumps(shown, separators=(",", ":")))
    page.wait_for_timeout(1000)
    first, start = step(page), time.perf_counter()
    page.wait_for_timeout(1000 * SECONDS)
    found = (step(page) - first) / (time.perf_counter() - start)
    page.context.close()
    return found


def engine_page(browser, name: str = SHOWN[0]) -> Page:
    """A page with nothing but the engine and a model."""
    page = browser.new_page()
    page.add_script_tag(content=scripts())
    model, card = load(name)
    model_bytes = base64.b64encode(packed(model, card.task.size)).decode()
    page.evaluate(OPEN, [model_bytes, text(make_batch(card.task, 1, seed=0).x), list(card.task.size)])
    return page


def engine_ms(page: Page) -> float:
    """Milliseconds of a step of the engine alone, of STEPS one after the other."""
    return page.evaluate(TIME, [True, STEPS, False])


def requests_of_a_drag(browser, url: str) -> int:
    """Messages to the server and requests while σ and the dot are dragged, for two seconds."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append("message")))
    page.goto(url)
    page.wait_for_selector(WOKEN)
    until_step(page, 5)
    page.wait_for_timeout(2000)
    page.on("request", lambda request: sent.append(request.url))
    before = len(sent)
    box = page.locator(".sigma").bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] / 2)
    page.mouse.down()
    for i in range(20):
        page.mouse.move(box["x"] + 30 + 5 * i, box["y"] + box["height"] / 2)
        page.wait_for_timeout(50)
    found = len(sent) - before
    page.mouse.up()
    page.wait_for_timeout(2000)  # then it is told once
    before = len(sent)
    drag(page, (18, 33), (30, 20), (14, 8), (20, 30))
    found += len(sent) - before
    slide(page, ".sigma", 0.2)
    page.context.close()
    return found


def main() -> None:
    server, url = start_app()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            opened(browser, url)[0].context.close()  # a warm server
            alone = engine_page(browser)
            engine_ms(alone)  # the first time it is compiled
            ms = statistics.median(engine_ms(alone) for _ in range(12))
            print(f"a step of the engine alone, {SHOWN[0]}: {ms:.1f} ms, {1000 / ms:.0f} a second")
            for shown, bar in ((SHOWN[:1], "   bar 20"), (SHOWN, "")):
                print(f"steps shown a second, {len(shown)} on show: {rate(browser, url, shown):.1f}{bar}")
            taken = []
            for _ in range(5):
                page, seconds = opened(browser, url)
                page.context.close()
                taken.append(seconds)
            print(f"page open to first moved mask, warm server: {statistics.median(taken):.1f} s   bar 3")
            page, _ = open_page(browser, f"{url}/explore?task=grouping&T={STEPS}")
            drag_sigma(page, 10)  # what is compiled at the first turns is none of it
            masks, paces = [], []
            for i in range(60):  # in turn: the machine changes its pace
                masks.append(move_sigma(page, i))
                paces.append(engine_ms(alone))
            release(page)
            middle, late = statistics.median(masks), statistics.quantiles(masks, n=20)[-1]
            print(f"σ drag to all masks, T = {STEPS}: p50 {middle:.0f} ms, p95 {late:.0f} ms   bar 80")
            pace = statistics.median(paces)
            steps = (middle - FRAME) / pace
            print(f"  less a frame, in steps of the engine timed in turn: {steps:.1f}   bar {1.5 * STEPS:g}")
            print(f"  such a step: {pace:.1f} ms")
            page.context.close()
            print(f"requests while σ and the dot are dragged: {requests_of_a_drag(browser, url)}   bar 0")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
