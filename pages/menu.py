"""The screens in the order of the menu, and the addresses that lead from one to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import StreamlitPage

if TYPE_CHECKING:  # a cold server shows its first page before these are imported
    from fbseg_core import Card
    from fbseg_core.experiments.subject import Subject
    from pages.ui.link import Linked


@dataclass(frozen=True)
class Entry:
    """A screen. state, subjects: where the class of its state is, and the function that tells which models it
    shows, as "module:name"; the module is imported when it is used."""

    title: str
    state: str
    subjects: str = ""


SCREENS = {
    "live": Entry("Live", "pages.live.state:LiveState"),
    "learn": Entry("Learn", "pages.learn.state:LearnState"),
    "explore": Entry("Explore", "pages.explore.state:ExploreState", "pages.explore.run:subjects"),
    "predictive": Entry("Predictive coding", "pages.predictive.state:PredictiveState"),
    "stability": Entry(
        "Stability lab", "pages.stability.state:StabilityState", "pages.stability.state:subjects"
    ),
    "few_shot": Entry("Few-shot lab", "pages.few_shot.state:FewShotState", "pages.few_shot.state:subjects"),
    "your_data": Entry("Your images", "pages.your_data.state:YourDataState"),
    "evidence": Entry("Evidence", "pages.evidence.state:EvidenceState"),
}
FIRST = next(iter(SCREENS))  # what the bare address opens


def choose() -> StreamlitPage:
    """The screen asked for, with a menu of all of them."""
    pages = [
        st.Page(f"pages/{name}/page.py", title=entry.title, url_path=name, default=name == FIRST)
        for name, entry in SCREENS.items()
    ]
    chosen = st.navigation(pages, position="top")
    if chosen.url_path == "" and is_of_explore(st.query_params):
        st.switch_page(pages[list(SCREENS).index("explore")], query_params=st.query_params.to_dict())
    return chosen


def is_of_explore(parameters: Mapping[str, str]) -> bool:
    """Whether a link of the bare address is from when that opened Explore: it names a part of its state.

    The first screen of today has no part of that name, but `lesson`, of which it has none.
    """
    if not set(parameters) - {"v"}:
        return False
    old = _named(SCREENS["explore"].state)
    return bool(set(parameters) & (old.model_fields.keys() | old.renamed.keys()))


def state(screen: str, **values: Any) -> Linked:
    """A screen's state with these values, and its defaults in all else. Raises ConfigError for misfits."""
    return _named(SCREENS[screen].state)(**values)


def address(of: Linked) -> str:
    """The address of a screen in that state, from any page."""
    screen = _screen_of(of)
    path = "./" if screen == FIRST else f"./{screen}"
    parameters = of.link({})
    return f"{path}?{urlencode(parameters)}" if parameters else path


def link(screen: str, **values: Any) -> str:
    """The address of a screen with these values in its state, from any page."""
    return address(state(screen, **values))


def subjects(of: Linked, cards: Mapping[str, Card]) -> Iterator[Subject]:
    """The models that a screen shows in that state, as they are run there."""
    return _named(SCREENS[_screen_of(of)].subjects)(of, cards)


def _screen_of(state: Linked) -> str:
    path = f"{type(state).__module__}:{type(state).__name__}"
    return next(name for name, entry in SCREENS.items() if entry.state == path)


def _named(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)
