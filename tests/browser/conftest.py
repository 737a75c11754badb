"""The app, and a headless Chromium to drive it. Missing tools fail the tests in CI."""

import os
import shutil

import pytest
from explorer import settle
from served import FLAGS, start_app


@pytest.fixture(scope="session")
def url():
    server, address = start_app()
    yield address
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="session")
def chromium():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        message = "no Chromium on the PATH: install it (Debian: apt-get install chromium)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, url):
    contexts = []

    def open_page(query="", width=1440, height=1100, theme="light", **options):
        options = {"reduced_motion": "reduce"} | options  # else every page would first play for seconds
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, **options
        )
        context.set_default_timeout(12_000)
        contexts.append(context)
        page = context.new_page()
        page.faults = []
        page.on("console", lambda m: page.faults.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("requestfailed", lambda request: page.faults.append(request.url))
        page.goto(url + "/" + query)
        page.wait_for_selector(".player[data-run]", timeout=15_000)
        settle(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
