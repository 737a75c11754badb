"""The Few-shot lab driven by AppTest: opening it, waiting for its runs, reading what it shows."""

import json
import re
import time

import torch
from driven import PATIENCE, ROOT
from streamlit.testing.v1 import AppTest

from pages.few_shot import computed
from pages.jobs import Follower

ME, STRANGER = "a" * 32, "b" * 32
PAGE = "pages/few_shot/page.py"
CHARTS = {"loss": "Loss", "f1": "F1", "gradient": "Gradient"}


def app(file=PAGE, owner=ME, **query):
    at = AppTest.from_file(str(ROOT / file), default_timeout=PATIENCE)
    at.session_state["owner"] = owner
    at.session_state["stability-files"] = True  # on that page, the box of what can be taken along is open
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception
    return at


def sound(at):
    """No traceback, no error and no warning on the page; returns it."""
    told = [one.value for one in (*at.exception, *at.error, *at.warning)]
    assert not told, told
    return at


def tables(at):
    """The rows of all tables."""
    return [row for table in at.table for row in table.value.to_dict("records")]


def view(at):
    return at.session_state["few_shot/view"]


def until(at, what):
    """Run the page until what() is true."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)  # a page run over and over would starve what it waits for
        at.run()
        assert not at.exception
    return at


def state(at):
    found = at.get("progress")
    return re.search(r"\*\*(.+?)\*\*", found[0].proto.text)[1] if found else ""


def done(at):
    return until(at, lambda: state(at) == "Done")


def started(**query):
    at = app(**query)
    at.button(key="start").click().run()
    return at


def followed(at):
    return Follower().poll(computed.pool(), view(at).job, ME)


def traces(at, name):
    """x and y by trace name of a chart, whichever way it is drawn."""
    moving = [json.loads(c.proto.json) for c in at.get("bidi_component") if "charts" in c.proto.json]
    if moving and name in CHARTS:
        chart = next(c for c in moving[0]["charts"] if c["title"].startswith(CHARTS[name]))
        return {line["name"]: (line["x"], line["y"]) for line in chart["lines"]}
    chart = next(c for c in at.get("plotly_chart") if c.proto.id.endswith(f"chart-{name}"))
    return {t["name"]: (t["x"], t["y"]) for t in json.loads(chart.proto.spec)["data"] if "name" in t}


def weights(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])
