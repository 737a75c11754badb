"""Checkpoints: weights as safetensors, with a JSON card in the file's own metadata.

Everything is checked before a model is built: format, card, settings, and each tensor's name, shape,
type and values. Pickled files are refused; there is no fallback. Files are replaced whole or not at all.
"""

from __future__ import annotations

import difflib
import json
import platform
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fbseg_core.config import ModelConfig, TaskConfig, TrainConfig
from fbseg_core.device import title
from fbseg_core.models.base import Model
from fbseg_core.models.registry import build, count_weights
from fbseg_core.scores.evaluate import Score
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import parse_task
from fbseg_core.tensor_files import (
    LONGEST_NAME,
    CheckpointError,
    check_against,
    check_finite,
    digest_of,
    metadata_of,
    read_tensors,
    write_tensors,
)
from fbseg_core.training.fit import TrainingState, check_fit

FORMAT = "fbseg-checkpoint/1"
STATE_FORMAT = "fbseg-training-state/1"
FOLDER = Path(__file__).resolve().parent.parent / "checkpoints"


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself.

    updates: updates done. f1: measured pooled foreground F1 at t = 0, 1, …; images and eval_seed: on how
    many fresh images of `task`, drawn from which seed; chance: F1 of the better constant answer on them;
    trivial: of the task's trivial baseline, None where it has none or the file says nothing of it.
    iou: mean IoU at t = 0, 1, …; class_f1: F1 of each class at the model's own T, None for one that is in
    neither truth nor answer. Both are empty where the file says nothing of them.
    digest: SHA-256 of the weights and settings, filled in by `save`.
    """

    model: ModelConfig
    task: TaskConfig
    train: TrainConfig
    updates: int
    protocol: str = "custom"
    f1: tuple[float, ...] = ()
    images: int = 0
    eval_seed: int = 0
    chance: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    trivial: float | None = None
    iou: tuple[float, ...] = ()
    class_f1: tuple[float | None, ...] = ()


def save(model: Model, card: Card, path: str | Path) -> Card:
    """Write model and card to `path`, atomically; returns the card as written, digest included.

    Raises CheckpointError, and leaves `path` alone, for what `load` would refuse; OSError where it cannot
    be written.
    """
    path = Path(path)
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    check_finite(tensors, path)
    if card.model != model.config:
        raise CheckpointError("the card is of another model than the weights.", path)
    settings = {"model": card.model, "task": card.task, "train": card.train}
    settings = {key: value.model_dump(mode="json") for key, value in settings.items()}
    written = Card(
        **{
            **{f.name: getattr(card, f.name) for f in fields(Card)},
            "versions": card.versions or versions(),
            "digest": digest_of(tensors, settings),
        }
    )
    plain = {**{f.name: getattr(written, f.name) for f in fields(Card)}, **settings}
    try:
        metadata = {"format": FORMAT, "card": json.dumps(plain, allow_nan=False)}
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"its card cannot be written ({error}).", path) from None
    _parse_card(path, metadata)
    write_tensors(path, tensors, metadata)
    return written


def measured(score: Score, steps: int) -> dict[str, Any]:
    """What a card says of a score, in four digits; of each class, at `steps` or the last step there is."""
    classes = score.class_f1[min(steps, len(score.class_f1) - 1)]
    return {
        "f1": tuple(round(value, 4) for value in score.f1),
        "iou": tuple(round(value, 4) for value in score.iou),
        "class_f1": tuple(None if value is None else round(value, 4) for value in classes),
        "images": score.images,
        "chance": round(score.chance, 4),
        "trivial": None if score.trivial is None else round(score.trivial, 4),
    }


def versions(device: torch.device | None = None) -> dict[str, str]:
    """Versions of what made a checkpoint, and its device where that was not the CPU."""
    made = {"python": platform.python_version(), "torch": torch.__version__.split("+")[0]}
    return made if device is None or device.type == "cpu" else made | {"device": title(device)}


def load(name_or_path: str | Path) -> tuple[Model, Card]:
    """A model, in evaluation mode, and its card; a bare name means a checkpoint that ships.

    Raises CheckpointError, with one sentence, for any file that is not a sound checkpoint.
    """
    path = _find(name_or_path)
    metadata, tensors = read_tensors(path, FORMAT)
    card = _parse_card(path, metadata)
    held = sum(value.numel() for value in tensors.values())
    if count_weights(card.model) > held:  # before anything of that size is made
        raise CheckpointError(
            f"its card describes a model of {count_weights(card.model):,} weights, but the file "
            f"holds {held:,} numbers.",
            path,
        )
    model = build(card.model)
    check_against(path, tensors, model.state_dict())
    check_finite(tensors, path)
    # as the file has them: a setting that is newer than the file does not change what was written
    settings = {key: json.loads(metadata["card"])[key] for key in ("model", "task", "train")}
    if digest_of(tensors, settings) != card.digest:
        raise CheckpointError("its content does not match its digest; the file was altered.", path)
    model.load_state_dict(tensors)
    return model.eval(), card


def read_card(name_or_path: str | Path) -> Card:
    """The card alone, without building a model. Raises CheckpointError."""
    path = _find(name_or_path)
    return _parse_card(path, metadata_of(path, FORMAT))


def shipped() -> list[str]:
    """Names of the checkpoints that ship with the project, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def save_training(state: TrainingState, path: str | Path) -> None:
    """Write a run's state, atomically, so that `fit(…, resume=…)` can go on with it. Raises as `save`."""
    path = Path(path)
    tensors = {f"model/{name}": value for name, value in state.model.items()}
    tensors |= {f"optimiser/{name}": value for name, value in state.optimiser.items()}
    tensors |= {f"raw/{name}": value for name, value in state.raw.items()}
    numbers = {"update": state.update, "best": state.best, "stale": state.stale}
    metadata = {"format": STATE_FORMAT, "state": json.dumps(numbers)}
    _parse_training(path, metadata, tensors)
    write_tensors(path, {name: value.cpu().contiguous() for name, value in tensors.items()}, metadata)


def load_training(path: str | Path) -> TrainingState:
    """Read what `save_training` wrote. Raises CheckpointError."""
    path = _existing(Path(path))
    return _parse_training(path, *read_tensors(path, STATE_FORMAT))


def _parse_training(path: Path, metadata: dict[str, str], tensors: dict[str, Tensor]) -> TrainingState:
    try:
        numbers = json.loads(metadata.get("state", ""))
        update, best, stale = numbers["update"], numbers["best"], numbers["stale"]
        if not all(type(n) is int and n >= 0 for n in (update, stale)):
            raise ValueError
        if type(best) not in (int, float) or not best <= 1:  # an F1, or −∞ before the first; NaN is neither
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError("its record of the run is unreadable.", path) from None
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimiser": {}, "raw": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition("/")
        if part not in parts:
            raise CheckpointError(f"has an unknown tensor {name!r}.", path)
        if value.dtype not in (torch.float32, torch.int64):
            raise CheckpointError(f"{name!r} is {value.dtype}, which no run has.", path)
        parts[part][rest] = value
    check_finite(tensors, path)
    return TrainingState(update, parts["model"], parts["optimiser"], float(best), stale, parts["raw"])


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if not path.suffix and path.name == str(name_or_path):
        path = FOLDER / f"{name_or_path}.safetensors"
        if not _is_file(path):
            near = difflib.get_close_matches(path.stem[:LONGEST_NAME], shipped(), cutoff=0.0)
            known = f"the nearest are {', '.join(near)}" if near else "none ships"
            raise CheckpointError(f"There is no checkpoint {str(name_or_path)!r:.60}; {known}.")
    return _existing(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or one with a NUL
        return False


def _existing(path: Path) -> Path:
    if not _is_file(path):
        raise CheckpointError(f"There is no file {path.name!r:.80}.")
    return path


def _parse_card(path: Path, metadata: dict[str, str]) -> Card:
    try:
        plain = json.loads(metadata.get("card", ""))
        for key in ("trivial", "iou", "class_f1"):  # files of before they were measured do without
            plain.setdefault(key, None if key == "trivial" else ())
        card = {f.name: plain.pop(f.name) for f in fields(Card)}
        if plain:
            raise ConfigError(f"unknown entry {next(iter(plain))!r:.60}.")
        card["model"] = ModelConfig.parse(card["model"])
        card["task"] = parse_task(card["task"])
        card["train"] = TrainConfig.parse(card["train"])
        for key in ("f1", "iou", "class_f1"):
            card[key] = tuple(card[key])
        may_lack = (0 if value is None else value for value in (card["trivial"], *card["class_f1"]))
        scores = (*card["f1"], *card["iou"], card["chance"], *may_lack)
        in_range = all(type(value) in (int, float) and 0 <= value <= 1 for value in scores)
        whole = all(type(card[key]) is int and card[key] >= 0 for key in ("updates", "images", "eval_seed"))
        words = all(type(card[key]) is str for key in ("protocol", "digest"))
        versions = isinstance(card["versions"], dict) and all(
            type(v) is str for v in card["versions"].values()
        )
        if not (in_range and whole and words and versions):
            raise ConfigError("an entry is of the wrong type or out of range.")
        check_fit(card["model"], card["task"])
    except ConfigError as error:
        raise CheckpointError(f"its card is refused: {error}", path) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise CheckpointError(f"its card is unreadable ({reason}).", path) from None
    return Card(**card)
