"""Explore: one noisy image through a feedback model and a comparison, played, drawn on, intervened in."""

import base64
from typing import Any

import streamlit as st

from fbseg_core import Card, CheckpointError, ConfigError
from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import traits_of
from fbseg_core.settings import settings_of
from fbseg_core.tasks import task_of
from pages.explore import computed, costs, exports, halting, in_browser, offered
from pages.explore.lessons import LESSONS
from pages.explore.player import KEY, player, requests
from pages.explore.player.payload import pack
from pages.explore.run import Scene, choices, cue_warning, scene_of, tasks
from pages.explore.shown import on_show
from pages.explore.state import MOST_INTERVENTIONS, ExploreState
from pages.ui import controls, images, marks, models, notices, presentation, screen, server, web
from pages.ui.models import describe_card, model_titles


class Explorer(screen.Screen[ExploreState]):
    """How long a run may be hangs on how large its models are."""

    def check_change(self, field: str) -> None:
        if field in ("T", "model", "comparison"):
            scene_of(self.view, models.cards())


SCREEN = Explorer(
    "explore",
    ExploreState,
    {key: lesson.view for key, lesson in LESSONS.items()},
    lambda view: scene_of(view, models.cards()),
)
LOOK = ("t", "layer", "channel", "of_class", "against", "plane", "points", "chart", "curve", "scale")
SIGMA = settings_of(ExploreState)["sigma"]
SIDEBAR = {"models", "image", "noise", "numbers", "switches"}  # parts whose controls stand in the sidebar


def scene_for(view: ExploreState) -> Scene:
    """What a view asks to compute. Raises ConfigError or CheckpointError."""
    return scene_of(view, models.cards())


# ---- what the visitor does ----------------------------------------------------------------------------


def take_task() -> None:
    """Callback: another task starts from its own defaults; where K > 2, from masks of a typical image."""
    new = ExploreState(task=SCREEN.chosen("task"))
    if models.cards()[scene_for(new).models[0]].model.classes > 2:
        new = new.replace(layer="mask", image=models.OPENS_ON.get(new.task, 0))
    SCREEN.show_afresh(SCREEN.kept(new))


def take_clock() -> None:
    """Callback: freeze the clock at 0, or let it run."""
    SCREEN.change(clock=0 if SCREEN.chosen("frozen") else None)


def next_image(field: str) -> None:
    """Callback: take the next seed; a new image takes off what was drawn."""
    SCREEN.next_seed(field)
    if field == "image":
        SCREEN.change(drawing="", cue=None)


def show_lesson(number: int) -> None:
    """Callback of a presentation's keys: the lesson of that number in the menu, 0 for none."""
    SCREEN.show_afresh(SCREEN.kept((ExploreState(), *SCREEN.lessons.values())[number]))


def take_wish() -> None:
    """Callback of the player: what it asks for becomes the view's, if it is allowed."""
    wish, before = web.asked(KEY), SCREEN.view
    try:
        new = before.replace(**requests.changes(wish, LOOK))
        scene_for(new)
        SCREEN.show(new)
    except (ConfigError, CheckpointError) as error:
        SCREEN.note(f"That could not be done: {error}")
    requests.heard(wish)
    if (SCREEN.view.image, SCREEN.view.noise) != (before.image, before.noise):
        st.rerun()  # the whole page: the sidebar shows them, too


# ---- the controls, beside the player -------------------------------------------------------------------


def choose_models(view: ExploreState) -> None:
    """Task, and which two of its checkpoints run side by side."""
    st.selectbox(
        "Task", tasks(models.cards(), view.task), key=SCREEN.bind("task", view.task), on_change=take_task,
        help="A shape shows at a glance; in grouping the mask must spread from a cue; digits and textures "
        "are real images, of more classes. Compare what the loop does in each.",
    )  # fmt: skip
    lists = choices(models.cards(), view.task, view.model, view.comparison)
    called = model_titles({name for names in lists for name in names})
    menus = (
        (
            "model",
            "Model",
            "The checkpoint that switches and interventions act on. Try one trained another way.",
        ),
        (
            "comparison",
            "Comparison",
            "Runs on the same image and noise. Try the loop cut, or a feedforward model.",
        ),
    )
    for (field, label, told), names in zip(menus, lists):
        chosen = getattr(view, field) or names[0]
        st.selectbox(
            label, names, key=SCREEN.bind(field, chosen), format_func=called.get, help=told,
            on_change=SCREEN.take, args=(field, names[0]),
        )  # fmt: skip
        if called[chosen] != chosen:  # longer than the menu is wide
            st.caption(notices.plain(called[chosen]))


def choose_image(view: ExploreState) -> None:
    """Which image, in which noise draw."""
    parts = [("image", "Image seed", "image")] * ("image" not in view.hide)
    parts += [("noise", "Noise seed", "noise draw")] * ("noise" not in view.hide)
    for field, label, what in parts:
        controls.seed(SCREEN, field, label, what, next_image)


def choose_switches(view: ExploreState, card: Card) -> None:
    """How long to run, and which mechanisms to flip from the start."""
    model = card.model
    shown = in_browser.switches_shown(view, model)
    controls.slider(SCREEN, "T", "Run for T", **shown["T"])
    controls.toggle(SCREEN, "auto", "Stop by itself", view.auto, note=halting.measured())
    st.markdown("**Switched at inference** (not trained without)")
    controls.toggle(SCREEN, "loop", "Feedback loop", view.loop, disabled=not traits_of(model).has_loop)
    controls.toggle(SCREEN, "softmax", "Softmax projection", view.softmax)
    timeless = model.decay == "none"
    controls.toggle(
        SCREEN, "decay", "Exponential decay", shown["decay"]["value"], disabled=timeless,
        note="This model was built without." if timeless else "",
    )  # fmt: skip
    still = not shown["decay"]["value"]
    controls.slider(SCREEN, "eigenvalue", "Eigenvalue of A", **shown["eigenvalue"], disabled=still)
    frozen = st.toggle(
        "Freeze the clock", key=SCREEN.bind("frozen", shown["frozen"]["value"]), on_change=take_clock,
        help="Updates then keep one gain for the whole run. A mask that then moves on was only damped.",
    )  # fmt: skip
    controls.slider(SCREEN, "clock", "Clock stands at t", **shown["clock"], disabled=not frozen)
    controls.choice(SCREEN, "integrator", "Integrator", **shown["integrator"])
    controls.choice(SCREEN, "kernel", "Kernel", **shown["kernel"])


# ---- the screen ---------------------------------------------------------------------------------------


def under_the_hand(view: ExploreState, model: ModelConfig) -> list[dict[str, Any]]:
    """The numbers of the loop that the player has sliders for, where they mean something."""
    leaks = (view.integrator or model.integrator) == "leaky"
    meant = [("tau", "τ", view.decay and model.decay != "none"), ("k", "k", leaks)]
    found = []
    for field, label, means in meant:
        setting, value, built = settings_of(ExploreState)[field], getattr(view, field), getattr(model, field)
        if means:
            span = [setting.lo, setting.hi, setting.step]
            told = {"field": field, "label": label, "unit": setting.unit, "help": setting.help}
            found.append(told | {"range": span, "built": built, "value": built if value is None else value})
    return found


def header(view: ExploreState, scene: Scene) -> dict:
    """What the player must know besides the run."""
    cards = [models.cards()[name] for name in scene.models]
    title = model_titles(scene.models)[scene.models[0]]
    model, switches = cards[0].model, scene.switches
    return {
        "epoch": SCREEN.epoch,
        "answered": requests.answered(),
        "names": [traits_of(card.model).title for card in cards],
        "still": not traits_of(cards[1].model).takes_steps,
        "loops": traits_of(model).has_loop,
        "leaks": (switches.integrator or model.integrator) == "leaky",
        "sigma": scene.task.sigma,
        "sigmas": [SIGMA.lo, SIGMA.hi, SIGMA.step],
        "trained": models.sigmas_of(cards[0]),
        "settings": under_the_hand(view, model),
        "sidebar": in_browser.switches_shown(view, model),
        "image": view.image,
        "noise": view.noise,
        "drawn": bool(view.drawing),
        "cue": view.cue,
        "do": [item.model_dump(mode="json") for item in view.do],
        "most": MOST_INTERVENTIONS,
        "marks": marks.header(),
        "switches": {
            "loop": view.loop,
            "softmax": view.softmax and model.projection == "softmax",
            "decay": view.decay and model.decay != "none",
            "frozen": switches.clock is not None,
        },
        "look": {key: getattr(view, key) for key in LOOK},
        "draws": view.draws,
        "presented": view.presented,
        "hide": list(view.hide),
        "lut": base64.b64encode(images.colour_scale()).decode(),
        "title": title,
    }


@st.fragment
@notices.told
def show() -> None:
    """The player and all that follows from what is done in it."""
    view = SCREEN.view
    scene = scene_for(view)
    notices.noted(SCREEN.noted)
    if view.lesson in LESSONS:
        st.info(f"**{LESSONS[view.lesson].title}.** {LESSONS[view.lesson].look}")
    planes = server.warm_up()
    plane = (view.plane, view.points) if planes.is_set() else None
    place, bar = st.container(), st.empty()
    drawable = task_of(scene.task).drawable
    draws = None
    if view.draws and plane is not None:

        def tell(share: float) -> None:
            bar.progress(share, f"{computed.DRAWS} noise draws")

        _, untouched = computed.runs(scene)
        fitted = computed.plane(untouched, *plane)
        draws = computed.draws(untouched, fitted, None if requests.dragging() else tell)
        bar.empty()
    with place:
        parts = {"fed": view.layer == "v_hat", "state": requests.wants_state() and not requests.dragging()}
        if view.layer in ("probability", "difference"):
            parts["of_class"] = view.of_class
        found = on_show(scene, plane, draws, **parts)
        warning = cue_warning("draw" not in view.hide and drawable)
        told = {"cueNote": warning if found.astray else "", "cueWarning": warning}
        told |= {"auto": found.auto if view.auto else None, "engine": found.engine}
        player(pack(found.laid, header(view, scene) | told), take_wish)
        if not found.engine["why"] and not requests.dragging():
            offered.carry(scene, view)
    for sentence in found.told:
        notices.noted(sentence)
    flipped = scene.switches.changed()
    if flipped:
        said = ", ".join(f"{key} = {value}" for key, value in flipped.items())
        st.info(f"Switched at inference, on a model trained with everything on: {said}.")
    if "numbers" not in view.hide and not view.presented:
        costs.show(scene)
    if "export" not in view.hide and not view.presented:
        exports.show(SCREEN, scene, [traits_of(models.cards()[name].model).title for name in scene.models])
    if not requests.dragging():
        SCREEN.write_link()
    if plane is None:  # a new server's first page: the masks came first, the plane follows
        planes.wait(20)
        st.rerun()
    requests.drag_shown()


def reset(width: str = "stretch") -> None:
    """The way back to the defaults."""
    st.button("Reset everything", on_click=SCREEN.reset, width=width)


def choose(view: ExploreState, bare: bool) -> None:
    """The sidebar. bare: nothing of it is left but perhaps the seeds."""
    if "models" not in view.hide:
        choose_models(view)
    choose_image(view)
    if "numbers" not in view.hide:
        # not in the player: only what is outside a fragment can stop one that is running
        controls.toggle(SCREEN, "draws", f"{computed.DRAWS} noise draws", view.draws)
    if "switches" not in view.hide:
        choose_switches(view, models.cards()[scene_for(view).models[0]])
    if not bare:
        reset()


def choose_lesson(view: ExploreState) -> None:
    """The menu of lessons under the title, and the way into a presentation, which has no title, and out."""
    menu, present = st.columns([11, 2])
    if not view.presented:
        title, menu, present = st.columns([6, 5, 2], vertical_alignment="bottom")
        title.title("Watch a mask evolve", anchor=False)
    titles = {"": "Free play"} | {key: lesson.title for key, lesson in LESSONS.items()}
    shown = view.lesson if view.lesson in titles else ""
    if "lesson" not in view.hide:
        menu.selectbox(
            "Lesson", list(titles), format_func=titles.get, key=SCREEN.bind("lesson", shown),
            on_change=SCREEN.take_lesson, label_visibility="collapsed" if view.presented else "visible",
        )  # fmt: skip
    with present:
        (presentation.leave_button if view.presented else presentation.begin_button)(SCREEN)
    if view.presented:
        at = list(titles).index(shown)
        last = at if "lesson" in view.hide else len(titles) - 1
        # the arrow keys are the player's: a step on, a step back
        presentation.present(SCREEN, at, last, show_lesson, arrows=False)


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    view = SCREEN.view
    choose_lesson(view)
    cards = models.cards()
    bare = set(view.hide) >= SIDEBAR  # then the reset button is on the page: one button makes no sidebar
    if not view.presented:
        with st.sidebar:
            choose(view, bare)
    show()
    in_browser.carry(scene_for(view))
    if view.presented:
        return
    if bare:
        reset(width="content")
    st.caption(
        "One image, one noise draw, one trained model each: no interval can be given for these curves "
        "but the one over noise draws. A small update is not a satisfied model. Where δ is added (E5), E3 "
        "keeps ‖δ‖ near a constant whatever F finds: freeze the clock to see whether the mask settles. Where "
        "the state leaks (E5'), the error ‖δ − h‖ can vanish: the curves show whether it does."
    )
    for name, title in model_titles(scene_for(view).models).items():
        st.caption(describe_card(cards[name], title))


screen.begin()
try:
    page()
except notices.REFUSED as error:
    notices.refused(error)
