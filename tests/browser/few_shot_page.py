"""The Few-shot lab in a browser: opening it, training, and reading how far a run is."""

import re
from urllib.parse import parse_qs, urlsplit

from served import PATIENCE, at_rest, eventually, watched

WORKERS = 4 * PATIENCE  # seconds for what a worker does: it yields to all else, and a cold one imports torch
MASKS = re.compile(r"after \d+ / \d+ updates")
PROGRESS = "[data-testid=stProgress]"


def opened(context, url, *scripts):
    page = watched(context)
    for script in scripts:
        page.add_init_script(script)
    page.goto(url)
    page.wait_for_selector(".gallery[data-id]")
    at_rest(page)
    return page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def started(page):
    press(page, "Start training")
    page.get_by_text(MASKS).wait_for(timeout=1000 * WORKERS)


def state(page, name):
    page.locator(PROGRESS).first.get_by_text(name).wait_for(timeout=1000 * WORKERS)


def updates(page):
    """How many updates of the feedback model the progress bar tells of, once it tells of any."""
    counted = lambda: re.search(r"feedback (\d+) of", page.locator(PROGRESS).first.inner_text())  # noqa: E731
    return int(eventually(counted)[1])


def job_of(page):
    """The run that the address names."""
    return parse_qs(urlsplit(page.url).query)["job"]
