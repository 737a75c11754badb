"""What a step of each model costs, as a table."""

import streamlit as st

from pages.ui import cache
from pages.ui.scene import Scene


def show(scene: Scene) -> None:
    """Multiply-adds and milliseconds of both models."""
    rows = []
    for name in scene.models:
        cost = cache.costs(name, scene.task.side)
        rows.append(
            {
                "model": name,
                "weights": f"{cost.parameters:,}",
                "multiply-adds once a run": f"{cost.prepare_macs / 1e6:.1f} M",
                "in each step": f"{cost.step_macs / 1e6:.1f} M",
                "milliseconds a step": f"{cost.step_ms:.1f}",
            }
        )
    with st.expander("What it costs"):
        st.table(rows)
        st.caption(
            f"One image of {scene.task.side} px. Multiply-adds are counted; milliseconds are the median of 7 "
            "runs on this app's machine, one thread. A model without a loop does all its work once a run."
        )
