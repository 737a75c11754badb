"""The Stability lab driven by AppTest: opening it, and reading what it shows."""

import base64
import functools
import json
import re

import driven
import numpy as np
from tiers import forms

from pages.stability.presets import PRESETS

SMALL = {"T": "12"}
EACH_PRESET = forms(PRESETS, often=("switched-off",), slow=list(PRESETS)[::4])


def app(file="pages/stability/page.py", **query):
    """The lab as a browser without WebAssembly has it: masks and charts of one step, made on the server.

    The box of what can be taken along is open.
    """
    return driven.app(file, driven.WITHOUT_ENGINE | {"stability-files": True}, **query)


@functools.cache
def opened(lesson):
    """A preset's page, to look at only."""
    return app(lesson=lesson)


def table(at):
    """The verdict table: variant -> state, mask, F1."""
    body = next(e.proto.body for e in at.get("html") if 'class="verdicts"' in e.proto.body)
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in body.split("<tr>")[2:]]
    return {row[1]: tuple(row[2:]) for row in rows}


def texts(at):
    return [m.value for m in at.markdown]


def said(at, run):
    """The two sentences that the Clock section says of a run."""
    return next(text for text in texts(at) if text.startswith(f"With the {run}")).split("  \n")


def together(at):
    """What it says of both runs together: state and mask."""
    found = next(text for text in texts(at) if text.startswith("**Both runs together"))
    return re.findall(r"\*\*(?:State|Mask): (.*?)\.\*\*", found)


def chart(at, key):
    """name -> values of the traces of a chart, the first of each name."""
    found = next(c for c in at.get("plotly_chart") if c.proto.id.endswith(f"chart-{key}"))
    traces = {}
    for trace in json.loads(found.proto.spec)["data"]:
        y = trace["y"]
        if isinstance(y, dict):
            y = np.frombuffer(base64.b64decode(y["bdata"]), y["dtype"]).tolist()
        traces.setdefault(trace["name"], y)
    return traces
