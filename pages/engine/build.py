"""Build engine.c to WebAssembly, with and without SIMD: python -m pages.engine.build

Needs ziglang of tests/requirements.txt, whose compiler gives the same bytes on every machine. The files are
committed, so nobody else needs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pages.engine import HERE, WASM

# WebAssembly's first version, and nothing newer but SIMD
TARGETS = {"simd": "mvp+simd128", "plain": "mvp"}
FLAGS = (
    "--target=wasm32-freestanding", "-std=c11", "-O3", "-Wall", "-Wextra", "-Werror", "-ffreestanding",
    "-fno-builtin", "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all",
)  # fmt: skip


def build(folder: Path) -> list[Path]:
    """Write the .wasm files into a folder. Raises CalledProcessError where the compiler refuses."""
    written = []
    with tempfile.TemporaryDirectory() as cache:
        caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), cache)
        for name, path in WASM.items():
            written.append(folder / path.name)
            command = [sys.executable, "-m", "ziglang", "cc", f"-mcpu={TARGETS[name]}", *FLAGS]
            command += [str(HERE / "engine.c"), "-o", str(written[-1])]
            subprocess.run(command, check=True, env=os.environ | caches)
            written[-1].chmod(0o644)
    return written


def main() -> None:
    for path in build(HERE):
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
