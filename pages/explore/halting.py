"""Explore's "Stop by itself": where its rule stops a run, and what was measured of that rule."""

from __future__ import annotations

from typing import Any

from fbseg_core.experiments.halting_rows import saved, what_it_goes_by
from fbseg_core.rollout.halting import AUTO
from pages.explore.run import Run
from pages.ui import shipped


def stop_of(run: Run) -> int | None:
    """The step at which a run is stopped, None where it never is."""
    step = int(AUTO.stop(run.trajectory)[0])
    return None if step < 0 else step


def header(run: Run) -> dict[str, Any]:
    """What the player must know of it."""
    return {"stop": stop_of(run), "why": AUTO.reason, "rule": {"kind": AUTO.kind, "value": AUTO.value}}


def measured() -> str:
    """What the halting experiment that ships found of the rule, in two sentences; "" where none ships."""
    found = shipped.result("halting")
    if not found:
        return ""
    rows, name = found.rows, AUTO.name
    return f"Measured, {saved(rows, name)}. The rule {what_it_goes_by(rows, name)}."
