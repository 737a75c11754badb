"""Every setting of the project, once: its default, range, unit and one line of help.

Menus, links, checkpoints and the command line are derived from these frozen pydantic models, so a
range is written in one place only. `settings.py` has what they are made of.
"""

from fbseg_core.config.images import DigitsConfig, FolderConfig, TexturesConfig
from fbseg_core.config.model import ModelConfig, Switches
from fbseg_core.config.predictive import PhotographsConfig, PredictiveConfig, PredictiveTrain
from fbseg_core.config.task import (
    EVAL_SEED,
    PAPER_SIDE,
    GroupingConfig,
    ShapesConfig,
    SquareConfig,
    TaskConfig,
    paper_sigma,
    pixel_sigma,
)
from fbseg_core.config.training import FewShotConfig, TrainConfig

__all__ = [
    "EVAL_SEED", "PAPER_SIDE", "DigitsConfig", "FewShotConfig", "FolderConfig", "GroupingConfig",
    "ModelConfig", "PhotographsConfig", "PredictiveConfig", "PredictiveTrain", "ShapesConfig", "SquareConfig",
    "Switches", "TaskConfig", "TexturesConfig", "TrainConfig", "paper_sigma", "pixel_sigma",
]  # fmt: skip
