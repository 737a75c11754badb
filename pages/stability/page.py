"""Stability lab: what each mechanism does, whether a run settled or was switched off, and what is proved."""

import time
from functools import partial
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from fbseg_core import ConfigError, Projection
from fbseg_core.analysis.lockstep import Leg, Walk
from pages.engine import carrier
from pages.engine.weights import EngineError
from pages.stability import computed, exports, figures, race, sections, verdicts
from pages.stability.presets import PRESETS
from pages.stability.state import (
    INTEGRATORS,
    MODES,
    NAMES,
    TRAINED,
    StabilityState,
    Variant,
    built_with,
    checkpoints,
    followed,
    variants_of,
)  # fmt: skip
from pages.ui import controls, models, notices, pictures, screen, web
from pages.ui.models import model_titles
from pages.ui.plotly_style import chart

PATIENCE = 0.3  # seconds without a bar
KEEPS = {"t", "log", "plane", "frozen", "clock", "size", "direction", "local", "perturb"}


class Lab(screen.Screen[StabilityState]):
    """What was computed on a button must be asked for anew once another run or state is shown."""

    def change(self, **changes: Any) -> None:
        asked = {} if changes.keys() <= KEEPS else {"local": False, "perturb": False}
        super().change(**asked | changes)

    def check_change(self, field: str) -> None:
        if field in ("T", "clock", "model"):
            variants_of(self.view, models.cards())


SCREEN = Lab(
    "stability",
    StabilityState,
    {key: preset.view for key, preset in PRESETS.items()},
    lambda view: variants_of(view, models.cards()),
)


# ---- the controls --------------------------------------------------------------------------------------


def choose_run(view: StabilityState) -> None:
    """Models, image, and the spectrum of the decay."""
    cards = models.cards()
    key = SCREEN.bind("mode", view.mode)
    st.radio(
        "A mechanism is missing because it was",
        MODES,
        format_func=MODES.get,
        key=key,
        on_change=SCREEN.take,
        args=("mode",),
        help=controls.help_of(SCREEN, "mode"),
    )
    names = checkpoints(cards, view.model)
    if view.mode == "inference":
        chosen = view.model or names[0]
        called = model_titles(names)
        controls.choice(SCREEN, "model", "Checkpoint", chosen, names, names[0], called.get)
        if called[chosen] != chosen:  # longer than the menu is wide
            st.caption(notices.plain(called[chosen]))
    else:
        st.caption("One checkpoint each: " + ", ".join(f"{TRAINED[name]} ({name})" for name in NAMES) + ".")
    controls.seed(SCREEN, "image", "Image seed", "image")
    controls.seed(SCREEN, "noise", "Noise seed", "noise draw")
    built = built_with(view, cards[variants_of(view, cards)[NAMES[0]].checkpoint])

    def number(field: str, label: str, **more: Any) -> None:
        value = getattr(view, field)
        controls.slider(SCREEN, field, label, built[field] if value is None else value, built[field], **more)

    number("sigma", "Noise σ")
    controls.slider(SCREEN, "T", "Run for T", view.T)
    st.markdown("**Spectrum of the decay**")
    number("tau", "τ")
    number("eigenvalue", "Eigenvalue of A")
    number("eigenvalue_v", "…of the feedback neurons v")
    st.markdown("**How the state takes δ**")
    integrator = view.integrator or built["integrator"]
    controls.choice(SCREEN, "integrator", "Integrator", integrator, INTEGRATORS, built["integrator"])
    number("k", "k", disabled=integrator != "leaky")
    st.button("Reset everything", on_click=SCREEN.reset, width="stretch", key="stability-reset")


# ---- the sections --------------------------------------------------------------------------------------


def walks_of(variants: dict[str, Variant]) -> dict[str, Walk]:
    """The four runs, one after the other, with progress where they take long; a new choice interrupts."""
    place, begun, walks = st.empty(), time.monotonic(), {}
    for name, variant in variants.items():
        if time.monotonic() - begun > PATIENCE:
            place.progress(
                len(walks) / len(variants), f"Running {name}: {len(walks)} of {len(variants)} done"
            )
        walks[name] = computed.walk_of(variant)
    place.empty()
    return walks


def show_four_ways(
    view: StabilityState, variants: dict[str, Variant], walks: dict[str, Walk]
) -> sections.Figures:
    """Curves, plane and masks of the four variants in lock-step."""
    legs = {name: walk.leg(view.frozen) for name, walk in walks.items()}
    last = max(1, *(len(leg) for leg in legs.values()))
    t = last if view.t is None else min(view.t, last)
    run = next(iter(legs.values())).name
    hold, since = st.columns([2, 3], vertical_alignment="bottom")
    with hold:
        controls.toggle(SCREEN, "frozen", "Show all panels with the clock held", view.frozen)
    with since:
        controls.slider(SCREEN, "clock", "Hold the clock from t", view.clock)
    planes = {"all": "all four runs", "first": f"“{NAMES[0]}” alone"}
    st.radio(
        "Plane of principal axes, fitted to", planes, format_func=planes.get, horizontal=True,
        key=SCREEN.bind("plane", view.plane), on_change=SCREEN.take, args=("plane",),
        help=controls.help_of(SCREEN, "plane"),
    )  # fmt: skip
    plane = plane_of(view, variants)
    why = show_race(view, variants, legs, plane)
    drawn = [
        (f"Four variants in lock-step, {run}", figures.curves_figure(legs, t, view.log)),
        (f"Paths of the state, {run}", figures.plane_figure(plane, legs, t)),
    ]
    if why:
        st.caption(f"{notices.plain(why)} So the server draws each step.")
        show_from_server(variants, legs, t, [figure for _, figure in drawn])
    task, labels = variants[NAMES[0]].task, computed.batch_of(variants[NAMES[0]]).labels
    if told := pictures.legend(task, labels):
        st.html(told)
    two = pictures.of_two(task)
    what = "Brightness: probability that a pixel belongs to the shape." if two else "Colour: a pixel's class."
    st.caption(f"Masks, curves and paths: **{run}**. {what}")
    verdicts.table(legs, t)
    return drawn


def show_race(
    view: StabilityState, variants: dict[str, Variant], legs: dict[str, Leg], plane: Projection
) -> str:
    """The four variants run in the browser; or, in a sentence, why they cannot be."""
    if said := SCREEN.recalled("no engine"):
        return said
    batch = computed.batch_of(variants[NAMES[0]])
    key = (SCREEN.epoch, view.frozen, repr(variants))
    begun, look = SCREEN.recalled("begun", (None, {}))
    if begun != key:  # from then on the race knows better what it shows
        look = {"t": view.t, "log": view.log}
        SCREEN.remember("begun", (key, look))
    sidebar = followed(view, models.cards()[variants[NAMES[0]].checkpoint])
    try:
        payload = race.pack(variants, legs, batch, plane, sidebar, **look)
    except EngineError as error:
        return str(error)
    race.race(payload, take_wish)
    carrier.carry(race.weights_of(variants))
    return ""


def take_wish() -> None:
    """Callback of the race: the step on show and the kind of axes, or why the browser cannot run it."""
    wish = web.asked(race.KEY)
    if "why" in wish:
        return SCREEN.remember("no engine", str(wish["why"])[:200])
    try:
        SCREEN.change(t=wish.get("t"), log=wish.get("log"))
    except ConfigError as error:
        SCREEN.note(f"That could not be done: {error}")
    return None


def show_from_server(
    variants: dict[str, Variant], legs: dict[str, Leg], t: int, drawn: list[go.Figure]
) -> None:
    """The same for a browser that cannot run them: pictures and charts of one step, made on the server."""
    last = max(1, *(len(leg) for leg in legs.values()))
    key = SCREEN.bind("t", t, among=last)
    told = controls.help_of(SCREEN, "t")
    st.slider("Step t on show", 0, last, key=key, help=told, on_change=SCREEN.take, args=("t", last))
    show_masks(variants, legs, t)
    controls.toggle(SCREEN, "log", "Logarithmic axes", SCREEN.view.log)
    for column, figure, name in zip(st.columns([3, 2]), drawn, ("curves", "plane")):
        with column:
            chart(figure, key=f"chart-{name}")


def plane_of(view: StabilityState, variants: dict[str, Variant]) -> Projection:
    """The plane the view asks for."""
    return computed.plane_of(list(variants.values()) if view.plane == "all" else [variants[NAMES[0]]])


def show_masks(variants: dict[str, Variant], legs: dict[str, Leg], t: int) -> None:
    """Input, truth, and the four answers of the runs on show at step t."""
    batch = computed.batch_of(variants[NAMES[0]])
    task = variants[NAMES[0]].task
    shown = [
        ("input", pictures.input_picture(task, batch.x[0])),
        ("truth", pictures.truth_picture(task, batch.labels[0])),
    ]
    for name, leg in legs.items():
        now = min(t, len(leg))
        shown.append((f"{name}, t = {now}", verdicts.picture(task, leg, now)))
    with st.container(horizontal=True, gap="small"):
        for title, picture in shown:
            with st.container(width=150):
                st.image(picture, caption=title, alt=title, width="stretch", output_format="PNG")


def show_overflow(walks: dict[str, Walk], frozen: bool) -> None:
    """Where runs ended early, and why."""
    ended = {name: walk.leg(frozen).stopped for name, walk in walks.items() if walk.leg(frozen).stopped}
    if ended:
        told = "; ".join(f"{name}: {reason}" for name, reason in ended.items())
        st.warning(
            f"Overflow was caught, and what was reached is shown. {told}. With a positive eigenvalue λ the "
            "gain e^{λt/τ} multiplies every step, and 32-bit numbers end at about 3·10³⁸, "
            "the squares inside the normalisation at a root of that: the state diverges."
        )


# ---- the screen ----------------------------------------------------------------------------------------


def show() -> None:
    """All that follows from the controls in the sidebar.

    Not a fragment: what is chosen in a fragment waits for what runs, and here it must interrupt it.
    """
    view = SCREEN.view
    notices.noted(SCREEN.noted)
    if view.lesson in PRESETS:
        st.info(f"**{PRESETS[view.lesson].title}.** {PRESETS[view.lesson].look}")
    variants = variants_of(view, models.cards())
    walks = walks_of(variants)
    show_overflow(walks, view.frozen)
    drawn = show_four_ways(view, variants, walks)
    chosen = variants[NAMES[0]].checkpoint
    st.caption(
        "One image, one noise draw, one training seed a model: no interval can be given for these curves. "
        + (
            f"Switched off at inference, on {model_titles([chosen])[chosen]}, which was not trained for it."
            if view.mode == "inference"
            else "Four models, each trained with what its name says and run as it was trained."
        )
    )
    st.radio(
        "The sections below look at", NAMES, horizontal=True, key=SCREEN.bind("focus", view.focus),
        on_change=SCREEN.take, args=("focus",), help=controls.help_of(SCREEN, "focus"),
    )  # fmt: skip
    drawn += verdicts.clock(view.focus, variants[view.focus].task, walks[view.focus])
    more, bounds = sections.certificate(view, variants[view.focus], walks[view.focus])
    SCREEN.write_link()
    probes, local = sections.local_stability(SCREEN, variants[view.focus])
    more_drawn, response = sections.perturbation_test(SCREEN, variants[view.focus])
    drawn += more + probes + more_drawn
    told = verdicts.told(walks, view.frozen)

    def table() -> str:  # fetches the runs anew, so that no session holds on to them
        found = {name: computed.walk_of(variant) for name, variant in variants.items()}
        return exports.table(found, plane_of(view, variants), bounds)

    files = [
        ("Curves (CSV)", "curves.csv", table),
        ("Figures (HTML)", "figures.html", lambda: exports.page_of(drawn, address, told)),
    ]
    if local is not None:
        make = partial(exports.local_table, local, view.at)
        files.append(("Eigenvalues and growth (CSV)", "local.csv", make))
    if response is not None:
        make = partial(exports.response_table, response, view.at)
        files.append(("Perturbation (CSV)", "perturbation.csv", make))
    address = SCREEN.address()
    exports.show(SCREEN, variants, files)


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    view = SCREEN.view
    title, menu = st.columns([3, 2], vertical_alignment="bottom")
    title.title("Stability lab", anchor=False)
    titles = {"": "Free play"} | {key: preset.title for key, preset in PRESETS.items()}
    key = SCREEN.bind("lesson", view.lesson if view.lesson in titles else "")
    menu.selectbox("Preset", list(titles), format_func=titles.get, key=key, on_change=SCREEN.take_lesson)
    with st.sidebar:
        choose_run(view)
    show()


screen.begin()
try:
    page()
except notices.REFUSED as error:
    notices.refused(error)
