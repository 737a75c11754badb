"""Settings of the tasks, and the two scales that σ is told on."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fbseg_core.settings import Config, setting

EVAL_SEED = 1000  # of the fresh images that scores are taken on, wherever no other seed is given
PAPER_SIDE = 512  # px: the paper's images


def paper_sigma(sigma: float, side: float) -> float:
    """σ of a 512-px image whose shapes carry the same evidence as at σ a pixel in an image of `side` px."""
    return sigma * PAPER_SIDE / side


def pixel_sigma(paper: float, side: float) -> float:
    """σ a pixel in an image of `side` px whose paper sigma is `paper`: the inverse of `paper_sigma`."""
    return paper * side / PAPER_SIDE


class TaskConfig(Config):
    """What every task shares. `name` is the task's key in `fbseg_core.tasks.TASKS`."""

    name: str = setting("", "Which task's images are drawn.")
    sigma: float = setting(
        0.5, "Standard deviation of the noise at each pixel.", unit="grey levels", lo=0.0, hi=4.0, step=0.05
    )

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of its images, in px."""
        raise NotImplementedError(f"{type(self).__name__} says no size")

    @property
    def paper_sigma(self) -> float:
        """σ of a 512-px image whose shapes carry the same evidence: sigma·512/√(H·W)."""
        return paper_sigma(self.sigma, math.sqrt(self.size[0] * self.size[1]))


class SquareConfig(TaskConfig):
    """A task whose images are square."""

    side: int = setting(64, "Height and width of the image.", unit="px", lo=16, hi=512, step=8)

    @property
    def size(self) -> tuple[int, int]:
        return self.side, self.side


class ShapesConfig(SquareConfig):
    """Noisy polygons, the paper's task."""

    name: Literal["shapes"] = "shapes"
    sides: tuple[Annotated[int, Field(ge=0, le=8)], ...] = setting(
        (3,), "Kinds of shape by their number of sides, 3 to 8; 0 is a circle."
    )
    count: int = setting(1, "Shapes in an image; later ones cover earlier ones.", lo=1, hi=8)
    multiclass: bool = setting(False, "One class for each kind of shape, or one for all of them.")
    rotate: bool = setting(False, "Turn each shape by a random angle.")
    border: Literal["cut", "inside"] = setting(
        "cut", "Shapes may be cut by the border, or lie wholly inside."
    )
    radius_min: float = setting(0.10, "Smallest circumradius.", unit="sides", lo=0.04, hi=0.5, step=0.01)
    radius_max: float = setting(0.25, "Largest circumradius.", unit="sides", lo=0.04, hi=0.5, step=0.01)
    jitter: float = setting(
        0.0,
        "How far each corner may lie off the circumradius, at random, as in the authors' generator. 0 draws "
        "regular polygons.",
        unit="radii",
        lo=0.0,
        hi=0.5,
        step=0.05,
    )
    channels: Literal[1, 3] = setting(3, "Image channels, each with its own noise.")
    normalise: Literal["minmax", "standard", "none"] = setting(
        "standard", "Each image: to [0, 1] as in the paper, to mean 0 and deviation 1, or not at all."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.sides or any(sides in (1, 2) for sides in self.sides):
            raise ValueError("sides: give at least one kind, each 0 (circle) or 3 to 8")
        if len(set(self.sides)) != len(self.sides):
            raise ValueError("sides: each kind may be named once")
        if self.radius_min > self.radius_max:
            raise ValueError("radius_min: must not exceed radius_max")
        return self


class GroupingConfig(SquareConfig):
    """Incremental grouping: mark the whole connected region that holds the cue dot."""

    name: Literal["grouping"] = "grouping"
    side: int = setting(48, "Height and width of the image.", unit="px", lo=16, hi=512, step=8)
    sigma: float = setting(
        0.2,
        "Standard deviation of the noise on the image channel.",
        unit="grey levels",
        lo=0.0,
        hi=4.0,
        step=0.05,
    )
    regions: Literal["blobs", "curves", "maze", "rings"] = setting(
        "blobs",
        "Blobs of smooth noise; curves of one width; the ways of a maze, which branch; or those of one in "
        "which they close to rings.",
    )
    scale: float = setting(
        2.5,
        "Width of the regions: deviation of the blur that makes blobs, half the width of a curve or a way.",
        unit="px",
        lo=1.0,
        hi=16.0,
        step=0.1,
    )
    coverage: float = setting(0.5, "Share of the image that is in some region.", lo=0.2, hi=0.6, step=0.05)
    winding: float = setting(
        0.75,
        "Shortest way allowed from the cue to the region's farthest pixel.",
        unit="sides",
        lo=0.0,
        hi=2.5,
        step=0.05,
    )
