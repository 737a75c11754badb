"""Predictive coding proper, in the visitor's browser, beside the paper's loop on the same image."""

import streamlit as st

from fbseg_core import CheckpointError, ConfigError
from pages.predictive import world
from pages.predictive.stage import KEY, stage
from pages.predictive.state import PredictiveState
from pages.ui import notices, screen, web

SCREEN = screen.Screen("predictive", PredictiveState, {}, lambda view: None)


def take_wish() -> None:
    """Callback of the stage: what it says of its set-up becomes the view's, if it is allowed."""
    try:
        asked = web.asked(KEY).get("setup")
        if not isinstance(asked, dict):
            raise ConfigError("The browser's message could not be read.")
        new = PredictiveState(**asked)
    except ConfigError as error:
        SCREEN.note(f"That could not be done: {error}")
        return
    if new.source == SCREEN.view.source:
        SCREEN.show(new)
    else:
        SCREEN.show_afresh(new)


@st.fragment
def show() -> None:
    """The stage, and what of it stands in the link."""
    notices.noted(SCREEN.noted)
    try:
        payload = world.pack(SCREEN.told(), SCREEN.epoch)
    except (ConfigError, CheckpointError) as error:
        return notices.refused(error)
    stage(payload, take_wish)
    SCREEN.write_link()


def page() -> None:
    """The screen, from top to bottom."""
    SCREEN.read_link()
    if SCREEN.told() != SCREEN.view:  # back from another screen
        SCREEN.show_afresh(SCREEN.view)
    st.title("Predictive coding: guess the image, keep what the guess got wrong", anchor=False)
    st.markdown(
        "r predicts the image, s predicts r, and what the predictions miss moves both, until the energy "
        "stops falling. It all runs in your browser: cover the image, or take hold of any slider."
    )
    show()


screen.begin()
page()
