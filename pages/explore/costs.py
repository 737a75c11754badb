"""What the two models on show cost, as a table."""

import streamlit as st

from fbseg_core.analysis.cost import Cost, Timings
from fbseg_core.config import Switches
from pages.explore import computed
from pages.explore.run import Scene
from pages.ui.models import model_titles


def show(scene: Scene) -> None:
    """Multiply-adds and milliseconds of both models, and a button that times them anew, once it is opened."""
    box = st.expander("What it costs", key="explore-costs", on_change="rerun")
    if not box.open:
        return
    # only the loop's switch changes what there is to do, and the comparison is run as it was built
    asked = [
        (name, scene.task.size, Switches(loop=loop))
        for name, loop in zip(scene.models, (scene.switches.loop, None))
    ]
    called = model_titles(scene.models)
    with box:
        columns = {
            f"{'model' if not i else 'comparison'}: {called[one[0]]}": column(
                computed.costs(*one), computed.timings(*one), scene.steps
            )
            for i, one in enumerate(asked)
        }
        names = list(next(iter(columns.values())))
        st.table(
            [{"": name} | {title: cells[name] for title, cells in columns.items()} for name in names],
            hide_index=True,
        )
        st.caption(
            f"One image of {_px(scene.task.size)}. Multiply-adds are counted, a run's with one readout. "
            "Milliseconds are measured on this app's machine, on one thread, when they were first asked for: "
            "whatever else it does at the time makes them longer."
        )
        st.button("Time again", on_click=computed.time_again, args=(asked,), key="time-again")


def _px(size: tuple[int, int]) -> str:
    return f"{size[0]} px" if size[0] == size[1] else f"{size[0]} × {size[1]} px"


def column(cost: Cost, timings: Timings, steps: int) -> dict[str, str]:
    """What one model's run of so many steps takes, by the name of each number."""
    taken, unit = timings.milliseconds, "step" if cost.recurs else "pass"
    return {
        "weights": f"{cost.parameters:,}",
        "the network is run": f"in each of {steps} steps" if cost.recurs else "in one pass",
        "multiply-adds each time": f"{cost.unit_macs / 1e6:.1f} M a {unit}",
        "multiply-adds of a run": f"{cost.run_macs(steps) / 1e6:.1f} M",
        "milliseconds, median": f"{timings.median:.1f} a {unit}",
        "shortest to longest": f"{min(taken):.1f} to {max(taken):.1f}, {len(taken)} timings",
    }
