"""Stability lab: what each mechanism does, whether a run settled or was switched off, and what is proved."""

from functools import partial
from typing import Any

import streamlit as st

from fbseg_core import ConfigError
from pages.engine import carrier
from pages.engine.weights import EngineError
from pages.stability import computed, exports, figures, from_server, race, sections, verdicts
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


def choose_look(view: StabilityState) -> None:
    """Which of each variant's two runs is on show, and the plane of the paths."""
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


def show_race(view: StabilityState, variants: dict[str, Variant]) -> str:
    """The four variants run in the browser, before Python runs any; or, in a sentence, why they cannot be."""
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
        payload = race.pack(variants, view.frozen, batch, sidebar, view.plane, **look)
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
    choose_look(view)
    why = show_race(view, variants)
    if why:
        st.caption(f"{notices.plain(why)} So the server draws each step.")
        from_server.show(SCREEN, variants)
    task, labels = variants[NAMES[0]].task, computed.batch_of(variants[NAMES[0]]).labels
    if told := pictures.legend(task, labels):
        st.html(told)
    two = pictures.of_two(task)
    what = "Brightness: probability that a pixel belongs to the shape." if two else "Colour: a pixel's class."
    st.caption(f"Masks, curves and paths: **{verdicts.run_shown(view, variants)}**. {what}")
    board = verdicts.Board(view, variants)
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
    clock = verdicts.ClockSection(view.focus, variants[view.focus], board.walks[view.focus])
    walks = board.judge(lambda name, walk: clock.tell(walk) if name == view.focus else None)
    drawn = clock.draw(walks[view.focus])
    more, bounds = sections.certificate(view, variants[view.focus], walks[view.focus])
    SCREEN.write_link()
    probes, local = sections.local_stability(SCREEN, variants[view.focus])
    more_drawn, response = sections.perturbation_test(SCREEN, variants[view.focus])
    drawn += more + probes + more_drawn

    # both fetch the runs anew, so that no session holds on to them
    def table() -> str:
        return exports.table(computed.walks_of(variants), computed.plane_shown(view, variants), bounds)

    def pictured() -> str:
        found = computed.walks_of(variants)
        legs = {name: walk.leg(view.frozen) for name, walk in found.items()}
        four = figures.of_four(view, legs, computed.plane_shown(view, variants))
        return exports.page_of([*four, *drawn], address, verdicts.told(found, view.frozen))

    files = [
        ("Curves (CSV)", "curves.csv", table),
        ("Figures (HTML)", "figures.html", pictured),
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
