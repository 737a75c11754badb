"""The command line's `train predictive-…`: trains a model, scores it on fresh images and saves it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from tqdm import tqdm

from fbseg_core.arguments import check_numbers, check_out
from fbseg_core.config import EVAL_SEED, PredictiveConfig, PredictiveTrain
from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.files import PredictiveCard, save
from fbseg_core.predictive.images import channels, draw, shown
from fbseg_core.predictive.learning import fit
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.predictive.presets import PRESETS
from fbseg_core.predictive.scores import Predicted, evaluate

APART = 1_000_000  # update k learns from images of seed APART·(seed + 1) + k, far from those of scores


@dataclass
class TrainPredictive:
    """Train a predictive-coding model by its local rules and save it with its scores. Ctrl-C keeps what was
    learned.

    Channels and classes follow from the source.
    """

    out: Path
    """File to write (.safetensors)."""
    source: Any
    train: PredictiveTrain
    model: PredictiveConfig
    images: int = 200
    """Fresh images to score the result on."""
    eval_seed: int = EVAL_SEED
    """Seed of those images."""
    threads: int = 1
    """CPU threads. Another number may round differently, so give other weights in the last digits."""

    def run(self) -> None:
        check_numbers(1, images=self.images, threads=self.threads)
        check_numbers(0, eval_seed=self.eval_seed)
        check_out(self.out)
        torch.set_num_threads(self.threads)
        in_channels, classes = channels(self.source)
        config = self.model.replace(in_channels=in_channels, classes=classes)
        model = PredictiveCoding(config, self.train.seed)
        model.shapes(self.source.size)  # refuses a size that does not fit before anything is drawn
        done = 0
        try:
            with tqdm(total=self.train.updates, unit="update") as bar:
                for learned in fit(model, self._batches(config), self.train):
                    bar.set_postfix(energy=f"{learned.energy:.3f} a pixel", refresh=False)
                    bar.update()
                    done = learned.update
        except KeyboardInterrupt:
            print("\nStopped; keeping what was learned.")
        if not done:
            print("Nothing to do: no update was made.")
            return
        scores = evaluate(model, draw(self.source, self.images, self.eval_seed, "test"))
        train = self.train.replace(updates=done)
        save(model, PredictiveCard(config, self.source, train, scores, self.eval_seed), self.out)
        print(told(self.out.stem, scores))

    def _batches(self, config: PredictiveConfig) -> Callable[[int], Senses]:
        first = APART * (self.train.seed + 1)
        return lambda k: shown(config, draw(self.source, self.train.batch, first + k))


def told(name: str, scores: Predicted) -> str:
    """One line of a model's scores."""
    parts = [
        f"{name}: predicts {scores.explained:.1%} of the images' power with {scores.active:.1%} of r active"
    ]
    if scores.f1 is not None:
        parts.append(
            f"pooled F1 {scores.f1:.3f}, top level cut {scores.f1_cut:.3f}, chance {scores.chance:.3f}"
        )
    if scores.trivial is not None:
        parts.append(f"trivial baseline {scores.trivial:.3f}")
    return f"{'; '.join(parts)}  ({scores.images} images)"


def subcommands() -> list[Any]:
    """One subcommand for each preset, for `train`."""
    return [
        Annotated[
            TrainPredictive,
            tyro.conf.subcommand(
                f"predictive-{name}",
                default=TrainPredictive(
                    Path(f"{name}.safetensors"), preset.source, preset.train, preset.model
                ),
                description=f"Train predictive coding on {name}, by local rules.",
            ),
        ]
        for name, preset in PRESETS.items()
    ]
