"""Images and their labels brought to a size: pixels are averaged, labels are those of the nearest pixel."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fbseg_core.tasks.picture_files import VOID

Both = tuple[np.ndarray, np.ndarray]  # image (H, W, C) uint8, labels (H, W) uint8


def middle(image: np.ndarray, labels: np.ndarray, size: tuple[int, int]) -> Both:
    """The largest middle part of that shape, at that size (H, W)."""
    height, width = labels.shape
    share = min(height / size[0], width / size[1])
    rows, columns = (max(round(share * side), 1) for side in size)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = slice(top, top + rows), slice(left, left + columns)
    return _resized(image[part], labels[part], size)


def shrunk(image: np.ndarray, labels: np.ndarray, scale: float) -> Both:
    """The whole at a share of its size."""
    if scale == 1:
        return image.copy(), labels.copy()
    height, width = labels.shape
    return _resized(image, labels, (max(round(scale * height), 1), max(round(scale * width), 1)))


def crop(image: np.ndarray, labels: np.ndarray, size: tuple[int, int], place: np.ndarray) -> Both:
    """A window of that size at place (2,) in [0, 1); what of it lies outside the image is black, and void."""
    part, outside = [], []
    for whole, side, at in zip(labels.shape, size, place):
        start = int(at * (max(whole - side, 0) + 1))
        part.append(slice(start, start + side))
        short = max(side - whole, 0)
        outside.append((short // 2, short - short // 2))
    image, labels = image[tuple(part)], labels[tuple(part)]
    if any(map(any, outside)):
        image = np.pad(image, [*outside, (0, 0)])
        labels = np.pad(labels, outside, constant_values=VOID)
    return image, labels


def _resized(image: np.ndarray, labels: np.ndarray, size: tuple[int, int]) -> Both:
    smaller = size[0] * size[1] < labels.size
    rule = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    planes = [Image.fromarray(np.ascontiguousarray(image[..., c])) for c in range(image.shape[2])]
    image = np.stack([np.asarray(one.resize(size[::-1], rule)) for one in planes], 2)
    nearest = Image.fromarray(np.ascontiguousarray(labels)).resize(size[::-1], Image.Resampling.NEAREST)
    return image, np.asarray(nearest).copy()
