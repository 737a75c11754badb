"""A page driven by AppTest, and what must hold of it after every run."""

import functools
from pathlib import Path

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0  # seconds for one run of a page: a busy machine is no fault of the page

# each new AppTest reads the metadata of all that is installed, 0.15 s, and finds the same: no components
manifest_scanner.scan_component_manifests = functools.cache(manifest_scanner.scan_component_manifests)

WITHOUT_ENGINE = {"stability/kept/no engine": "This browser has no WebAssembly."}


def app(file="app.py", state=None, **query):
    """The page opened by a link with these parameters. state: what the session holds already."""
    at = AppTest.from_file(str(ROOT / file), default_timeout=PATIENCE)
    for key, value in (state or {}).items():
        at.session_state[key] = value
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    return sound(at)


def explore(**query):
    """Explore, opened by a link with these parameters, and its boxes opened, too."""
    return app("pages/explore/page.py", {"explore-costs": True, "explore-files": True}, **query)


def link(at):
    """The parameters of the page's address."""
    return {key: value[0] if isinstance(value, list) else value for key, value in at.query_params.items()}


def sound(at):
    """No traceback and no error on the page; returns it."""
    assert not at.exception and not at.error
    return at
