"""Settings: how a setting is declared, read back, and refused in one sentence.

`config` declares the project's settings with these; unknown keys, values out of range and values
that are not finite raise a `ConfigError` that names the key and what is allowed.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

LONGEST, WHOLE = 60, 200  # characters of what a sentence quotes, and of a sentence
KINDS = {"boolean": "bool", "integer": "int", "number": "float", "array": "tuple"}  # by JSON's types


class ConfigError(ValueError):
    """A setting was refused. The message is one sentence fit to be shown to a visitor."""


def setting(default: Any, help: str, *, unit: str = "", lo=None, hi=None, step=None) -> Any:
    """Declare one setting: a pydantic field with range [lo, hi], unit, slider step and a line of help."""
    span = f"{lo:g} to {hi:g}" if lo is not None and hi is not None else ""
    allowed = " ".join(part for part in (span, unit) if part)
    return Field(
        default,
        description=f"{help} [{allowed}]" if allowed else help,  # the command line shows this
        ge=lo,
        le=hi,
        validate_default=True,
        json_schema_extra={"help": help, "unit": unit, "step": step},
    )


class Config(BaseModel):
    """Base of all settings: frozen, hashable, closed to unknown keys, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    def __init__(self, /, **values: Any) -> None:
        values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}  # from JSON
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_sentence(type(self), error)) from None

    def replace(self, **changes: Any) -> Self:
        """A copy with some settings changed, validated again. Raises ConfigError."""
        return type(self)(**{**self.model_dump(), **changes})

    @classmethod
    def parse(cls, values: object) -> Self:
        """Build from outside input (a parsed JSON object). Raises ConfigError, nothing else."""
        if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
            raise ConfigError(f"{cls.__name__}: expected an object of named settings.")
        return cls(**values)

    def changed(self) -> dict[str, Any]:
        """Only the settings that differ from their defaults, for links and cards."""
        return self.model_dump(mode="json", exclude_defaults=True)


@dataclass(frozen=True)
class Setting:
    """A setting as menus and parsers see it."""

    name: str
    kind: Literal["bool", "int", "float", "choice", "text", "tuple"]
    default: Any
    lo: float | None
    hi: float | None
    step: float | None
    unit: str
    help: str
    choices: tuple = ()
    optional: bool = False


def settings_of(config: type[Config]) -> dict[str, Setting]:
    """Every setting of a config class by name, in the order they are declared."""
    return dict(_settings_of(config))


@functools.cache
def _settings_of(config: type[Config]) -> dict[str, Setting]:
    schema = config.model_json_schema(by_alias=False)["properties"]
    return {
        name: _as_setting(name, field.default, schema[name]) for name, field in config.model_fields.items()
    }


def _as_setting(name: str, default: Any, schema: dict[str, Any]) -> Setting:
    """A setting from what pydantic's JSON schema says of its field; a tuple's range is that of its items."""
    allowed = schema.get("anyOf", [schema])
    value = next(one for one in allowed if one.get("type") != "null")
    choices = tuple(value["enum"]) if "enum" in value else (value["const"],) if "const" in value else ()
    ranged = value.get("items") or value.get("prefixItems", [value])[0]
    return Setting(
        name=name,
        kind="choice" if choices else KINDS.get(value.get("type"), "text"),
        default=default,
        lo=ranged.get("minimum"),
        hi=ranged.get("maximum"),
        step=schema.get("step"),
        unit=schema.get("unit", ""),
        help=schema.get("help", ""),
        choices=choices,
        optional=len(allowed) > 1 and {"type": "null"} in allowed,
    )


def _sentence(config: type[Config], error: ValidationError) -> str:
    """The first fault of a validation error as one sentence: the key, and what is allowed."""
    fault = error.errors(include_url=False)[0]
    path = [str(part) for part in fault["loc"]]
    if not path:  # from a model validator, whose message names its key
        return f"{config.__name__}: {fault.get('ctx', {}).get('error', fault['msg'])!s}."
    if fault["type"] == "extra_forbidden":
        known = list(config.model_fields)
        few = len(", ".join(known)) <= 100
        told = known if few else difflib.get_close_matches(path[0][:LONGEST], known, 3, 0.0)
        return (
            f"{config.__name__}: unknown key {path[0]!r:.60}; {'the' if few else 'the nearest'} keys are "
            f"{', '.join(told)}."
        )
    refused = f"{config.__name__}: {path[0]} = {_shown(fault['input'])} is refused; allowed: "
    if path[0] not in config.model_fields:
        return f"{refused}{fault['msg']}."
    return f"{refused}{_allowed(settings_of(config)[path[0]], WHOLE - len(refused) - 1)}."


def _shown(value: object) -> str:
    try:
        return f"{value!r:.60}"
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        return "a huge number"


def _allowed(item: Setting, most: int) -> str:
    """What a setting may be; its help where it has no range, if that has at most so many characters."""
    if item.choices:
        return ", ".join(map(str, item.choices))
    kind = {"bool": "true or false", "int": "a whole number", "float": "a finite number"}.get(item.kind)
    told = item.help.rstrip(".") if len(item.help) <= most else ""
    kind = kind or told or {"text": "another text", "tuple": "a list of values"}[item.kind]
    span = f" from {item.lo:g} to {item.hi:g}" if item.lo is not None and item.hi is not None else ""
    return kind + span + (f" {item.unit}" if span and item.unit else "")
