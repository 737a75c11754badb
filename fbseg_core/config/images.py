"""Settings of the tasks whose images are made of real ones: handwriting and photographs."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from fbseg_core.config.task import SquareConfig
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
