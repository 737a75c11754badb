"""Feedback segmentation models: the equations of arXiv 2507.10143, their training and their analysis."""

from fbseg_core.analysis.pca import Projection, pca
from fbseg_core.checkpoint import Card, CheckpointError, load, save
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, Switches, TaskConfig, TrainConfig
from fbseg_core.dynamics import FeedbackUNet, FeedforwardUNet, StepResult, build
from fbseg_core.knobs import ConfigError
from fbseg_core.rollout import State, Trajectory, iterate, rollout
from fbseg_core.tasks import TASKS, Batch, make_batch
from fbseg_core.train import PROTOCOLS, Progress, TrainingState, fit

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
