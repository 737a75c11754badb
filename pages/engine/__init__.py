"""The loop in the visitor's browser: E1-E6 in C, built to WebAssembly, and the JavaScript around it.

`weights` turns a model into bytes for it, `carrier` brings them to a page, `build` makes the .wasm files.
`fbseg_core` is the reference: where its step changes, engine.c and engine.js follow, and
tests/browser/test_engine_in_browser.py says where not.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from pages.engine import weights
from pages.ui.web import script

HERE = Path(__file__).parent
WASM = {"simd": HERE / "engine-simd.wasm", "plain": HERE / "engine.wasm"}
CLIENT = HERE / "client.js"  # for a page's script, with the constants below
CARRIED = HERE / "carried.js"  # for a script that takes the models of `carrier`
MIRRORS = (HERE / "observe.js", HERE / "scores.js")  # what the core does before and after its steps
AXES = HERE / "axes.js"  # for a script that fits the plane of a path
NUMPY = HERE / "numpy.js"  # for a script that draws what the core draws


def constants() -> dict[str, Any]:
    """What `client.js` needs, as constants of a component's script."""
    files = {name: base64.b64encode(path.read_bytes()).decode() for name, path in WASM.items()}
    return {"ENGINE_FILES": {**files, "worker": worker_script()}}


def worker_script() -> str:
    """The JavaScript that runs in the Worker."""
    return script(("decode", HERE / "engine.js", HERE / "worker.js"), {"ENGINE": weights.constants()})
