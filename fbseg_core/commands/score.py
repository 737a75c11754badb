"""The commands that look at checkpoints: `eval` scores them on fresh images, `info` prints their cards."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
import tyro

from fbseg_core.arguments import check_numbers
from fbseg_core.checkpoint import load, read_card, shipped
from fbseg_core.config import EVAL_SEED, Switches, TaskConfig
from fbseg_core.device import Choice, new_models_on, pick, title
from fbseg_core.models.base import Model
from fbseg_core.scores.evaluate import Score, evaluate
from fbseg_core.tasks import make_batch, task_of


@dataclass
class Eval:
    """Score checkpoints on fresh images, at t = 1, T and 3T."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Checkpoints by name or path; all that ship if none is given."""
    images: int = 200
    """Fresh images; pooled F1 has an interval over them."""
    seed: int = EVAL_SEED
    """Seed of the images."""
    sigma: float | None = None
    """Noise per pixel; the checkpoint's own if not given."""
    side: int | None = None
    """Image side in px, of a task that has one; the checkpoint's own if not given."""
    folder: str | None = None
    """Where a model's own kind of images are, for one trained on a folder."""
    threads: int = 2
    """CPU threads."""
    device: Choice = "cpu"
    """Where models stand. auto: cuda where there is one. Digits agree between machines on the CPU alone."""
    curve: bool = False
    """Print F1 at every step."""
    switches: Switches = field(default_factory=Switches)
    """Mechanisms to flip at inference."""

    def run(self) -> None:
        check_numbers(1, images=self.images, threads=self.threads)
        check_numbers(0, seed=self.seed)
        torch.set_num_threads(self.threads)
        device = pick(self.device)
        print(f"device: {title(device)}")
        for name in self.names or shipped():
            with new_models_on(device):
                model, card = load(name)
            changes = {"sigma": self.sigma, "side": self.side, "folder": self.folder}
            task = card.task.replace(**{k: v for k, v in changes.items() if v is not None})
            task = task if self.folder is None else task_of(task).opened(task)
            score = measure(model, task, self.images, self.seed, self.switches)
            report(Path(name).stem, score, task)
            if self.curve:
                print("   F1 by step:", " ".join(f"{value:.3f}" for value in score.f1))


@dataclass
class Info:
    """Print a checkpoint's card."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Checkpoints by name or path; all that ship if none is given."""

    def run(self) -> None:
        for name in self.names or shipped():
            card = read_card(name)
            settings = {key: getattr(card, key).model_dump(mode="json") for key in ("model", "task", "train")}
            print(json.dumps({"name": Path(name).stem, **vars(card), **settings}, indent=2))


def measure(
    model: Model, task: TaskConfig, images: int, seed: int, switches: Switches | None = None
) -> Score:
    """Score a model at t = 0 … 3T (0 and 1 for a feedforward one) on `images` fresh images, or on all that
    there are."""
    supply = task_of(task).supply(task, "test")
    images = images if supply is None else min(images, supply)
    steps = 3 * model.steps if model.traits.takes_steps else 1
    return evaluate(model, make_batch(task, images, seed, "test"), steps, switches or Switches())


def report(name: str, score: Score, task: TaskConfig) -> None:
    """Print one line of a score and what noise it was taken at; of more than two classes, one for each."""
    kind = task_of(task)
    classes = kind.class_names(task)
    last = len(score.f1) - 1
    at = [1] if last == 1 else [1, last // 3, last]
    values = "  ".join(f"t={t}: {score.f1[t]:.3f} [{score.low[t]:.3f}, {score.high[t]:.3f}]" for t in at)
    noise = f"sigma {task.sigma:g} (paper sigma {task.paper_sigma:.3g}), {_px(task)}"
    trivial = "" if score.trivial is None else f"  {kind.trivial_name(task)} {score.trivial:.3f}"
    print(f"{name}: pooled F1 {values}  chance {score.chance:.3f}{trivial}  ({score.images} images, {noise})")
    if len(classes) > 2:
        wide = max(map(len, classes))
        for k, label in enumerate(classes):
            found = [(t, score.class_f1[t][k], score.class_iou[t][k]) for t in at]
            values = "  ".join(f"t={t}: F1 {_number(one)} IoU {_number(other)}" for t, one, other in found)
            print(f"   {label:<{wide}}  {values}")
        values = "  ".join(f"t={t}: F1 {score.f1[t]:.3f} IoU {score.iou[t]:.3f}" for t in at)
        print(f"   {'mean':<{wide}}  {values}  (of the classes present but {classes[0]})")


def _number(value: float | None) -> str:
    """A score; a dash where neither truth nor answer holds the class."""
    return "  –  " if value is None else f"{value:.3f}"


def _px(task: TaskConfig) -> str:
    height, width = task.size
    return f"{height} px" if height == width else f"{height} × {width} px"
