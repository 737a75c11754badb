"""The import direction: app → pages → pages/ui → fbseg_core."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_core_loads_neither_streamlit_nor_plotly():
    code = "import sys, fbseg_core, fbseg_core.__main__; print({'streamlit', 'plotly'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_core_imports_nothing_from_above():
    files = list((ROOT / "fbseg_core").rglob("*.py"))
    assert len(files) > 10
    for file in files:
        assert not imports(file) & {"streamlit", "plotly", "pages"}, file


def test_metrics_import_only_torch():
    assert imports(ROOT / "fbseg_core/metrics.py") <= {"__future__", "typing", "torch"}


def test_figures_import_no_streamlit():
    assert "streamlit" not in imports(ROOT / "pages/ui/figures.py")


def test_every_chart_of_the_app_is_drawn_in_one_place():
    found = [
        file.name for file in (ROOT / "pages").rglob("*.py") if ".plotly_chart(" in file.read_text("utf-8")
    ]
    assert found == ["plotly_style.py"]


def test_readme_points_at_the_lines_that_carry_each_equation():
    rows = re.findall(r"^\| (E\d) \|.*\[`(.+?)`\]\((.+?)#L(\d+)\)", (ROOT / "README.md").read_text(), re.M)
    assert [tag for tag, *_ in rows] == [f"E{i}" for i in range(1, 8)]
    for tag, name, file, line in rows:
        lines = (ROOT / file).read_text().splitlines()
        assert f"def {name.split('.')[-1]}(" in lines[int(line) - 1], (tag, file, line)
