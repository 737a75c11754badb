"""What counts as the code of a measurement: all that runs, and no more than what can."""

import ast
import importlib
import sys
from pathlib import Path

import pytest
import scipy.stats  # noqa: F401  # what is imported late takes long while every call is looked at
import sklearn.decomposition  # noqa: F401
import torch
from tiers import forms

import fbseg_core
from fbseg_core.checkpoint import load
from fbseg_core.experiments import EXPERIMENTS, code
from fbseg_core.experiments.code import code_of, reached

ROOT = str(Path(fbseg_core.__file__).parent)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules of a package, forget what was read of them, and give the digest of `lab.one.measure`."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**modules):
        (tmp_path / "lab").mkdir(exist_ok=True)
        (tmp_path / "lab" / "__init__.py").touch()
        for name, text in modules.items():
            (tmp_path / "lab" / f"{name}.py").write_text(text)
        for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()
        code._read.cache_clear()
        found = code_of(importlib.import_module("lab.one").measure)
        assert len(found) == 16
        return found

    yield write
    code._read.cache_clear()


ONE = """
from lab.two import helper
SIZE = 3
def measure(settings):
    return inner(settings)
def inner(settings):
    return helper(SIZE)
def conclude(rows):
    return "yes"
"""
TWO = """
from lab.three import far
REGISTRY = {"a": "lab.four:Deep"}
REGISTRY["b"] = 1
def helper(n):
    return far(n), REGISTRY
def unused():
    return 0
"""
THREE = "def far(n):\n    return n + 1\n"
FOUR = "class Deep:\n    def method(self):\n        return 1\n"
WHOLE = {"one": ONE, "two": TWO, "three": THREE, "four": FOUR}


@pytest.mark.parametrize(
    "module, old, new",
    [
        ("one", "SIZE = 3", "SIZE = 4"),
        ("one", "inner(settings)\n", "inner({})\n"),
        ("two", "far(n), REGISTRY", "far(n + 1), REGISTRY"),
        ("two", '["b"] = 1', '["b"] = 2'),  # what a module does when it is imported
        ("three", "n + 1", "n + 2"),
        ("four", "return 1", "return 2"),  # named as "module:name"
    ],
)
def test_whatever_a_measurement_runs_changes_its_digest(write, module, old, new):
    before = write(**WHOLE)
    assert old in WHOLE[module]
    assert write(**WHOLE | {module: WHOLE[module].replace(old, new)}) != before


@pytest.mark.parametrize(
    "module, old, new",
    [
        ("one", 'return "yes"', 'return "no"'),  # the verdict: no measurement names it
        ("two", "return 0", "return 1"),
        ("three", "return n + 1", "# a comment\n    return (n+1)"),
        ("three", "def far(n):\n", 'def far(n):\n    """What it is for."""\n'),
        ("four", "class Deep:\n", 'class Deep:\n    """What it is."""\n\n'),
    ],
)
def test_comments_docstrings_layout_and_what_nothing_names_do_not(write, module, old, new):
    before = write(**WHOLE)
    assert old in WHOLE[module]
    assert write(**WHOLE | {module: WHOLE[module].replace(old, new)}) == before


def test_a_definition_may_move_to_another_module(write):
    before = write(**WHOLE)
    moved = {"two": TWO.replace("from lab.three import far", THREE), "three": ""}
    assert write(**WHOLE | moved) == before


def test_two_cells_of_one_experiment_share_their_code_and_two_experiments_do_not():
    digests = {name: code_of(one.measure, one.checkpoints) for name, one in EXPERIMENTS.items()}
    assert len(set(digests.values())) == len(EXPERIMENTS)
    assert all(len(text) == 16 and int(text, 16) for text in digests.values())


def test_a_checkpoint_that_cells_load_counts():
    measure = EXPERIMENTS["limit"].measure
    assert code_of(measure, ("shapes-feedback",)) != code_of(measure, ("shapes-feedforward",))
    assert code_of(measure, ("shapes-feedback",)) != code_of(measure)


def test_what_has_no_text_has_no_digest():
    space = {"__name__": "of_no_module"}
    exec("def measure(settings): return {}", space)
    assert code_of(space["measure"]) == ""


def ran(work):
    """Where code of the core began that ran: file and line."""
    places = set()

    def see(frame, event, _):
        place = frame.f_code.co_filename, frame.f_code.co_firstlineno
        if event == "call" and place[0].startswith(ROOT) and frame.f_code.co_name != "<module>":
            places.add(place)

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    return places


@pytest.fixture(scope="module")
def optimiser_known():
    """The first optimiser of a process imports half of torch."""
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def first_line(statement):
    return min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])


@pytest.mark.parametrize("name", forms(EXPERIMENTS, often=("scale",), slow=("noise",)))
def test_all_that_a_cell_runs_was_found_in_its_text(name, monkeypatch, optimiser_known):
    measure, cells, loaded = EXPERIMENTS[name].measure, EXPERIMENTS[name].cells("tiny"), []

    def load_and_tell(checkpoint):
        loaded.append(checkpoint)
        return load(checkpoint)

    monkeypatch.setattr(sys.modules[measure.__module__], "load", load_and_tell, raising=False)
    found = {
        (sys.modules[module].__file__, statement.line)
        for (module, _), statements in reached(measure.__module__, "measure").items()
        for statement in statements
    }
    places = ran(lambda: [measure(cells[i]) for i in (0, len(cells) // 2, -1)])
    assert len(places) > 30
    for file, line in places:
        starts = [first_line(statement) for statement in ast.parse(Path(file).read_text()).body]
        assert (file, max(start for start in starts if start <= line)) in found, (file, line)
    assert set(loaded) <= set(EXPERIMENTS[name].checkpoints)
