"""Predictive-coding models as files: safetensors with a JSON card, checked as in `checkpoint.py`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fbseg_core.checkpoint import FOLDER as CHECKPOINTS
from fbseg_core.checkpoint import versions
from fbseg_core.config import PredictiveConfig, PredictiveTrain
from fbseg_core.predictive.images import Source, check_fit, parse_source
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.predictive.scores import Predicted
from fbseg_core.settings import ConfigError
from fbseg_core.tensor_files import (
    CheckpointError,
    check_against,
    check_finite,
    digest_of,
    metadata_of,
    read_tensors,
    write_tensors,
)

FORMAT = "fbseg-predictive/1"
FOLDER = CHECKPOINTS / "predictive"
SETTINGS = ("model", "source", "train")


@dataclass(frozen=True)
class PredictiveCard:
    """What a file says of itself: its settings, and its measured scores on fresh images of eval_seed."""

    model: PredictiveConfig
    source: Source
    train: PredictiveTrain
    scores: Predicted
    eval_seed: int
    versions: dict[str, str] = field(default_factory=dict)
    digest: str = ""


def save(model: PredictiveCoding, card: PredictiveCard, path: str | Path) -> None:
    """Write model and card, whole or not at all. Raises CheckpointError for what `load` would refuse."""
    path = Path(path)
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    check_finite(tensors, path)
    settings = {key: getattr(card, key).model_dump(mode="json") for key in SETTINGS}
    plain = settings | {
        "scores": asdict(card.scores),
        "eval_seed": card.eval_seed,
        "versions": card.versions or versions(),
        "digest": digest_of(tensors, settings),
    }
    metadata = {"format": FORMAT, "card": json.dumps(plain)}
    _parse(path, metadata)
    write_tensors(path, tensors, metadata)


def load(name_or_path: str | Path) -> tuple[PredictiveCoding, PredictiveCard]:
    """A model and its card; a bare name means one that ships. Raises CheckpointError, with one sentence."""
    path = _find(name_or_path)
    metadata, tensors = read_tensors(path, FORMAT)
    card = _parse(path, metadata)
    _check_size(card.model, sum(value.numel() for value in tensors.values()), path)
    model = PredictiveCoding(card.model)
    check_against(path, tensors, model.state_dict())
    check_finite(tensors, path)
    settings = {key: json.loads(metadata["card"])[key] for key in SETTINGS}
    if digest_of(tensors, settings) != card.digest:
        raise CheckpointError("its content does not match its digest; the file was altered.", path)
    model.load_state_dict(tensors)
    return model, card


def read_card(name_or_path: str | Path) -> PredictiveCard:
    """The card alone. Raises CheckpointError."""
    path = _find(name_or_path)
    return _parse(path, metadata_of(path, FORMAT))


def shipped() -> list[str]:
    """Names of the models that ship with the project, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.safetensors"))


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if not path.suffix and path.name == str(name_or_path):
        path = FOLDER / f"{name_or_path}.safetensors"
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):  # too long a name, or one with a NUL
        pass
    raise CheckpointError(f"There is no predictive-coding model {str(name_or_path)!r:.60}.")


def _check_size(config: PredictiveConfig, held: int, path: Path) -> None:
    """Before anything of that size is made."""
    near, top = config.kernel**2, config.kernel_top**2
    channels = config.in_channels + max(config.classes - 1, 0)
    needed = config.features * (channels * near + config.causes * top)
    if needed != held:
        raise CheckpointError(
            f"its card describes a model of {needed:,} weights, but the file holds {held:,} numbers.", path
        )


def _parse(path: Path, metadata: dict[str, str]) -> PredictiveCard:
    try:
        plain: dict[str, Any] = json.loads(metadata.get("card", ""))
        card = {f.name: plain.pop(f.name) for f in fields(PredictiveCard)}
        if plain:
            raise ConfigError(f"unknown entry {next(iter(plain))!r:.60}.")
        card["model"] = PredictiveConfig.parse(card["model"])
        card["source"] = parse_source(card["source"])
        card["train"] = PredictiveTrain.parse(card["train"])
        check_fit(card["model"], card["source"])
        card["scores"] = _scores(card["scores"])
        if type(card["eval_seed"]) is not int or type(card["digest"]) is not str:
            raise ConfigError("an entry is of the wrong type.")
        words = isinstance(card["versions"], dict)
        if not words or not all(type(value) is str for value in card["versions"].values()):
            raise ConfigError("versions is of the wrong type.")
    except ConfigError as error:
        raise CheckpointError(f"its card is refused: {error}", path) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"its card is unreadable ({type(error).__name__}: {error}).", path) from None
    return PredictiveCard(**card)


def _scores(values: dict[str, Any]) -> Predicted:
    scores = Predicted(**values)
    shares = [value for key, value in values.items() if key != "images" and value is not None]
    if type(scores.images) is not int or scores.images < 1:
        raise ConfigError("images is out of range.")
    if not all(type(value) in (int, float) and -1e3 <= value <= 1 for value in shares):
        raise ConfigError("a score is out of range.")
    return scores
