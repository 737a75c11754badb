"""Feedback segmentation models: the equations of arXiv 2507.10143, their training and their analysis."""

from fbseg_core.analysis.pca import Projection, pca
from fbseg_core.checkpoint import Card, CheckpointError, load, save
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, Switches, TaskConfig, TrainConfig
from fbseg_core.models.base import StepResult
from fbseg_core.models.feedback import FeedbackUNet
from fbseg_core.models.feedforward import FeedforwardUNet
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, Trajectory, iterate, rollout
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS, Batch, make_batch
from fbseg_core.training.fit import PROTOCOLS, Progress, TrainingState, fit

__all__ = [
    "PROTOCOLS",
    "TASKS",
    "Batch",
    "Card",
    "CheckpointError",
    "ConfigError",
    "FeedbackUNet",
    "FeedforwardUNet",
    "GroupingConfig",
    "ModelConfig",
    "Progress",
    "Projection",
    "ShapesConfig",
    "State",
    "StepResult",
    "Switches",
    "TaskConfig",
    "TrainConfig",
    "TrainingState",
    "Trajectory",
    "build",
    "fit",
    "iterate",
    "load",
    "make_batch",
    "pca",
    "rollout",
    "save",
]
