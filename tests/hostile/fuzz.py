"""Try many hostile inputs: python tests/hostile/fuzz.py links|uploads|wire 10000 --seed 7

Prints what is neither taken nor refused in one sentence. tests/core/checkpoint_fuzzer.py does checkpoints.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from refusals import sentence_of
from sent_links import damaged as damaged_links
from sent_links import open_link
from sent_pictures import DISC, GREY, IMAGES, MASKS, SOUND, TIFFS, saved

from fbseg_core.config import DigitsConfig, ShapesConfig
from fbseg_core.tasks import picture_files
from fbseg_core.tasks.archive import unpack
from fbseg_core.tasks.layouts import find
from pages.few_shot import uploads
from pages.ui.web import wire

TASKS = [ShapesConfig(), DigitsConfig()]
SMALL = [one for one in (*IMAGES.values(), *TIFFS.values(), *MASKS.values()) if 50 < len(one) < 20_000]
Act = Callable[[], Any]


def links(count: int, seed: int) -> Iterator[Act]:
    """Damaged links, opened as their screens do."""
    for screen, link in damaged_links(count, seed):
        yield lambda screen=screen, link=link: open_link(screen, link)


def uploaded(count: int, seed: int) -> Iterator[Act]:
    """Damaged pictures and zips, read as examples, as files of a folder, and unpacked."""
    draw = random.Random(seed)
    zips = [_zip(draw) for _ in range(4)]
    for _ in range(count):
        way = draw.randrange(4)
        if way == 0:
            task, image, mask = draw.choice(TASKS), _damaged(draw.choice(SMALL), draw), draw.choice(SMALL)
            yield lambda task=task, image=image, mask=mask: uploads.example(task, image, mask)
        elif way == 1:
            task, mask = draw.choice(TASKS), _damaged(draw.choice(list(MASKS.values())), draw)
            yield lambda task=task, mask=mask: uploads.example(task, SOUND, mask)
        elif way == 2:
            content = _damaged(draw.choice(SMALL), draw)
            yield lambda content=content: _read(content)
        else:
            content = _damaged(draw.choice(zips), draw)
            yield lambda content=content: _unpacked(content)


def wired(count: int, seed: int) -> Iterator[Act]:
    """Arrays of odd values, shapes and types, packed for a browser and read back as its script does."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        shape = tuple(rng.integers(0, 6, 2))
        values = rng.normal(size=shape).clip(-3, 3) * 10.0 ** rng.integers(-45, 38)  # what float32 can hold
        values = np.where(rng.random(shape) < 0.1, rng.choice([0.0, -0.0, 1e-45, 3.4e38, -3.4e38]), values)
        scale = str(rng.choice(["own", "given", "exact", "whole", "unit", "bits"]))
        dtype = "uint16" if rng.random() < 0.5 else "uint8"
        yield lambda values=values, scale=scale, dtype=dtype: _round_trip(values, scale, dtype)


FUZZERS = {"links": links, "uploads": uploaded, "wire": wired}


def _damaged(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    act = draw.randrange(4)
    if act == 0:
        return content[: draw.randrange(len(content))]
    if act == 1:
        at = draw.randrange(len(content))
        return content[:at] + draw.randbytes(draw.randrange(1, 40)) + content[at:]
    for _ in range(draw.choice((1, 1, 3, 20))):
        changed[draw.randrange(min(len(changed), draw.choice((60, len(changed)))))] = draw.randrange(256)
    return bytes(changed)


def _zip(draw: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as packed:
        for number in range(3):
            packed.writestr(f"images/{number}.png", saved(GREY))
            packed.writestr(f"masks/{number}.png", saved(DISC))
    return out.getvalue()


def _read(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.png"
        path.write_bytes(content)
        height, width = picture_files.size_of(path, path.name)
        assert picture_files.read_image(path, path.name, 3).shape == (height, width, 3)
        picture_files.read_mask(path, path.name)


def _unpacked(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder) / "in"
        inside.mkdir()
        try:
            unpack(io.BytesIO(content), inside)
            find(inside)
        finally:
            assert os.listdir(folder) == ["in"], "a file was written outside"


def _round_trip(values: np.ndarray, scale: str, dtype: str) -> None:
    """Packed, and unpacked by the rule at the top of wire.py: within half a step of what was given."""
    ends = (float(values.min(initial=0)), float(values.max(initial=0)))
    if scale in ("whole", "unit", "bits"):
        values = (
            np.abs(np.nan_to_num(values)) % 1 if scale != "whole" else np.abs(values % 256).astype(np.uint8)
        )
        ends = (0.0, 255.0) if scale == "whole" else (0.0, 1.0)
    blocks = wire.Blocks()
    kind = "float32" if scale == "exact" else "uint8" if scale == "whole" else dtype
    blocks.lay("x", values, wire.Layout(("a", "b"), scale, kind), ends=ends)
    packed = blocks.packed({"name": "\u2028</script>"})
    length = int.from_bytes(packed[:4], "little")
    header = wire.json.loads(packed[4 : 4 + length], parse_constant=_no_constant)
    offset, name, shape, lo, hi = header["blocks"]["x"]
    start = 4 + length + offset
    assert start % 4 == 0 and header["version"] == wire.VERSION
    found = np.frombuffer(packed, name, int(np.prod(shape)), start).reshape(shape).astype(float)
    if scale == "exact":
        with np.errstate(over="ignore"):
            assert np.array_equal(found, values.astype("<f4").astype(float))
        return
    top = wire.DTYPES[name]
    span = hi / 2 - lo / 2  # halves: the whole may be more than a number holds
    back = 2 * (lo / 2 + span * (found / top))
    assert (np.abs(back / 2 - values / 2) <= span / top * 0.5001 + 1e-300).all()


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON that browsers read")


def faults(name: str, count: int, seed: int) -> dict[str, int]:
    """What was neither taken nor refused in one sentence, and how often."""
    found: dict[str, int] = {}
    for act in FUZZERS[name](count, seed):
        try:
            sentence_of(act)
        except Exception as error:  # that is what is looked for
            told = f"{type(error).__name__}: {error!s:.150}"
            found[told] = found.get(told, 0) + 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=FUZZERS)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    asked, begun = parser.parse_args(), time.monotonic()
    found = faults(asked.name, asked.count, asked.seed)
    for told, count in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{count} × {told}")
    print(f"{asked.count} {asked.name}, {sum(found.values())} faults, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
