import pytest
import torch

from fbseg_core.analysis.allocated import peak_bytes
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.records import Row
from fbseg_core.experiments.scale import AXES, EXPERIMENT, exponent, measure, power


def test_a_known_power_law_is_recovered_from_the_larger_sizes():
    assert power((1, 10, 100), (3, 30, 300)) == pytest.approx(1)
    assert power((32, 64, 128, 256), (99.0, 64**2.5, 128**2.5, 256**2.5)) == pytest.approx(2.5)


def rows(k=1.0, seeds=8, spread=0.0):
    """Costs that grow as size to the k, times what each repeat's exponent is off."""
    return [
        Row(
            {"vary": axis, "side": 64, "steps": 5, "width": 8, axis: size, "seed": seed},
            {
                key: size ** (k + spread * (seed - (seeds - 1) / 2))
                for key in ("step_ms", "inference_ms", "update_ms", "inference_mb", "update_mb")
            },
            1.0,
            "",
        )
        for axis in AXES
        for size in (2, 5, 10, 20)
        for seed in range(seeds)
    ]


@pytest.mark.parametrize(
    ("word", "options"),
    [
        ("reproduced", {}),
        ("reproduced", {"k": 1.09}),
        ("undecided", {"k": 1.05, "spread": 0.05}),  # the interval reaches past 1.1
        ("undecided", {"seeds": 2}),
        ("not reproduced", {"k": 1.2}),
        ("undecided", {"k": 2.0, "seeds": 2}),
    ],
)
def test_each_word_has_its_rows(word, options):
    assert EXPERIMENT.conclude(rows(**options)).word == word


def test_an_exponent_has_an_interval_over_repeats():
    found = exponent(rows(k=2.0, spread=0.01), "side", "step_ms")
    assert found.mean == pytest.approx(2) and found.low < 2 < found.high and found.k == 8
    assert "grows as 2.00" in EXPERIMENT.conclude(rows(k=2.0)).because


def test_only_timings_differ_from_run_to_run():
    assert [name for name, experiment in EXPERIMENTS.items() if not experiment.exact] == ["scale"]
    cell = EXPERIMENT.cells("tiny")[0]
    a, b = measure(cell), measure(cell)
    assert all(a[key] == b[key] for key in a if key.endswith("_mb")) and all(v > 0 for v in a.values())


def test_memory_is_what_is_held_at_once():
    def work():
        first = torch.zeros(1000)  # 4000 bytes
        second = first.view(10, 100) + 1  # 4000 more; a view takes none
        del first
        return second * 2  # and again, when the first is gone

    assert peak_bytes(work) == 8000
    outside = torch.zeros(1000)
    assert peak_bytes(lambda: outside.add_(1)) == 0


def test_training_memory_is_linear_in_steps_and_inference_memory_does_not_grow():
    memory = {
        steps: measure({"side": 16, "steps": steps, "width": 2, "repeats": 1, "seed": 0})
        for steps in (5, 10, 20)
    }
    assert memory[5]["inference_mb"] == memory[20]["inference_mb"]
    grown = [memory[steps]["update_mb"] for steps in memory]
    assert grown[2] - grown[1] == pytest.approx(2 * (grown[1] - grown[0]), rel=0.05)
