"""Damage checkpoints at random and read them: python tests/core/checkpoint_fuzzer.py 20000 --seed 1

A file must load and then work, or be refused by a CheckpointError of one line. Prints what does neither.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from fbseg_core.checkpoint import Card, load, load_training, read_card, save, save_training
from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.settings import ConfigError
from fbseg_core.tensor_files import LONGEST_MESSAGE, CheckpointError
from fbseg_core.training.fit import fit

SMALL = ModelConfig(width=2, depth=1, u=2, v=2, norm="batch")
TASK = ShapesConfig(side=16)
TRAIN = TrainConfig(batch=1, updates=2, steps_min=2, steps_max=2)
CARD = Card(SMALL, TASK, TRAIN, 2, "custom", (0.0, 0.5), 20, 1000, 0.2)
NUMBERS = [
    0, 1, -1, 2, 3, 0.5, 1e-300, 1e300, float("nan"), float("inf"), -float("inf"), 2**31, 2**32, 2**53, 2**62,
    2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**400,
]  # fmt: skip
ODD = [
    None, True, False, "", "x", "é\n\0\u202e", "[" * 400, "y" * 5000, [], {}, [[]], [2**63, 0], [0, 2**63],
    [0] * 100, {"a": {"b": []}}, "F32", "BF16",
]  # fmt: skip
DTYPES = [
    "BOOL",
    "U8",
    "I8",
    "I16",
    "I32",
    "I64",
    "F16",
    "BF16",
    "F32",
    "F64",
    "F8_E4M3",
    "F8_E5M2",
    "C64",
    "U64",
    "F4",
]


def originals(folder: Path) -> list[Path]:
    """A sound checkpoint, and a sound state of training."""
    model = build(SMALL)
    save(model, CARD, folder / "model.safetensors")
    save_training(next(fit(model, TASK, TRAIN)).snapshot(), folder / "run.training")
    return [folder / "model.safetensors", folder / "run.training"]


def damaged(contents: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """`count` files, each made from one of these by one to three changes."""
    draw = random.Random(seed)
    for _ in range(count):
        content = draw.choice(contents)
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            content = draw.choice((_bytes, _cut, _splice, _header, _header, _header, _header))(
                content, contents, draw
            )
        yield content


def _bytes(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[draw.randrange(min(len(changed), draw.choice((16, 2000, len(changed)))))] = (
                draw.randrange(256)
            )
    return bytes(changed)


def _cut(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _splice(content: bytes, contents: list[bytes], draw: random.Random) -> bytes:
    other = draw.choice((*contents, draw.randbytes(100)))
    start, end = sorted(draw.choices(range(len(other) + 1), k=2))
    place = draw.randrange(len(content) + 1)
    return content[:place] + other[start:end] + content[place + draw.choice((0, end - start)) :]


def _header(content: bytes, _: list[bytes], draw: random.Random) -> bytes:
    """Change the header as JSON, or what its metadata hold as JSON, and its length with it."""
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        if draw.random() < 0.5 and isinstance(header.get("__metadata__"), dict):
            metadata = header["__metadata__"]
            key = draw.choice([key for key in metadata if key != "format"])
            metadata[key] = json.dumps(_changed(json.loads(metadata[key]), draw))
        else:
            header = _changed(header, draw)
        raw = json.dumps(header).encode()
    except (ValueError, AttributeError, TypeError, IndexError, RecursionError):  # damaged before
        return content
    return len(raw).to_bytes(8, "little") + raw + content[8 + length :]


def _changed(value: Any, draw: random.Random) -> Any:
    """The value with something in it replaced, renamed, repeated or left out."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        act = draw.random()
        if act < 0.75:
            return value | {key: _changed(value[key], draw)}
        rest = {k: v for k, v in value.items() if k != key}
        return rest if act < 0.85 else rest | {draw.choice((key[1:], "z" * 3000, key + "\n")): value[key]}
    if isinstance(value, list) and value and draw.random() < 0.8:
        at = draw.randrange(len(value))
        return draw.choice((
            [*value[:at], _changed(value[at], draw), *value[at + 1 :]], value[:at] + value[at + 1 :],
            value * 2, value[::-1],
        ))  # fmt: skip
    if isinstance(value, int) and draw.random() < 0.4:
        return value + draw.choice((-4, -1, 1, 4))
    if isinstance(value, str) and draw.random() < 0.5:
        return draw.choice(DTYPES)
    return draw.choice((*NUMBERS, *ODD))


def fault(path: Path) -> str | None:
    """What is wrong about how a file is read, None where nothing is."""
    for read, use in ((load, _use_model), (read_card, _use_card), (load_training, _use_state)):
        try:
            found = read(path)
        except CheckpointError as error:
            if not str(error).isprintable() or not 0 < len(str(error)) <= LONGEST_MESSAGE:
                return f"{read.__name__}: a message of {len(str(error))} characters: {error!s:.100}"
            continue
        except Exception as error:
            return f"{read.__name__}: {type(error).__name__}: {error!s:.100}"
        try:
            use(found)
        except Exception as error:
            return f"what {read.__name__} gave does not work: {type(error).__name__}: {error!s:.100}"
    return None


def _use_card(card: Card) -> None:
    json.dumps(
        [card.f1, card.chance, card.updates, card.images, card.eval_seed, card.versions], allow_nan=False
    )


def _use_model(found: tuple) -> None:
    model, card = found
    _use_card(card)
    assert rollout(model, torch.zeros(1, 3, 16, 16), 1).logits.isfinite().all()


def _use_state(state) -> None:
    model = build(SMALL)
    try:
        list(fit(model, TASK, TRAIN, state))
    except ConfigError as error:
        assert "resume" in str(error)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        contents = [path.read_bytes() for path in originals(Path(folder))]
        path = Path(folder) / "damaged.safetensors"
        for content in damaged(contents, asked.count, asked.seed):
            path.write_bytes(content)
            if told := fault(path):
                found[told] = found.get(told, 0) + 1
    for told, count in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{count} × {told}")
    print(f"{asked.count} files, {sum(found.values())} faults")


if __name__ == "__main__":
    main()
