"""The app, and a headless Chromium to drive it. Missing tools fail the tests in CI."""

import os
import shutil

import pytest
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
