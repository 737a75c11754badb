"""One file a claim: a grid of cells, and how one is measured. `EXPERIMENTS` knows them by name."""

from fbseg_core.experiments import (
    ablation,
    clutter,
    contraction,
    convergence,
    fewshot,
    gradients,
    grouping,
    halting,
    handwriting,
    help,
    ladder,
    limit,
    noise,
    predictive,
    real,
    resting,
    scale,
    settling,
    transfer,
)
from fbseg_core.experiments.records import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        fewshot, noise, convergence, ablation, ladder, grouping, settling, contraction, gradients, transfer,
        real, clutter, handwriting, help, halting, resting, predictive, limit, scale,
    )
}  # fmt: skip

__all__ = ["EXPERIMENTS", "Experiment"]
