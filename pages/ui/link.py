"""A screen's state as one frozen value, and the link that carries it.

A link names its version and only what differs from the defaults, or from a lesson's view. Reading is bounded:
anything unknown, out of range, too long or of another version is refused as a whole with one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field

from fbseg_core import ConfigError
from fbseg_core.settings import Config, setting, settings_of

VERSION = "1"
LONGEST = 8000  # characters of a link's values: what servers and chat programs pass on whole
DEEPEST = 8  # lists in lists
LARGEST_SEED = 999


def parse(text: str) -> Any:
    """JSON of a link. Raises ValueError, also for more nesting than any link has."""
    depth = deepest = 0
    for sign in text:
        depth += (sign in "[{") - (sign in "]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise ValueError("nested too deeply")
    return json.loads(text)


class Linked(Config):
    """Base of a screen's state. `lesson` names the preset that it builds on, "" for the defaults.

    renamed, renamed_lessons: what earlier links call a field or a lesson -> what it is called now. Both are
    read, the new name is written.
    """

    renamed: ClassVar[Mapping[str, str]] = {}
    renamed_lessons: ClassVar[Mapping[str, str]] = {}

    lesson: str = Field("", max_length=40)

    def encode(self, key: str) -> str:
        """A field as the text that stands in a link."""
        value = self.model_dump(mode="json")[key]
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))

    @classmethod
    def decode(cls, key: str, text: str) -> Any:
        """A field from that text. Raises ConfigError."""
        if isinstance(cls.model_fields[key].default, str):
            return text
        try:
            value = parse(text)
        except ValueError:
            raise ConfigError(f"The link's {key} = {text!r:.40} cannot be read.") from None
        return tuple(value) if isinstance(value, list) else value

    def link(self, lessons: Mapping[str, Self]) -> dict[str, str]:
        """The parameters of the link: the lesson, if any, and what differs from it; none for the defaults."""
        base = lessons.get(self.lesson, type(self)())
        differs = [key for key in type(self).model_fields if getattr(self, key) != getattr(base, key)]
        keys = ["lesson"] * bool(self.lesson) + [key for key in differs if key != "lesson"]
        return {"v": VERSION, **{key: self.encode(key) for key in keys}} if keys else {}

    @classmethod
    def from_link(cls, parameters: Mapping[str, str], lessons: Mapping[str, Self]) -> Self:
        """The state a link describes. Raises ConfigError, nothing else."""
        if sum(len(key) + len(value) for key, value in parameters.items()) > LONGEST:
            raise ConfigError(f"The link is longer than {LONGEST} characters.")
        version = parameters.get("v", VERSION)
        if version != VERSION:
            raise ConfigError(f"The link is of version {version!r:.20}, this app reads version {VERSION}.")
        lesson = parameters.get("lesson", "")
        lesson = cls.renamed_lessons.get(lesson, lesson)
        if lesson and lesson not in lessons:
            raise ConfigError(f"There is no lesson {lesson!r:.40}.")
        texts = {cls.renamed.get(key, key): text for key, text in parameters.items() if key != "v"}
        texts |= {"lesson": lesson} if lesson else {}
        for key in texts:
            if key not in settings_of(cls):
                raise ConfigError(f"The link holds {key!r:.40}, which this screen does not know.")
        return lessons.get(lesson, cls()).replace(
            **{key: cls.decode(key, text) for key, text in texts.items()}
        )


class Presentable(Linked):
    """Base of the state of a screen that can be presented to a class (`presentation`)."""

    presented: bool = setting(
        False, "Shown to a class: nothing around it, and text that can be read from the back of the room."
    )
