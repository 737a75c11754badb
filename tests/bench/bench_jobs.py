"""Print what training jobs take on this machine: python tests/bench/bench_jobs.py [seeds]."""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))
from fbseg_core.config import EVAL_SEED, FewShotConfig, ShapesConfig
from fbseg_core.scores.evaluate import f1_by_step
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import few_shot
from pages.jobs import Pool, Spec

IMAGES = 200
POLL = 0.05  # seconds between two looks, as a page takes them more rarely


def job(protocol: str, seed: int) -> Spec:
    setup = FewShotConfig(protocol=protocol, examples=2, seed=seed)
    task, *runs = few_shot(ShapesConfig(side=64, sigma=0.5), setup)
    return Spec(task, tuple(runs))


def report(name: str, value: float, unit: str = "s", goal: str = "") -> None:
    print(f"{name:<58}{value:>8.2f} {unit:<3}{f'   goal {goal}' if goal else ''}", flush=True)


def run(pool: Pool, spec: Spec) -> tuple[str, float, float, float]:
    """The job, and seconds to its first record, to its first masks and to its end."""
    begun, first, masks = time.perf_counter(), None, None
    name = pool.start(spec, "bench")
    while (view := pool.poll(name, "bench")).active:
        now = time.perf_counter() - begun
        first = first or (now if view.records else None)
        masks = masks or (now if all(pool.masks(name, "bench", i) for i in range(len(spec.runs))) else None)
        time.sleep(POLL)
    assert view.state == "done", view.reason
    return name, first or 0.0, masks or 0.0, time.perf_counter() - begun


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        begun = time.perf_counter()
        pool = Pool(Path(root))
        estimate = pool.estimate(job("matched", 0), wait=60.0)
        report("a cold pool until its first cost estimate", time.perf_counter() - begun)
        report("default run as estimated", estimate.seconds)
        for protocol, goal in (("matched", 30), ("paper", 5)):
            times, scores = [], []
            for seed in range(seeds):
                spec = job(protocol, seed)
                name, *seconds = run(pool, spec)
                times.append(seconds)
                fresh = make_batch(spec.task, IMAGES, EVAL_SEED)
                models = [pool.model(name, "bench", i)[0] for i in range(2)]
                scores.append([f1_by_step(m, fresh, min(m.config.steps, 10))[-1] for m in models])
            for i, (what, limit) in enumerate((("first record", 2), ("first masks", 2), ("whole run", goal))):
                values = [seconds[i] for seconds in times]
                report(f"{protocol}, 2 shots: {what}, median", statistics.median(values))
                report(f"{protocol}, 2 shots: {what}, longest", max(values), goal=f"≤ {limit}")
            for i, what in enumerate(("feedback", "feedforward")):
                print(f"{protocol}, 2 shots: {what} F1 by seed:", *(f"{pair[i]:.3f}" for pair in scores))
        stops = []
        for seed in range(5):
            name = pool.start(job("matched", seed), "bench")
            while not pool.masks(name, "bench", 1):
                time.sleep(POLL)
            time.sleep(0.1 * seed)
            begun = time.perf_counter()
            assert pool.stop(name, "bench").state == "stopped"
            stops.append(time.perf_counter() - begun)
        report("stop, median", statistics.median(stops))
        report("stop, longest of 5", max(stops), goal="≤ 1")
        pool.close()


if __name__ == "__main__":
    main()
