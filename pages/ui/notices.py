"""What a screen tells its visitor of what could not be done: sentences that may quote a link or a file.

Streamlit draws notices as markdown. Whatever comes from outside is shown as the characters it is: no link to
click, no picture that a browser would fetch, no formatting.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from fbseg_core import CheckpointError, ConfigError
from pages.jobs import JobError

F = TypeVar("F", bound=Callable[..., Any])
REFUSED = (ConfigError, CheckpointError, JobError)  # each is one sentence, fit for a visitor
JOINER = "\u2060"  # no width, no break: parts what is made a link, an icon or an emoji after escapes are read
_SIGNS = re.compile(r"([\\`*\[\]<>$~|{}]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;))")
_LINKS = re.compile(r"(?i)(https?:|mailto:|xmpp:|www(?=\.)|(?<=\S)@(?=\S))")
_NAMED = re.compile(r":(?=[^\W\d]|[+-]|\d+:)")
_BEGINS = re.compile(r"^(\s*)([#>+=-]|\d+(?=[.)]))")


def plain(text: str) -> str:
    """Text as markdown that shows just these characters, on one line."""
    text = " ".join(text.split())
    text = _SIGNS.sub(r"\\\1", text)
    text = _LINKS.sub(rf"\1{JOINER}", text)
    text = _NAMED.sub(f":{JOINER}", text)
    return _BEGINS.sub(lambda found: f"{found[1]}{JOINER}{found[2]}", text)


def refused(error: Exception | str, place: Any = st) -> None:
    """Tell why a screen, or a part of it, cannot be shown."""
    place.error(plain(str(error)))


def noted(sentence: str | None, place: Any = st) -> None:
    """Tell what was noted, if anything was."""
    if sentence:
        place.warning(plain(sentence))


def told(show: F) -> F:
    """Decorator of a fragment: its errors do not reach the page's own handler when it alone is run again."""

    @functools.wraps(show)
    def shown(*given: Any, **named: Any) -> Any:
        try:
            return show(*given, **named)
        except REFUSED as error:
            return refused(error)

    return shown
