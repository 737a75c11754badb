"""How folders of images and masks are laid out: which image goes with which mask, and what its numbers mean.

Recognised are images/ and masks/ with files of the same names; Pascal VOC (Everingham et al. 2010);
Cityscapes (Cordts et al. 2016); Data Science Bowl 2018 (Caicedo et al. 2019), a folder an image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fbseg_core.settings import ConfigError
from fbseg_core.tasks.base import Split
from fbseg_core.tasks.picture_files import ENDINGS, VOID

MOST = 20_000  # images that a folder may hold
SPLITS: dict[str, Split] = {"train": "train", "val": "test", "test": "test"}
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train",
    "TV monitor",
)  # fmt: skip
# Cityscapes has no background. The first class, which scores leave out, is of no pixel there.
CITYSCAPES = (
    "none of these", "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light",
    "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # of the 19 in order
LAST_LABEL_ID = 33  # those below it that are not in LABEL_IDS are void


@dataclass(frozen=True)
class Pair:
    """An image and its mask, or the masks of its parts. split: None where the layout does not say."""

    image: Path
    masks: tuple[Path, ...]
    split: Split | None = None


@dataclass(frozen=True)
class Found:
    """What was recognised. classes: their names where the layout fixes them. problems: a sentence each.

    labels: from the numbers in a mask to classes, 256 entries; -1 where a number has no meaning. None where
    that hangs on all masks, or where a mask is of one part of the image.
    """

    layout: str
    title: str
    pairs: tuple[Pair, ...]
    problems: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    labels: np.ndarray | None = None


def find(root: Path, layout: str = "auto") -> Found:
    """What a folder holds. Raises ConfigError where it is laid out in no way that is known."""
    for place in _places(root):
        for name, recognise in LAYOUTS.items():
            if layout in ("auto", name) and (found := recognise(place)) is not None:
                if len(found.pairs) > MOST:
                    raise ConfigError(f"folder: {root.name!r} holds more than {MOST:,} images.")
                if not found.pairs and not found.problems:
                    raise ConfigError(
                        f"folder: {root.name!r} is laid out as {found.title}, without an image."
                    )
                return found
    wanted = "" if layout == "auto" else f" as {layout}"
    raise ConfigError(
        f"folder: {root.name!r} is not laid out{wanted}; give images/ and masks/ with files of the same "
        "names, or the layout of Pascal VOC, Cityscapes or Data Science Bowl 2018."
    )


def _places(root: Path) -> Iterable[Path]:
    """The folder, and where it holds a single one and no file, that one, twice at most."""
    yield root
    for _ in range(2):
        inner = [one for one in sorted(root.iterdir()) if not one.name.startswith((".", "__"))]
        if len(inner) != 1 or not inner[0].is_dir():
            return
        root = inner[0]
        yield root


def _pictures(folder: Path) -> dict[str, Path]:
    """The picture files of a folder by stem, in order."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return {
        one.stem: one
        for one in files
        if one.suffix.lower() in ENDINGS and not one.name.startswith(".") and one.is_file()
    }


def _pairs(root: Path) -> Found | None:
    inner = [one for one in SPLITS if (root / "images" / one).is_dir()]
    outer = [one for one in SPLITS if (root / one / "images").is_dir()]
    parts = [(f"images/{one}", f"masks/{one}", SPLITS[one]) for one in inner]
    parts += [(f"{one}/images", f"{one}/masks", SPLITS[one]) for one in outer]
    parts = parts or [("images", "masks", None)]
    if not any((root / image).is_dir() and (root / mask).is_dir() for image, mask, _ in parts):
        return None
    pairs, problems = [], []
    for image_folder, mask_folder, split in parts:
        images, masks = _pictures(root / image_folder), _pictures(root / mask_folder)
        pairs += [Pair(image, (masks[stem],), split) for stem, image in images.items() if stem in masks]
        lone = [(one, "mask") for stem, one in images.items() if stem not in masks]
        lone += [(one, "image") for stem, one in masks.items() if stem not in images]
        problems += [
            f"{one.relative_to(root).as_posix()}: there is no {what} of this name." for one, what in lone
        ]
    names = root / "classes.txt"
    classes = tuple(_lines(names)) if names.is_file() else ()
    return Found("pairs", "images/ and masks/", tuple(pairs), tuple(problems), classes)


def _voc(root: Path) -> Found | None:
    images, masks = root / "JPEGImages", root / "SegmentationClass"
    if not (images.is_dir() and masks.is_dir()):
        return None
    pictures, known = _pictures(images), _pictures(masks)
    lists = {one: root / "ImageSets" / "Segmentation" / f"{one}.txt" for one in ("train", "val")}
    lists = {SPLITS[one]: _lines(file) for one, file in lists.items() if file.is_file()}
    chosen: list[tuple[str, Split | None]] = [
        (stem, split) for split, names in lists.items() for stem in names
    ]
    chosen = chosen or [(stem, None) for stem in known]  # most of VOC's images have no mask
    problems = []
    for stem, _ in chosen:
        if stem not in pictures or stem not in known:
            lacking = "JPEGImages" if stem not in pictures else "SegmentationClass"
            problems.append(f"{stem}: listed, but not in {lacking}.")
    pairs = [Pair(pictures[s], (known[s],), split) for s, split in chosen if s in pictures and s in known]
    labels = np.full(256, -1)
    labels[: len(VOC)], labels[VOID] = range(len(VOC)), VOID
    return Found("voc", "Pascal VOC", tuple(pairs), tuple(problems), VOC, labels)


def _cityscapes(root: Path) -> Found | None:
    images, fine = root / "leftImg8bit", root / "gtFine"
    if not (images.is_dir() and fine.is_dir()):
        return None
    pairs, problems, kinds = [], [], set()
    for part in ("train", "val"):  # the masks of its test are not public
        for image in sorted((images / part).glob("*/*_leftImg8bit.png")):
            stem = image.name.removesuffix("_leftImg8bit.png")
            known = [fine / part / image.parent.name / f"{stem}_gtFine_{kind}.png" for kind in ID_KINDS]
            mask = next((one for one in known if one.is_file()), None)
            if mask is None:
                problems.append(f"{image.relative_to(root).as_posix()}: there is no {known[0].name}.")
                continue
            kinds.add(known.index(mask))
            pairs.append(Pair(image, (mask,), SPLITS[part]))
    if len(kinds) > 1:
        problems.append("gtFine: some masks are of labelIds, some of labelTrainIds; keep one kind.")
    labels = _of_label_ids() if kinds == {0} else _of_train_ids()
    return Found("cityscapes", "Cityscapes", tuple(pairs), tuple(problems), CITYSCAPES, labels)


def _nuclei(root: Path) -> Found | None:
    folders = [one for one in sorted(root.iterdir()) if (one / "images").is_dir()]
    if len(folders) < 2 or not any((one / "masks").is_dir() for one in folders):
        return None
    pairs, problems = [], []
    for one in folders:
        images, masks = list(_pictures(one / "images").values()), tuple(_pictures(one / "masks").values())
        if len(images) != 1:
            problems.append(f"{one.name}/images: holds {len(images)} images, and one is expected.")
        elif not masks:
            problems.append(f"{one.name}: there is no mask.")
        else:
            pairs.append(Pair(images[0], masks))
    return Found("nuclei", "Data Science Bowl 2018", tuple(pairs), tuple(problems))


ID_KINDS = ("labelIds", "labelTrainIds")
LAYOUTS: dict[str, Callable[[Path], Found | None]] = {
    "cityscapes": _cityscapes, "voc": _voc, "pairs": _pairs, "nuclei": _nuclei,
}  # fmt: skip


def _of_label_ids() -> np.ndarray:
    labels = np.full(256, -1)
    labels[: LAST_LABEL_ID + 1] = labels[VOID] = VOID  # 255 stands for the number −1, of number plates
    labels[list(LABEL_IDS)] = np.arange(1, len(CITYSCAPES))
    return labels


def _of_train_ids() -> np.ndarray:
    labels = np.full(256, -1)
    labels[: len(CITYSCAPES) - 1] = np.arange(1, len(CITYSCAPES))
    labels[VOID] = VOID
    return labels


def _lines(file: Path) -> list[str]:
    """The lines that are not empty."""
    text = file.read_text("utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]
