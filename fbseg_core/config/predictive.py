"""Settings of predictive coding proper: the model, what it trusts, and how it learns."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from fbseg_core.settings import Config, setting


class PredictiveConfig(Config):
    """A two-level convolutional model of an image x and, where there is one, of its label y.

    r is `features` channels, one value for every stride × stride pixels; s is `causes` channels, one for
    every stride_top × stride_top of those.
    """

    in_channels: int = setting(1, "Image channels.", lo=1, hi=32)
    classes: int = setting(
        0, "Classes of the label, the background with them; 0 for images alone.", lo=0, hi=32
    )
    features: int = setting(16, "Channels of r, the first level: filters of U.", lo=1, hi=256)
    causes: int = setting(24, "Channels of s, the second level: filters of W.", lo=1, hi=256)
    kernel: int = setting(8, "Width of a filter of U and V.", unit="px", lo=1, hi=32)
    stride: int = setting(4, "Distance of neighbouring values of r.", unit="px", lo=1, hi=16)
    kernel_top: int = setting(4, "Width of a filter of W, in values of r.", lo=1, hi=16)
    stride_top: int = setting(2, "Distance of neighbouring values of s, in values of r.", lo=1, hi=8)
    pi: float = setting(
        1.0, "Precision π of the image: how far an error in it counts.", lo=0.0, hi=100.0, step=0.05
    )
    pi_top: float = setting(
        0.5, "Precision π₁ of what the second level predicts; 0 cuts it off.", lo=0.0, hi=100.0, step=0.05
    )
    pi_label: float = setting(
        1.0,
        "Precision π_y of the label while it is shown; at test there is none.",
        lo=0.0,
        hi=100.0,
        step=0.05,
    )
    sparsity: float = setting(0.5, "λ: what a unit of activity of r costs.", lo=0.0, hi=100.0, step=0.05)
    shrink: float = setting(0.1, "β: how strongly s is drawn to zero.", lo=0.0, hi=100.0, step=0.01)
    steps: int = setting(60, "Steps of inference before an answer is read or learned from.", lo=1, hi=10_000)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.classes == 1:
            raise ValueError("classes: give 0 for no label, or at least 2")
        for kernel, stride in (("kernel", "stride"), ("kernel_top", "stride_top")):
            over = getattr(self, kernel) - getattr(self, stride)
            if over < 0 or over % 2:
                raise ValueError(f"{kernel}: must be {stride} or larger by an even number")
        return self


class PredictiveTrain(Config):
    """One training run of a predictive-coding model: every update is of fresh images."""

    updates: int = setting(400, "How often the weights are changed.", lo=1, hi=1_000_000)
    batch: int = setting(8, "Images that are averaged in an update.", lo=1, hi=256)
    lr: float = setting(
        0.3, "Learning rate: the share of the error at a synapse that an update takes away.", lo=0.0, hi=10.0
    )
    seed: int = setting(0, "Seed of weights and images.", lo=0, hi=2**31 - 1)


class PhotographsConfig(Config):
    """Patches of the two photographs that come with scikit-learn, grey, halved and whitened."""

    name: Literal["photographs"] = "photographs"
    side: int = setting(48, "Height and width of a patch.", unit="px", lo=16, hi=80, step=8)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of a patch, in px."""
        return self.side, self.side
