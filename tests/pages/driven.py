"""A page driven by AppTest, and what must hold of it after every run."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0  # seconds for one run of a page: a busy machine is no fault of the page


def app(file="app.py", **query):
    """The page opened by a link with these parameters."""
    at = AppTest.from_file(str(ROOT / file), default_timeout=PATIENCE)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    return sound(at)


def explore(**query):
    """Explore, opened by a link with these parameters."""
    return app("pages/explore/page.py", **query)


def sound(at):
    """No traceback and no error on the page; returns it."""
    assert not at.exception and not at.error
    return at
