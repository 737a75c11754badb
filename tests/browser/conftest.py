"""The app, and a headless Chromium to drive it. Missing tools fail the tests in CI."""

import os

import pytest
from explorer import settle
from served import FLAGS, PATIENCE, chromium_path, start_app, watched

EMPTIED = "cookies,local_storage,indexeddb,service_workers,file_systems"  # all but what was fetched


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """The app's address, its training jobs in a folder of this session's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FBSEG_JOBS", str(tmp_path_factory.mktemp("jobs")))
        server, address = start_app()
    yield address
    server.terminate()
    server.wait(PATIENCE)


@pytest.fixture(scope="session")
def chromium():
    path = chromium_path()
    if path is None:
        message = "no Chromium on the PATH: install it (Debian: apt-get install chromium-headless-shell)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def emptied(chromium):
    """Contexts that an earlier test has left, by what they were opened with: they keep the app's scripts."""
    return {}


@pytest.fixture
def new_context(chromium, emptied):
    """Open browsers with nothing in them but what they have fetched, which are emptied or closed again."""
    made = []

    def new_context(width=1440, height=1100, theme="light", **options):
        options = {"viewport": {"width": width, "height": height}, "color_scheme": theme} | options
        left = emptied.setdefault(str(sorted(options.items(), key=str)), [])
        context = left.pop() if left else chromium.new_context(**options)
        context.set_default_timeout(1000 * PATIENCE)
        made.append((context, left))
        return context

    yield new_context
    for context, left in made:
        origins = {page.evaluate("location.origin") for page in context.pages} - {"null"}
        session = context.new_cdp_session(context.new_page())
        for origin in origins:
            session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": EMPTIED})
        context.clear_cookies()
        context.clear_permissions()
        for page in context.pages:
            page.close()
        left.append(context)


@pytest.fixture
def open_page(new_context, url):
    def open_page(query="", before=None, init="", **options):
        options = {"reduced_motion": "reduce"} | options  # else every page would first play for seconds
        page = watched(new_context(**options))
        if init:
            page.add_init_script(init)
        if before:
            before(page)
        page.goto(url + "/explore" + query)
        page.wait_for_selector(".player[data-run]")
        settle(page)
        return page

    return open_page
