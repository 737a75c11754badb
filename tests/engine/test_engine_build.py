"""The committed .wasm files are what the source gives."""

import importlib.util
import os
import re

import pytest

from pages.engine import HERE, WASM, weights
from pages.engine.build import build


def test_source_and_python_agree_on_version_settings_and_views():
    source = (HERE / "engine.c").read_text("utf-8")
    assert f"VERSION = {weights.VERSION}," in source
    names = re.search(r"int (version, [\w, ]+);", source)[1]
    assert tuple(names.split(", ")) == weights.SETTINGS
    views = re.search(r"enum \{ (WEIGHTS, [\w, ]+), VIEWS \}", source)[1]
    assert tuple(views.lower().split(", ")) == weights.VIEWS
    norms = re.search(r"enum \{ (PLAIN, [\w, ]+) \}", source)[1]
    assert ("none", *norms.lower().split(", ")[1:]) == weights.NORMS


def test_built_anew_every_byte_is_the_same(tmp_path):
    if importlib.util.find_spec("ziglang") is None:
        message = "no ziglang: pip install -r tests/requirements.txt"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    for path, kept in zip(build(tmp_path), WASM.values()):
        assert path.read_bytes() == kept.read_bytes(), f"{kept.name}: run python -m pages.engine.build"
