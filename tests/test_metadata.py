"""What the project says of itself to pip: a core without the libraries of the app, and every name pinned."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = [line.partition(";")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()]
PINS = dict(line.split("==") for line in PINNED)


def names(requirements):
    return {re.match(r"[\w-]+", one)[0] for one in requirements}


def test_requirements_pin_the_core_and_the_app_and_nothing_else():
    assert PINS.keys() == names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"]["app"])


def test_what_is_pinned_is_what_the_metadata_allow():
    for one in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["app"]]:
        name, least = re.fullmatch(r"([\w-]+)[>=]=([\d.]+)(?:; .+)?", one).groups()
        pinned = [int(part) for part in PINS[name].split(".")]
        assert pinned >= [int(part) for part in least.split(".")], one


def test_the_core_asks_for_no_library_of_the_app():
    assert not names(PROJECT["dependencies"]) & {"streamlit", "plotly", "pandas"}
