"""What the screen of a visitor's own images shows, as one frozen value, and the job that it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from fbseg_core import PROTOCOLS, ModelConfig
from fbseg_core.config import FolderConfig
from fbseg_core.settings import setting
from fbseg_core.tasks import task_of
from fbseg_core.tasks.folder import Scan, scan
from fbseg_core.training.fewshot import TrainingRun
from pages.jobs import Spec
from pages.ui import own_images
from pages.ui.link import LARGEST_SEED, Linked

STEPS = 5  # of the loop in training; its answer is read after twice as many
BATCH = 4


class YourDataState(Linked):
    """source: "" for none, "upload", or the name of a folder that was opened at the start; never a path."""

    source: str = Field("", max_length=80)
    side: int = setting(
        64,
        "Height and width that every image is brought to. Twice the side takes four times as long, and shows "
        "finer things.",
        unit="px",
        lo=32,
        hi=160,
        step=16,
    )
    colour: bool = setting(
        True, "Reads red, green and blue. Off, the images are read as grey: try it where colour says nothing."
    )
    border: bool = setting(
        False, "Makes the outermost pixels of each nucleus a class of their own, so that touching ones part."
    )
    kind: Literal["feedback", "feedforward"] = setting(
        "feedback",
        "feedback corrects its own answer step by step; feedforward answers at once, and trains about five "
        "times as fast.",
    )
    updates: int = setting(
        300,
        "How often the weights are changed, each time after a look at four images. More of them learn more, "
        "up to a point: watch the F1 on images that are not learned from.",
        lo=50,
        hi=3000,
        step=50,
    )
    rare: float = setting(
        0.5,
        "How far pixels of rare classes count more. At 0 all pixels count the same, and small things may be "
        "missed; at 1 all classes do.",
        lo=0.0,
        hi=1.0,
        step=0.1,
    )
    seed: int = setting(
        0, "Draws other weights and another order of the images: see how far the result depends on it.",
        lo=0, hi=LARGEST_SEED,
    )  # fmt: skip
    job: str = Field("", pattern=r"^[0-9a-f]{0,32}$")


def task_for(view: YourDataState, folder: Path) -> tuple[FolderConfig, Scan]:
    """The images as a task, and what the folder holds; files with problems are left out. ConfigError."""
    task = FolderConfig(
        folder=str(folder),
        height=view.side,
        width=view.side,
        channels=3 if view.colour else 1,
        border=view.border,
    )
    found = scan(task)
    return task.replace(classes=found.classes, layout=found.layout), found


def job_of(view: YourDataState, task: FolderConfig) -> Spec:
    """The training that the view asks for. Raises ConfigError."""
    kind = task_of(task)
    model = ModelConfig(
        kind=view.kind,
        in_channels=len(kind.channel_names(task)),
        classes=len(kind.class_names(task)),
        u=max(8, len(kind.class_names(task))),
    )
    train = PROTOCOLS["matched"].replace(
        examples=0,
        batch=BATCH,
        updates=view.updates,
        lr=0.006,
        steps_min=STEPS,
        steps_max=STEPS,
        brightness=0.2,
        balance=view.rare,
        seed=view.seed,
    )
    return Spec(task, (TrainingRun(view.kind, model, train),))


def check(view: YourDataState) -> None:
    """Raise ConfigError for a state that cannot be shown."""
    if view.source != own_images.UPLOAD:
        own_images.chosen(view.source, "")
