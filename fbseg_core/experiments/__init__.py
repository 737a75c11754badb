"""One file a claim: a grid of cells, and how one is measured. `EXPERIMENTS` knows them by name."""

from fbseg_core.experiments import ablation, convergence, fewshot, halting, help, ladder, noise
from fbseg_core.experiments.harness import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (fewshot, noise, ladder, help, halting, convergence, ablation)
}

__all__ = ["EXPERIMENTS", "Experiment"]
