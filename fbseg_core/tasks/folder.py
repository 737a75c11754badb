"""Your own images and masks, from a folder: what it holds, checked, and images drawn from it.

A path may come from a checkpoint or a link of somebody else's. Images are therefore read only from folders
that were opened here, by `allow`: those named on the command line, or by who starts the app.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import binary_erosion
from torch import Tensor

from fbseg_core.config import FolderConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks.base import Content, Split, Task, joined, normalised, spans, streams
from fbseg_core.tasks.kept import Kept
from fbseg_core.tasks.layouts import Pair, find
from fbseg_core.tasks.picture_files import VOID, read_image, read_mask, size_of
from fbseg_core.tasks.resize import crop, middle, shrunk

ALLOWED = "FBSEG_FOLDERS"  # environment: folders that may be read, so that worker processes know them, too
MOST_CLASSES = 32
READ = Kept(2**28)  # decoded images, in bytes


class Folder(Task[FolderConfig]):
    """Whatever a folder's masks mark."""

    config = FolderConfig
    on_its_own = False

    def channel_names(self, config: FolderConfig) -> tuple[str, ...]:
        return ("grey",) if config.channels == 1 else ("red", "green", "blue")

    def class_names(self, config: FolderConfig) -> tuple[str, ...]:
        return config.classes or scan(config).classes

    def opened(self, config: FolderConfig) -> FolderConfig:
        """The settings with classes and layout as found. The folder may be read from here on.

        Raises ConfigError with the first problem that it has.
        """
        if not config.folder:
            raise ConfigError("folder: say which, by --task.folder PATH.")
        allow(config.folder)
        found = scan(config)
        if found.problems:
            more = len(found.problems) - 1
            raise ConfigError(
                f"{found.problems[0]}" + (f" There are {more} more such faults." if more else "")
            )
        return config.replace(classes=found.classes, layout=found.layout)

    def supply(self, config: FolderConfig, split: Split) -> int:
        return len(scan(config).rows(split))

    def normalise(self, config: FolderConfig, x: Tensor) -> Tensor:
        return normalised(x, config.normalise)

    def content(self, config: FolderConfig, n: int, seed: int, split: Split = "train") -> Content:
        """n of a split's images, each once before any comes again. info: image (n,), its number in `scan`.

        Raises ConfigError where the folder may not be read, or a file cannot.
        """
        return joined(Folder.contents(self, config, n, seed, max(n, 1), split))

    def contents(
        self, config: FolderConfig, n: int, seed: int, part: int, split: Split = "train"
    ) -> Iterator[Content]:
        """`content`, `part` images at a time, each read when it is asked for."""
        found = scan(config)
        known = found.rows(split)
        if not known:
            raise ConfigError(f"folder: there is no sound image to {split} on.")
        order_rng, place_rng = streams(seed, 2)
        rounds = range(-(-n // len(known)))
        chosen = np.concatenate([order_rng.permutation(known) for _ in rounds] or [known])[:n].astype(int)
        place = place_rng.random((n, 2))
        for rows in spans(n, part):
            drawn = [_drawn(config, found, int(i), at) for i, at in zip(chosen[rows], place[rows])]
            clean = np.zeros((len(drawn), config.channels, *config.size), np.float32)
            labels = np.zeros((len(drawn), *config.size), np.int64)
            for i, (image, label) in enumerate(drawn):
                clean[i], labels[i] = image.transpose(2, 0, 1) / np.float32(255), label
            info = {"image": torch.from_numpy(chosen[rows])}
            yield Content(torch.from_numpy(clean), torch.from_numpy(labels), info)


@dataclass(frozen=True)
class Scan:
    """What a folder holds. problems: a sentence for each file that is left out, which names it.

    pairs: those that are sound as far as their heads and, where classes hang on it, their numbers tell.
    tests: whether each is of the test. labels: from a mask's numbers to classes, as in `Found`.
    """

    root: Path
    layout: str
    title: str
    pairs: tuple[Pair, ...]
    tests: tuple[bool, ...]
    classes: tuple[str, ...]
    labels: np.ndarray | None
    problems: tuple[str, ...]

    def rows(self, split: Split) -> list[int]:
        """The numbers of a split's images."""
        return [i for i, test in enumerate(self.tests) if test == (split == "test")]

    def name(self, path: Path) -> str:
        """What a file is called in a sentence."""
        return path.relative_to(self.root).as_posix()


def allow(folder: str | Path) -> None:
    """Let images be read from a folder and those in it, here and in processes started from now on."""
    path = str(Path(folder).expanduser().resolve())
    known = allowed()
    if path not in known:
        os.environ[ALLOWED] = os.pathsep.join([*known, path])


def allowed() -> list[str]:
    """The folders that may be read."""
    return [one for one in os.environ.get(ALLOWED, "").split(os.pathsep) if one]


def root_of(config: FolderConfig) -> Path:
    """The folder, resolved. Raises ConfigError, in the same words, where it is not there or not allowed."""
    try:
        path = Path(config.folder).expanduser().resolve()
        inside = any(path.is_relative_to(Path(one).resolve()) for one in allowed())
        if config.folder and inside and path.is_dir():
            return path
    except (OSError, ValueError, RuntimeError):  # names that are no path
        pass
    raise ConfigError(f"folder: {Path(config.folder).name!r:.60} is no folder that was opened here.")


def scan(config: FolderConfig) -> Scan:
    """What the folder holds, looked up once for each of the settings that matter. Raises ConfigError."""
    split = (config.test_share, config.split_seed)
    return _scanned(root_of(config), config.layout, config.classes, config.border, split)


@functools.lru_cache(maxsize=8)
def _scanned(
    root: Path, layout: str, classes: tuple[str, ...], border: bool, split: tuple[float, int]
) -> Scan:
    found = find(root, layout)
    problems, sound = list(found.problems), []
    for pair in found.pairs:
        try:
            _check_sizes(root, pair)
            sound.append(pair)
        except ConfigError as error:
            problems.append(str(error))
    named, labels = found.classes, found.labels
    if found.layout == "pairs":
        sound, named, labels, unknown = _numbers(root, sound, classes or named)
        problems += unknown
    elif found.layout == "nuclei":
        named = ("background", "inside", "border") if border else ("background", "nucleus")
    if classes and len(classes) != len(named):
        raise ConfigError(f"classes: {len(classes)} names are given, the folder has {len(named)} classes.")
    tests = _tests(sound, *split)
    return Scan(
        root, found.layout, found.title, tuple(sound), tests, classes or named, labels, tuple(problems)
    )


def _check_sizes(root: Path, pair: Pair) -> None:
    """Raise ConfigError where a mask is of another size than its image; only heads are read."""
    name = pair.image.relative_to(root).as_posix()
    height, width = size_of(pair.image, name)
    for mask in pair.masks:
        other = size_of(mask, mask.relative_to(root).as_posix())
        if other != (height, width):
            raise ConfigError(
                f"{mask.relative_to(root).as_posix()}: {other[0]} × {other[1]} px, but its image has "
                f"{height} × {width}."
            )


def _numbers(
    root: Path, pairs: list[Pair], named: tuple[str, ...]
) -> tuple[list[Pair], tuple[str, ...], np.ndarray, list[str]]:
    """Of masks whose numbers nobody explains: the sound pairs, class names, what numbers mean, problems.

    Where no mask holds anything but 0 and 255, 255 is the one class; else 255 is void.
    """
    sound, problems, held = [], [], []
    for pair in pairs:
        try:
            numbers = read_mask(pair.masks[0], pair.masks[0].relative_to(root).as_posix())
            sound.append(pair)
            held.append(np.unique(numbers))
        except ConfigError as error:
            problems.append(str(error))
    every = np.unique(np.concatenate(held)) if held else np.array([0])
    labels = np.full(256, -1)
    if set(every.tolist()) == {0, VOID}:
        labels[0], labels[VOID] = 0, 1
        return sound, named or ("background", "marked"), labels, problems
    last = max((int(n) for n in every if n < MOST_CLASSES), default=1)
    classes = named or ("background", *(f"class {k}" for k in range(1, max(last, 1) + 1)))
    labels[: len(classes)], labels[VOID] = range(len(classes)), VOID
    kept = []
    for pair, numbers in zip(sound, held):
        wrong = [int(n) for n in numbers if labels[n] < 0]
        if wrong:
            name = pair.masks[0].relative_to(root).as_posix()
            problems.append(_unknown(name, wrong[0], len(classes)))
        else:
            kept.append(pair)
    return kept, classes, labels, problems


def _unknown(name: str, number: int, classes: int) -> str:
    return f"{name}: holds the number {number}; classes are 0 to {classes - 1}, and {VOID} is void."


def _tests(pairs: list[Pair], share: float, seed: int) -> tuple[bool, ...]:
    """Which pairs are of the test: as the layout says where it gives both, else a share by that seed."""
    if {pair.split for pair in pairs} == {"train", "test"}:
        return tuple(pair.split == "test" for pair in pairs)
    n = len(pairs)
    held = min(max(round(share * n), 1), n - 1) if n > 1 else 0
    chosen = set(np.random.default_rng(seed).permutation(n)[:held].tolist())
    return tuple(i in chosen for i in range(n))


def _drawn(
    config: FolderConfig, found: Scan, number: int, place: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """An image (H, W, C) and its labels (H, W) uint8, at the size that is asked for."""
    pair = found.pairs[number]
    changed = tuple(file.stat().st_mtime_ns for file in (pair.image, *pair.masks))
    key = (pair, changed, config.channels, config.fit, config.scale, config.size, config.border)
    image, labels = READ.get(key, lambda: _prepared(config, found, pair))
    return (image, labels) if config.fit == "middle" else crop(image, labels, config.size, place)


def _prepared(config: FolderConfig, found: Scan, pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """What of an image is the same each time it is drawn."""
    image = read_image(pair.image, found.name(pair.image), config.channels)
    labels = _nuclei(config, found, pair) if found.labels is None else _labels(found, pair.masks[0])
    if image.shape[:2] != labels.shape:
        raise ConfigError(f"{found.name(pair.masks[0])}: its size is not that of its image.")
    return (
        middle(image, labels, config.size) if config.fit == "middle" else shrunk(image, labels, config.scale)
    )


def _labels(found: Scan, mask: Path) -> np.ndarray:
    numbers = read_mask(mask, found.name(mask))
    labels = found.labels[numbers]
    if (labels < 0).any():
        wrong = int(numbers[labels < 0][0])
        raise ConfigError(f"{found.name(mask)}: holds the number {wrong}, which is no id of {found.title}.")
    return labels.astype(np.uint8)


def _nuclei(config: FolderConfig, found: Scan, pair: Pair) -> np.ndarray:
    """The union of the masks of each nucleus; with border, the outermost pixels of each are another class."""
    labels: np.ndarray | None = None
    for mask in pair.masks:
        inside = read_mask(mask, found.name(mask)) > 0
        labels = np.zeros(inside.shape, np.uint8) if labels is None else labels
        labels[inside] = 1
        if config.border:
            labels[inside & ~binary_erosion(inside)] = 2
    return labels
