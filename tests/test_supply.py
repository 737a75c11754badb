"""What the app is built from: pinned to the byte, with its licences, and nothing that asks other machines."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_layers import MODULES, ROOT
from test_metadata import PINS

LOCK = (ROOT / ".github/requirements.lock").read_text()
ENTRIES = re.findall(
    r"^([\w.-]+)==([^\s;]+)[^\n]*\n((?:    --hash.*\n)*)", LOCK, re.M
)  # name, version, hashes
NAMES = {canonicalize_name(name) for name, _, _ in ENTRIES}
LEFT_OUT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-dependencies"]


def test_the_lock_pins_what_the_readable_list_does_and_every_file_by_its_hash():
    assert PINS.items() <= {(name, version) for name, version, _ in ENTRIES}
    for name, _, hashes in ENTRIES:
        assert re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", hashes), name
    assert "://" not in LOCK  # whoever installs it chooses the registry


def test_the_lock_holds_all_that_its_packages_ask_for_but_cuda():
    for name in NAMES:
        try:
            asked = map(Requirement, requires(name) or ())
        except PackageNotFoundError:  # installed on another system alone
            continue
        needed = {
            canonicalize_name(one.name)
            for one in asked
            if one.marker is None or one.marker.evaluate({"extra": ""})
        }
        assert needed - set(LEFT_OUT) <= NAMES, name


def test_every_package_has_its_licence_listed():
    rows = re.findall(r"^\| ([\w.-]+) \| *(.*?) *\|$", (ROOT / ".github/LICENCES.md").read_text(), re.M)
    listed = dict(rows[2:])  # below the head
    assert listed.keys() == {name for name, _, _ in ENTRIES} and all(listed.values())


def test_no_module_of_the_app_imports_what_speaks_to_other_machines():
    speaks = {"aiohttp", "ftplib", "http", "httpx", "requests", "smtplib", "ssl", "urllib3", "websockets"}
    imported = re.compile(r"^\s*(?:import|from) (\w+)(?:\.(\w+))?", re.M)
    found = {name: set(imported.findall(path.read_text())) for name, path in MODULES.items()}
    assert not [name for name, of in found.items() if {one for one, _ in of} & speaks]
    assert not [name for name, of in found.items() if ("urllib", "request") in of]
    # by a socket pair, to the process beside it that forks workers; to a cluster that the command line names
    assert {name for name, of in found.items() if ("socket", "") in of} == {
        "pages.jobs.fork_server", "pages.jobs.start", "fbseg_core.experiments.clusters"
    }  # fmt: skip


def test_the_image_installs_the_same_torch_from_the_same_lock_and_takes_the_app_along():
    image = (ROOT / ".deploy/Dockerfile").read_text()
    assert f"torch=={PINS['torch']} " in image and "--require-hashes -r requirements.lock" in image
    taken = {
        path.split("/")[0] for line in re.findall(r"^COPY (.+) \S+$", image, re.M) for path in line.split()
    }
    assert taken == {".github", ".streamlit", "app.py", "checkpoints", "fbseg_core", "pages"}
    assert image.index("USER fbseg") < image.index("\nCMD")
