"""Live: the loop in the visitor's browser, under the hand while it runs."""

import streamlit as st

from fbseg_core import CheckpointError, ConfigError
from pages.live import world
from pages.live.stage import KEY, stage
from pages.live.state import LiveState
from pages.ui import notices, screen, web

SCREEN = screen.Screen("live", LiveState, {}, world.check)
PAPER = "https://arxiv.org/abs/2507.10143"
ANEW = {"world", "shown"}  # what only the server can bring


def take_wish() -> None:
    """Callback of the stage: what it says of its set-up becomes the view's, if it is allowed."""
    wish = web.asked(KEY)
    if wish.get("reset") is True:
        return SCREEN.reset()
    try:
        asked = wish.get("setup")
        if not isinstance(asked, dict):
            raise ConfigError("The browser's message could not be read.")
        new = LiveState(**{key: tuple(v) if isinstance(v, list) else v for key, v in asked.items()})
        world.check(new)
    except ConfigError as error:
        SCREEN.note(f"That could not be done: {error}")
        return None
    same = all(getattr(new, key) == getattr(SCREEN.view, key) for key in ANEW)
    return SCREEN.show(new) if same else SCREEN.show_afresh(new)


@st.fragment
def show() -> None:
    """The stage, and what of it stands in the link."""
    notices.noted(SCREEN.noted)
    try:
        payload, refused = world.pack(SCREEN.told(), SCREEN.epoch)
    except (ConfigError, CheckpointError) as error:
        return notices.refused(error)
    stage(payload, take_wish)
    for sentence in refused:
        notices.noted(sentence)
    SCREEN.write_link()


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    if (
        SCREEN.told() != SCREEN.view
    ):  # back from another screen, with a stage that knows nothing of what was changed
        SCREEN.show_afresh(SCREEN.view)
    st.title("Watch a network correct itself", anchor=False)
    st.markdown(
        "The network guesses, looks at its own guess, and corrects it, again and again "
        f"([the paper]({PAPER})). It runs in your browser: take hold of anything."
    )
    show()


screen.begin()
page()
