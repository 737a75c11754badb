"""The results that ship, read once, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.ladder import Rung, summary
from fbseg_core.experiments.records import Finding, Panel, Row, path_of, read


@dataclass(frozen=True)
class Measured:
    """A shipped result, and what it says. raw: the file. seeds: how many values its seeds take."""

    head: dict[str, Any]
    rows: list[Row]
    panels: list[Panel]
    finding: Finding
    seeds: int
    raw: bytes


@st.cache_resource(show_spinner=False)
def measured(name: str) -> Measured | None:
    """The full result of an experiment, or None where it does not ship. Raises ConfigError."""
    experiment, path = EXPERIMENTS[name], path_of(name, "full")
    if not path.exists():
        return None
    head, rows = read(path)
    seeds = len({row.settings["seed"] for row in rows})
    return Measured(head, rows, experiment.panels(rows), experiment.conclude(rows), seeds, path.read_bytes())


@st.cache_data(show_spinner=False)
def ladder() -> tuple[dict[str, Any], list[Rung]]:
    """The head of the shipped ladder and its rungs at two examples; nothing where it does not ship."""
    path = path_of("ladder", "full")
    if not path.exists():
        return {}, []
    head, rows = read(path)
    return head, summary(rows, 2)
