"""Print how long all experiments take in their quick profile: python tests/bench/bench_quick.py [--jobs 2]

Each is measured anew, in a folder of its own that is gone afterwards: cells, processor seconds in all, and
the seconds that passed. Bar: all of them within 15 minutes on two cores.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.harness import run
from fbseg_core.experiments.records import path_of, read

BAR = 15  # minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    asked = parser.parse_args()
    print(f"{'quick profile':<16}{'cells':>6}{'processor s':>13}{'s':>7}")
    begun, used = time.perf_counter(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, experiment in EXPERIMENTS.items():
            start = time.perf_counter()
            for _ in run(experiment, "quick", jobs=asked.jobs, folder=Path(folder)):
                pass
            rows = read(path_of(name, "quick", Path(folder)))[1]
            seconds = sum(row.seconds for row in rows)
            used += seconds
            print(f"{name:<16}{len(rows):>6}{seconds:>13.0f}{time.perf_counter() - start:>7.0f}", flush=True)
    minutes = (time.perf_counter() - begun) / 60
    print(f"all, {asked.jobs} jobs: {minutes:.1f} minutes   bar {BAR}; {used / 60:.1f} of processor time")


if __name__ == "__main__":
    main()
