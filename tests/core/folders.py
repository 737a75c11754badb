"""Small folders of images and masks in each layout, as tests build them. Import it by its bare name."""

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from fbseg_core.tasks.layouts import VOC

SIZE = (24, 32)  # H, W


def image(seed=0, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def mask(seed=0, numbers=(0, 1, 2), size=SIZE):
    """Upright stripes, the numbers in an order of the seed's own."""
    order = np.random.default_rng(seed).permutation(numbers)
    columns = order[np.arange(size[1]) * len(numbers) // size[1]]
    return np.broadcast_to(columns, size).astype(np.uint8)


def write(path: Path, values: np.ndarray, palette: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.ascontiguousarray(values))
    if palette:  # colours that say nothing of the numbers
        picture = Image.fromarray(values, "L").convert("P")
        picture.putdata(values.ravel().tolist())
        picture.putpalette(np.random.default_rng(1).integers(0, 256, 768).tolist())
    picture.save(path)
    return path


def pairs(root: Path, n=6, numbers=(0, 1, 2), parts=("",)) -> Path:
    for k in range(n):
        part = parts[k % len(parts)]
        write(root / "images" / part / f"{k:02}.png", image(k))
        write(root / "masks" / part / f"{k:02}.png", mask(k, numbers))
    return root


def voc(root: Path) -> Path:
    last = len(VOC) - 1
    for k in range(5):  # the last is in no list
        write(root / "JPEGImages" / f"2007_{k}.jpg", image(k))
        write(root / "SegmentationClass" / f"2007_{k}.png", mask(k, (0, last, 255)), palette=True)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_0\n2007_1\n2007_2\n")
    (lists / "val.txt").write_text("2007_3\n")
    return root


def cityscapes(root: Path, kind="labelIds", numbers=(7, 33, 4)) -> Path:
    """Road, bicycle and one that is void."""
    for part, city, n in (("train", "ulm", 3), ("val", "bonn", 2), ("test", "berlin", 1)):
        for k in range(n):
            stem = f"{city}_{k:06}_000019"
            write(root / "leftImg8bit" / part / city / f"{stem}_leftImg8bit.png", image(k))
            write(root / "gtFine" / part / city / f"{stem}_gtFine_{kind}.png", mask(k, numbers))
    return root


def nuclei(root: Path, n=4) -> Path:
    """Two nuclei of 6 × 6 px an image, one above the other."""
    for k in range(n):
        write(root / f"id{k}" / "images" / f"id{k}.png", image(k))
        for part, top in (("a", 2), ("b", 12)):
            inside = np.zeros(SIZE, np.uint8)
            inside[top : top + 6, 4:10] = 255
            write(root / f"id{k}" / "masks" / f"{part}.png", inside)
    return root


def zipped(root: Path, file, under: str = "") -> None:
    """Write the files of a folder into a zip, a path or an open file."""
    with zipfile.ZipFile(file, "w") as packed:
        for one in sorted(one for one in root.rglob("*") if one.is_file()):
            packed.write(one, f"{under}{one.relative_to(root)}")
