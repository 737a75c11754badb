"""The command `bench`: speed and memory, as ratios."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fbseg_core.arguments import check_numbers
from fbseg_core.bench import bench
from fbseg_core.device import Choice, pick, title


@dataclass
class Bench:
    """Measure speed and memory, as ratios of one run."""

    side: int = 64
    """Image side in px."""
    width: int = 8
    """Width of the U-Net."""
    repeats: int = 15
    """Interleaved repetitions; the median is printed."""
    scored_width: int = 1
    """Width of the model that scores 64 images of 512 px: 8 takes about a quarter of an hour."""
    threads: int = 1
    """CPU threads."""
    device: Choice = "cpu"
    """Where the models that are timed stand. Memory is measured on the CPU in any case."""

    def run(self) -> None:
        check_numbers(1, repeats=self.repeats, threads=self.threads)
        torch.set_num_threads(self.threads)
        device = pick(self.device)
        print(f"device: {title(device)}")
        for line in bench(self.side, self.width, self.repeats, self.scored_width, device):
            print(line)
