"""One file a claim: a grid of cells, and how one is measured. `EXPERIMENTS` knows them by name."""

from fbseg_core.experiments import fewshot, grouping, halting, help, ladder, limit, noise, scale
from fbseg_core.experiments.harness import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (fewshot, noise, limit, ladder, grouping, help, halting, scale)
}

__all__ = ["EXPERIMENTS", "Experiment"]
