"""One call of the app waits until a test lets it go. Python imports a module of this name as it starts: each
process that has this folder on its PYTHONPATH is prepared, the server and the workers that it forks.

FBSEG_HELD is "what number": call number `number` of "module.function", as that module calls it by its own
name; or of os.replace, by the name of the file that it puts in place, with wildcards. FBSEG_GATE is a folder.
Each call adds a line to `calls` there; the one that waits makes `reached`, and goes on once `go` is there.
"""

import fnmatch
import importlib.util
import os
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path

PATIENCE = 900.0  # seconds, after which a test has died that would have let it go
WHAT, NUMBER = os.environ["FBSEG_HELD"].split()
GATE = Path(os.environ["FBSEG_GATE"])


def pass_gate() -> None:
    """Note one more call, and wait where it is the one to be held."""
    with (GATE / "calls").open("a+") as calls:
        calls.write("called\n")
        calls.seek(0)
        count = len(calls.readlines())
    if count != int(NUMBER):
        return
    (GATE / "reached").touch()
    deadline = time.monotonic() + PATIENCE
    while not (GATE / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


class Held(MetaPathFinder):
    """Puts the gate before a function of a module once that is imported."""

    def __init__(self, module: str, function: str) -> None:
        self.module, self.function = module, function

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def loaded(made):
            load(made)
            real = getattr(made, self.function)
            setattr(made, self.function, lambda *given, **named: (pass_gate(), real(*given, **named))[1])

        spec.loader.exec_module = loaded
        return spec


if WHAT.startswith("pages."):
    sys.meta_path.insert(0, Held(*WHAT.rsplit(".", 1)))
else:
    put_in_place = os.replace

    def replaced(source, destination, **more):
        if fnmatch.fnmatch(Path(destination).name, WHAT):
            pass_gate()
        return put_in_place(source, destination, **more)

    os.replace = replaced
