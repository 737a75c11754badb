"""The app in a subprocess, how Chromium is started to drive it, and pages that note what goes wrong."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from playwright.sync_api import TimeoutError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0  # seconds: a busy machine is no fault of the page
# Debian's headless shell draws no window of a browser: a page costs a third less of the processor's time
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
IDLE = "[data-testid=stApp][data-test-script-state=notRunning]"
T = TypeVar("T")


def eventually(read: Callable[[], T], wanted: Callable[[T], bool] = bool, seconds: float = PATIENCE) -> T:
    """What `read` gives once it is as wanted; what still changes is read again. Fails with the last of it."""
    deadline = time.monotonic() + seconds
    while not wanted(found := read()):
        assert time.monotonic() < deadline, f"waited in vain; the last was {found!r:.500}"
        time.sleep(0.05)
    return found


def chromium_path() -> str | None:
    """The browser to drive: that of the environment, or the first that is installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def at_rest(page) -> None:
    """Wait until Python has answered; there is no traceback on the page."""
    page.wait_for_selector(IDLE)
    assert page.locator("[data-testid=stException]").count() == 0


FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


def start_app(script: str = "app.py", log: Path | None = None, **env: str) -> tuple[subprocess.Popen, str]:
    """Start the app, or another script, on a free port of this machine and wait until it answers.

    log: the file that takes what the server prints.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    with open(log or os.devnull, "wb") as told:
        server = subprocess.Popen(command, cwd=ROOT, env=os.environ | env, stdout=told, stderr=told)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
            return server, url
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise RuntimeError(f"the app did not answer within {PATIENCE:g} seconds")


def watched(context):
    """A new page, and in `faults` whatever it logs as an error, fails to fetch, or does not catch."""
    page = context.new_page()
    page.faults = []

    def log(message):
        # on a deep link Streamlit looks for its server below the page's own path, and there is none
        if message.type == "error" and not re.search(r"/\w+/_stcore/", message.location["url"]):
            page.faults.append(f"{message.text} {message.location['url']}")

    page.on("console", log)
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("requestfailed", lambda request: page.faults.append(request.url))
    return page


def hold_in_the_sidebar(page, key: str, by: float) -> float:
    """Take the thumb of a slider of Streamlit's, and move it by so many pixels; returns what it shows."""
    slider = page.locator(f".st-key-{key}")
    slider.scroll_into_view_if_needed()
    box = slider.locator("[data-testid=stSliderThumbValue]").locator("..").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for share in (0.3, 0.6, 1):
        page.mouse.move(x + share * by, y)
    return float(slider.locator("input").input_value())


def choose(page, menu: str, name: str) -> None:
    """Choose from a menu of Streamlit's, which closes again where the page still settles while it opens."""
    option = page.get_by_role("option", name=name)

    def chosen() -> bool:
        if not option.is_visible():
            page.get_by_role("combobox", name=menu).click()
        try:
            option.click(timeout=3000)
        except TimeoutError:
            return False
        return True

    eventually(chosen)
