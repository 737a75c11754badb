"""The settings that the shipped models were trained with, one for each kind of image."""

from __future__ import annotations

from typing import NamedTuple

from fbseg_core.config import (
    GroupingConfig,
    PhotographsConfig,
    PredictiveConfig,
    PredictiveTrain,
    ShapesConfig,
)
from fbseg_core.predictive.images import Source


class Preset(NamedTuple):
    """What is learned, by which model, and how. Channels and classes follow from the source."""

    source: Source
    model: PredictiveConfig
    train: PredictiveTrain


PRESETS = {
    # overlapping filters, a value of r for every 2 × 2 px: edges at any place
    "photographs": Preset(
        PhotographsConfig(),
        PredictiveConfig(features=16, stride=2, sparsity=0.5, steps=30),
        PredictiveTrain(updates=200, batch=4),
    ),
    # λ at one standard deviation of what noise alone gives a filter of norm 1
    "shapes": Preset(
        ShapesConfig(sigma=1.0),
        PredictiveConfig(features=16, sparsity=1.0, steps=40),
        PredictiveTrain(updates=120, batch=4),
    ),
    "grouping": Preset(
        GroupingConfig(),
        PredictiveConfig(features=24, sparsity=0.5, steps=40),
        PredictiveTrain(updates=120, batch=4),
    ),
}
