"""Settings of the tasks whose images are made of real ones: handwriting and photographs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from fbseg_core.config.task import SquareConfig, TaskConfig
from fbseg_core.settings import setting


class DigitsConfig(SquareConfig):
    """Handwritten digits that overlap, among fragments of others: which ink is of which digit?"""

    name: Literal["digits"] = "digits"
    side: int = setting(48, "Height and width of the image.", unit="px", lo=16, hi=512, step=8)
    sigma: float = setting(
        0.3, "Standard deviation of the noise at each pixel.", unit="grey levels", lo=0.0, hi=4.0, step=0.05
    )
    count: int = setting(3, "Digits in an image; later ones lie on earlier ones.", lo=1, hi=6)
    height: int = setting(20, "Height of a digit, give or take a tenth.", unit="px", lo=16, hi=28)
    apart: float = setting(
        0.5,
        "Distance that the centres of two digits keep, where there is room; at 0 they may lie on each other.",
        unit="heights",
        lo=0.0,
        hi=1.5,
        step=0.1,
    )
    debris: int = setting(6, "Fragments of other digits, which lie behind all digits.", lo=0, hi=64)
    patches: int = setting(0, "Grey squares of about half a digit's height, which lie on top.", lo=0, hi=6)
    turn: float = setting(10.0, "Most that a digit is turned, either way.", unit="°", lo=0.0, hi=45.0)
    target: Literal["visible", "whole"] = setting(
        "visible",
        "What is to be marked: the ink that is seen; or the whole digit, with what a patch or the rim of "
        "another digit hides (amodal). Ink on ink is of the front digit.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.height > self.side:
            raise ValueError("height: a digit must not be larger than the image")
        return self


class TexturesConfig(SquareConfig):
    """Mosaics of photographs: which piece is of which material?"""

    name: Literal["textures"] = "textures"
    sigma: float = setting(
        0.1, "Standard deviation of the noise at each pixel.", unit="grey levels", lo=0.0, hi=4.0, step=0.05
    )
    regions: int = setting(4, "Pieces of the mosaic.", lo=2, hi=6)
    kinds: Literal["material", "scale", "turn"] = setting(
        "material",
        "What makes a class: the material; the material and its scale, fine or coarse; or the material and, "
        "of bricks, which way they run.",
    )
    gradient: float = setting(
        0.3, "Most that light falls off from one end of the image to the other.", lo=0.0, hi=1.0, step=0.1
    )


class FolderConfig(TaskConfig):
    """Images and masks of your own, from a folder."""

    name: Literal["folder"] = "folder"
    sigma: float = setting(
        0.0, "Standard deviation of noise added to each pixel.", unit="grey levels", lo=0.0, hi=4.0, step=0.05
    )
    folder: str = setting(
        "",
        "Where the images are: images/ and masks/ of the same names; Pascal VOC; Cityscapes; or Data Science "
        "Bowl 2018.",
    )
    layout: Literal["auto", "pairs", "voc", "cityscapes", "nuclei"] = setting(
        "auto", "How the folder is laid out; auto looks."
    )
    classes: tuple[str, ...] = setting((), "Names of the classes; found in the folder where none are given.")
    channels: Literal[1, 3] = setting(3, "Image channels: grey, or red, green and blue.")
    height: int = setting(128, "Height that images are brought to.", unit="px", lo=16, hi=1024, step=16)
    width: int = setting(128, "Width that images are brought to.", unit="px", lo=16, hi=1024, step=16)
    fit: Literal["middle", "crop"] = setting(
        "middle",
        "middle takes the largest middle part of that shape and brings it to the size, labels by the nearest "
        "pixel; crop cuts a window of that size at random, in training and test.",
    )
    scale: float = setting(
        1.0, "Share of its size that an image is brought to before a crop.", lo=0.05, hi=1.0, step=0.05
    )
    border: bool = setting(
        False, "Data Science Bowl: the outermost pixels of each nucleus are a class of their own."
    )
    test_share: float = setting(
        0.25, "Share of the images kept for the test, where the layout does not say which.", lo=0.05, hi=0.9
    )
    split_seed: int = setting(0, "Seed by which they are chosen.", lo=0, hi=2**31 - 1)
    normalise: Literal["minmax", "standard", "none"] = setting(
        "standard", "Each image: to [0, 1], to mean 0 and deviation 1, or not at all."
    )

    @property
    def size(self) -> tuple[int, int]:
        return self.height, self.width

    @model_validator(mode="after")
    def _few_classes(self) -> Self:
        if len(self.classes) == 1 or len(self.classes) > 32:
            raise ValueError(f"classes: 2 to 32 are taken, not {len(self.classes)}")
        return self
