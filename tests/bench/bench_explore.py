"""Print how quick Explore is in a real browser: python tests/bench/bench_explore.py

Page open to the first picture on a cold and on a warm server; scrub and key press to painted frame; σ drag,
new noise and new image to new masks, which the browser computes; bytes of a default run; resident memory over
300 interactions. Each with its bar.
"""

import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from served import FLAGS, at_rest, chromium_path, start_app

READY = ".player[data-run]"
# From the event until the frame after it has been drawn, in the page's own clock. The second callback runs
# when the frame that the first one's drawing went into has been handed over.
PAINTED = """act => new Promise(done => {
    const start = performance.now();
    eval(act);
    requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () =>
        done(performance.now() - start); c.port2.postMessage(0); });
})"""
FIND = """const find = selector => [document, ...[...document.querySelectorAll('*')]
    .map(e => e.shadowRoot)].map(root => root?.querySelector(selector)).find(Boolean);"""


def line(name: str, values: list[float], unit: str, bar: float) -> None:
    late = statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
    print(f"{name:<52} p50 {statistics.median(values):8.1f}   p95 {late:8.1f} {unit}   bar {bar:g}")


def open_page(browser, url: str) -> tuple[Page, float]:
    page = browser.new_context(viewport={"width": 1440, "height": 1100}).new_page()
    start = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(READY, timeout=60_000)
    return page, time.perf_counter() - start


def painted(page: Page, act: str, times: int, values) -> list[float]:
    return [page.evaluate(PAINTED, f"{FIND} {act}".replace("VALUE", str(values(i)))) for i in range(times)]


# From an act until the panels show the run that the browser computed of these values; ready: what acts.
MADE = f"""([ready, act, wanted]) => {{ {FIND} return new Promise(done => {{
    const [player, at] = [find('.player'), eval(ready)];
    const painted = () => requestAnimationFrame(() => {{
        const c = new MessageChannel();
        c.port1.onmessage = () => done(performance.now() - start);
        c.port2.postMessage(0);
    }});
    const seen = new MutationObserver(() => {{
        if (!player.dataset.made.startsWith(wanted)) return;
        seen.disconnect();
        painted();
    }});
    seen.observe(player, {{ attributeFilter: ['data-made'] }});
    const start = performance.now();
    eval(act);
}}); }}"""


def drag_sigma(page: Page, times: int) -> list[float]:
    """Milliseconds from a move of σ's thumb to all masks painted, computed in the browser."""
    taken = [move_sigma(page, i) for i in range(times)]
    release(page)
    return taken


def move_sigma(page: Page, i: int) -> float:
    """The i-th move of a drag, which goes on; milliseconds until all masks are painted."""
    page.wait_for_selector(".player[data-engine=true]")
    value = f"{0.4 + 0.05 * (i % 20):.4g}"
    move = f"at.value = {value}; at.dispatchEvent(new Event('input', {{bubbles: true}}));"
    taken = page.evaluate(MADE, ["find('.sigma')", move, f'{{"sigma":{value}}}'])
    page.wait_for_timeout(30)
    return taken


def take_next(page: Page, field: str, times: int) -> list[float]:
    """Milliseconds from "New" beside a seed to all masks painted, computed in the browser."""
    taken = []
    for _ in range(times):
        page.wait_for_timeout(300)
        seed = int(page.locator(f".st-key-explore-{field} input").input_value())
        button = f"document.querySelector('.st-key-next-{field} button')"
        taken.append(page.evaluate(MADE, [button, "at.click();", f'{{"{field}":{seed + 1}']))
        page.wait_for_selector(".player:not(.ahead)")
        at_rest(page)
    return taken


def release(page: Page) -> float:
    """Milliseconds from letting go of σ to the server's answer on show."""
    page.wait_for_selector(".player.ahead")
    start = time.perf_counter()
    page.locator(".sigma").dispatch_event("change")
    page.wait_for_selector(".player:not(.ahead)")
    return 1000 * (time.perf_counter() - start)


def ask_for_sigma(page: Page, times: int) -> None:
    """So many σ, each answered by the server."""
    for i in range(times):
        page.locator(".sigma").evaluate(
            "(range, v) => { range.value = v; range.dispatchEvent(new Event('input', {bubbles: true})); }",
            0.4 + 0.05 * (i % 20),
        )
        release(page)


def resident(pid: int) -> float:
    """MB held by a process and its children."""
    pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = stat.read_text().rsplit(")", 1)[1].split()
        if int(stat.parent.name) == pid or int(fields[1]) == pid:
            pages += int((stat.parent / "statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    started = time.perf_counter()
    server, url = start_app()
    url += "/explore"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
            page, _ = open_page(browser, url)
            line("start of the server to first picture", [time.perf_counter() - started], "s", 6)
            page.context.close()
            line(
                "page open to first picture, warm server",
                [open_page(browser, url)[1] for _ in range(5)],
                "s",
                3,
            )
            page, _ = open_page(browser, url + "?T=20")
            page.wait_for_selector(".player[data-playing=false]")
            scrub = "const r = find('.time'); r.value = VALUE; r.dispatchEvent(new Event('input'));"
            line("scrub to painted frame", painted(page, scrub, 100, lambda i: i % 21), "ms", 33)
            key = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'VALUE', bubbles: true}));"
            keys = lambda i: "ArrowLeft" if i // 20 % 2 == 0 else "ArrowRight"  # noqa: E731
            line("key press to painted frame", painted(page, key, 100, keys), "ms", 33)
            page, _ = open_page(browser, url)
            sent = page.locator(".player").get_attribute("data-bytes")
            print(f"payload of a default run: {int(sent) / 1000:.0f} kB   bar 700")
            page.wait_for_selector(".player[data-playing=false]")
            page.wait_for_timeout(25_000)  # until the last freeze of the warm-up
            line("σ drag to new masks, 64 px, in the browser", drag_sigma(page, 60), "ms", 250)
            line("new noise to new masks, 64 px, in the browser", take_next(page, "noise", 20), "ms", 250)
            line("new image to new masks, 64 px, in the browser", take_next(page, "image", 20), "ms", 250)
            before = resident(server.pid)
            ask_for_sigma(page, 300)
            page.wait_for_timeout(1000)
            after = resident(server.pid)
            print(f"resident memory over 300 interactions: {before:.0f} to {after:.0f} MB   bar +30")
            browser.close()
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
