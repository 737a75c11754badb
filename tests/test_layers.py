"""The import direction: app → pages/<screen> → pages/engine → pages/ui → pages/jobs → fbseg_core."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from pkgutil import resolve_name

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCREENS = ("live", "learn", "explore", "predictive", "stability", "few_shot", "your_data", "evidence")
CORE = [  # a part may import those before it, and of its own
    {"settings", "device"},
    {"arguments"},
    {"config", "models.kinds", "models.mechanisms"},
    {"models", "tasks"},
    {"rollout"},
    {"training", "scores"},
    {"analysis", "tensor_files", "memory"},
    {"checkpoint"},
    {"predictive"},
    {"experiments", "bench"},
    {"commands"},
    {"__main__"},
]


def modules():
    """Every module of the app by its dotted name."""
    files = [ROOT / "app.py", *(ROOT / "pages").rglob("*.py"), *(ROOT / "fbseg_core").rglob("*.py")]
    assert len(files) > 60
    dotted = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files}
    return {name.removesuffix(".__init__"): file for file, name in dotted.items()}


MODULES = modules()


def imports(name: str, lazy: bool = True) -> set[str]:
    """What a module imports, those of the app as modules, others by their first name; in functions, too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {one.name if one.name in MODULES else one.name.split(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = {f"{node.module}.{one.name}" for one in node.names} & MODULES.keys()
            rest = len(parts) < len(node.names)
            found |= parts | (
                {node.module if node.module in MODULES else node.module.split(".")[0]} if rest else set()
            )
    return found - {"fbseg_core"}  # its face, which all may import


def test_there_is_no_ring_of_imports_not_even_for_types():
    try:
        list(TopologicalSorter({name: imports(name) & MODULES.keys() for name in MODULES}).static_order())
    except CycleError as ring:
        pytest.fail(" → ".join(ring.args[1]))


def test_no_screen_imports_another():
    for name in MODULES:
        for screen in SCREENS:
            if name.startswith(f"pages.{screen}."):
                others = tuple(f"pages.{other}" for other in SCREENS if other != screen)
                assert not [one for one in imports(name) if one.startswith(others)], name


def test_what_screens_share_knows_no_screen_and_jobs_know_no_streamlit():
    for name in MODULES:
        if name.startswith(("pages.ui", "pages.engine", "pages.jobs")):
            above = (*tuple(f"pages.{screen}" for screen in SCREENS), "pages.menu")
            above += ("pages.ui", "pages.engine", "streamlit") if name.startswith("pages.jobs") else ()
            assert not [one for one in imports(name) if one.startswith(above)], name


def test_the_core_imports_in_one_direction():
    def part(name):
        inner = name.removeprefix("fbseg_core.")
        return next((i for i, names in enumerate(CORE) for one in names if inner == one), None) or next(
            (i for i, names in enumerate(CORE) if inner.split(".")[0] in names), None
        )

    for name in MODULES:
        if name.startswith("fbseg_core."):
            assert part(name) is not None, name
            for one in imports(name):
                if one.startswith("fbseg_core."):
                    assert part(one) <= part(name), (name, one)


def test_core_loads_neither_streamlit_nor_plotly_and_reading_a_model_no_compiler():
    """Streamlit and plotly are the app's; torch's compiler would take seconds of every process's start."""
    code = (
        "import sys, fbseg_core, fbseg_core.__main__; from fbseg_core import *; load('shapes-feedback')\n"
        "fbseg_core.models.registry.count_weights(ModelConfig(u=1, v=1, spectrum=(-1, -2)))\n"
        "import torch; from fbseg_core.analysis.cost import cost\n"
        "cost(build(ModelConfig(width=4)), torch.zeros(1, 3, 16, 16))\n"
        "print({'streamlit', 'plotly', 'torch._dynamo', 'sympy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_core_imports_nothing_from_above():
    for name in MODULES:
        if name.startswith("fbseg_core"):
            assert not imports(name) & {"streamlit", "plotly"}, name
            assert not [one for one in imports(name) if one.startswith("pages")], name


def test_metrics_import_only_torch():
    assert imports("fbseg_core.scores.metrics") <= {"__future__", "typing", "torch"}


@pytest.mark.parametrize("name", ["ui.images", "stability.figures", "few_shot.figures", "evidence.figures"])
def test_figures_import_no_streamlit(name):
    assert "streamlit" not in imports(f"pages.{name}")


def test_every_chart_of_the_app_is_drawn_in_one_place():
    found = [
        file.name for file in (ROOT / "pages").rglob("*.py") if ".plotly_chart(" in file.read_text("utf-8")
    ]
    assert found == ["plotly_style.py"]


def test_readme_names_what_carries_each_equation():
    rows = re.findall(r"^\| (E\d'?) \|.*`([\w.]+)` \|$", (ROOT / "README.md").read_text(), re.M)
    assert [tag for tag, _ in rows] == ["E1", "E2", "E3", "E4", "E5", "E5'", "E6", "E7"]
    for tag, path in rows:
        said = re.search(r"\((E[\d', E-]+)\)", resolve_name(path).__doc__)[1]
        spans = [re.findall(r"E(\d)", part) for part in said.split(",")]  # as "E2-E5, E7"
        assert any(int(span[0]) <= int(tag[1]) <= int(span[-1]) for span in spans), (tag, path)
        assert "'" not in tag or tag in said, (tag, path)


def test_one_module_looks_below_streamlit_s_public_face():
    found = [name for name, file in MODULES.items() if "streamlit.runtime" in file.read_text("utf-8")]
    assert found == ["pages.ui.visitor"]
