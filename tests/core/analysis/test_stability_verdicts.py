"""Verdicts on systems whose answer is known."""

import math
import re

import pytest
import torch

from fbseg_core.analysis.describe import sentence, with_clock
from fbseg_core.analysis.verdicts import mask_verdict, verdict

SEED = torch.Generator().manual_seed(0)
H0 = torch.randn(24, generator=SEED, dtype=torch.float64)


def run(step, h=H0, steps=60, gains=None):
    """h(t+1) = h + g(t)·δ(h), stacked; `step` gives δ."""
    states = [h]
    for t in range(steps):
        states.append(states[-1] + (1.0 if gains is None else gains[t]) * step(states[-1]))
    return torch.stack(states)


def linear(matrix):
    return lambda h: h @ matrix.T - h


def similar(blocks, skew=0.0):
    """A matrix with the spectrum of `blocks`, in coordinates orthonormal (skew 0) or not."""
    block = torch.block_diag(*blocks).double()
    basis, _ = torch.linalg.qr(torch.randn(len(block), len(block), generator=SEED, dtype=torch.float64))
    basis = basis + skew * torch.randn(basis.shape, generator=SEED, dtype=torch.float64)
    return basis @ block @ torch.linalg.inv(basis)


def turn(period, size=1.0):
    angle = 2 * math.pi / period
    c, s = size * math.cos(angle), size * math.sin(angle)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def clock(tau=2.0, steps=60):
    return torch.exp(-torch.arange(steps, dtype=torch.float64) / tau)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("target", [0.0, 3.0])
def test_a_contraction_settles(target, dtype):
    found = verdict(run(lambda h: 0.5 * (target - h), H0.to(dtype)))
    assert found.name == "settled" and found.undamped < 1e-6 and found.period is None


def test_a_contraction_that_is_still_on_its_way_drifts_and_says_how_fast_it_slows():
    found = verdict(run(lambda h: 0.02 * (3 - h)))
    assert found.name == "drifting" and found.growth == pytest.approx(math.log(0.98), abs=1e-4)


@pytest.mark.parametrize("rate", [1.01, 1.1, 3.0])
def test_a_linear_map_diverges_at_the_rate_of_its_largest_eigenvalue(rate):
    matrix = similar([torch.diag(torch.tensor([rate, 0.3, -0.2, 0.1]))])
    found = verdict(run(linear(matrix), H0[:4]))
    assert found.name == "diverging" and found.growth == pytest.approx(math.log(rate), abs=1e-4)


@pytest.mark.parametrize("period", [2, 3, 7, 12])
@pytest.mark.parametrize("skew", [0.0, 0.3])
def test_a_rotation_oscillates_with_its_period(period, skew):
    block = turn(period) if period > 2 else -torch.eye(1).double()
    found = verdict(run(linear(similar([block, torch.tensor([[0.2]])], skew)), H0[: len(block) + 1]))
    assert found.name == "oscillating" and found.period == pytest.approx(period, abs=1e-4)


@pytest.mark.parametrize("period", [6.3, 9.5, 11.8])
def test_a_period_between_whole_steps_is_found_from_its_neighbours(period):
    found = verdict(run(linear(turn(period)), H0[:2]))
    assert found.name == "oscillating" and found.period == pytest.approx(period, abs=0.05)


@pytest.mark.parametrize("size", [0.4e-3, 0.6e-3])
def test_a_tremor_within_tolerance_has_settled_where_nothing_holds_it_back(size):
    states = H0 / H0.norm() * (1 + size * (-1.0) ** torch.arange(61)[:, None])
    assert verdict(states).name == ("settled" if 2 * size < 1e-3 else "oscillating")


def test_no_period_is_shorter_than_two_steps():
    t = torch.arange(61, dtype=torch.float64)
    found = verdict((0.05 * t + (-1.0) ** t)[:, None] * H0)
    assert found.name == "oscillating" and found.period == 2


def test_a_slow_divergence_names_its_rate():
    assert "growing by 0.50% a step" in str(verdict(run(linear(1.005 * torch.eye(24).double()))))


def test_an_orbit_of_constant_norm_is_not_rest():
    states = run(linear(turn(5)), H0[:2])
    assert torch.allclose(states.norm(dim=1), states[0].norm().expand(61))
    assert verdict(states).name == "oscillating"


def test_a_growing_spiral_diverges_and_a_shrinking_one_oscillates_until_it_settles():
    found = verdict(run(linear(turn(7, 1.05)), H0[:2]))
    assert found.name == "diverging" and found.growth == pytest.approx(math.log(1.05), abs=1e-4)
    found = verdict(run(linear(turn(7, 0.98)), H0[:2]))
    assert found.name == "oscillating" and found.period == pytest.approx(7, abs=0.1)
    assert found.growth == pytest.approx(math.log(0.98), abs=1e-4)
    assert verdict(run(linear(turn(7, 0.7)), H0[:2])).name == "settled"


@pytest.mark.parametrize("power", [1, 2, 3])
def test_growth_by_a_power_of_t_only_drifts(power):
    states = torch.arange(61, dtype=torch.float64)[:, None] ** power * H0
    found = verdict(states)
    assert found.name == "drifting" and found.period is None


def test_a_swing_about_a_drift_is_a_drift_with_a_period():
    t = torch.arange(61, dtype=torch.float64)
    states = t[:, None] * H0 + torch.cos(2 * math.pi * t / 6)[:, None] * H0.flip(0)
    found = verdict(states)
    assert found.name == "drifting" and found.period == pytest.approx(6, abs=0.05)


def test_random_walks_and_noise_have_no_period():
    noise = torch.randn(61, 500, generator=torch.Generator().manual_seed(1))
    for states in (noise, noise.cumsum(0)):
        found = verdict(states)
        assert found.name == "drifting" and found.period is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_the_clock_alone_stops_is_switched_off(dtype):
    states = run(lambda h: torch.ones_like(h), H0.to(dtype), gains=clock())
    found = verdict(states, clock())
    assert found.name == "switched off" and found.quiet
    assert verdict(run(lambda h: torch.ones_like(h), H0.to(dtype))).name == "drifting"
    if dtype == torch.float64:  # δ = 1 in 24 places
        assert verdict(states, clock(), undamped=torch.full((60,), 24**0.5)).undamped == pytest.approx(
            24**0.5 / float(states.norm(dim=1).max())
        )


def test_what_settles_before_the_clock_stops_it_has_settled():
    gains = clock(tau=20.0)
    found = verdict(run(lambda h: 0.7 * (3 - h), gains=gains), gains)
    assert found.name == "settled"


def test_a_rotation_that_the_clock_stops_is_switched_off():
    gains = clock()
    assert verdict(run(linear(turn(7)), H0[:2], gains=gains), gains).name == "switched off"


def test_diffusion_is_over_smoothed_and_needs_pixels_to_be_called_so():
    h = torch.randn(3, 8, 8, generator=SEED)

    def blur(h):
        return (h.roll(1, -1) + h.roll(-1, -1) + h.roll(1, -2) + h.roll(-1, -2)) / 4 - h

    states = run(lambda h: blur(h) * 0.8, h, 300)
    assert verdict(states).name == "over-smoothed"
    assert verdict(states.flatten(1)).name == "settled"
    assert verdict(states[:20]).name != "over-smoothed"


def test_a_run_that_overflowed_diverges_however_short():
    states = H0 * 1e10 ** torch.arange(4.0)[:, None]
    found = verdict(states, stopped="it overflowed at step 4")
    assert found.name == "diverging" and "overflowed" in str(found)
    with pytest.raises(ValueError, match="at least 8"):
        verdict(states)


def masks(shift, steps=60, side=32):
    """A square of 8 pixels a side moved by shift(t) pixels."""
    base = torch.zeros(side, side, dtype=torch.long)
    base[8:16, 8:16] = 1
    return torch.stack([base.roll(shift(t), 1) for t in range(steps + 1)])


@pytest.mark.parametrize("shift, name, period", [
    (lambda t: 0, "settled", None),
    (lambda t: max(5 - t, 0), "settled", None),
    (lambda t: t // 8, "drifting", None),
    (lambda t: t % 2, "oscillating", 2),
    (lambda t: (0, 3, 1)[t % 3], "oscillating", 3),
    (lambda t: round(4 * math.sin(2 * math.pi * t / 8)), "oscillating", 8),
])  # fmt: skip
def test_masks_are_judged_by_the_pixels_that_differ(shift, name, period):
    found = mask_verdict(masks(shift))
    assert found.name == name and found.period == (period and pytest.approx(period, abs=1e-4))


def test_one_class_everywhere_is_over_smoothed():
    still = masks(lambda t: 0)
    assert mask_verdict(still.where(torch.arange(61)[:, None, None] < 5, 0)).name == "over-smoothed"


def test_a_still_mask_has_settled_only_if_it_was_given_the_chance_to_move():
    still = masks(lambda t: 0)
    assert mask_verdict(still, torch.full((60,), 0.04)).name == "settled"
    assert mask_verdict(still, torch.full((60,), 0.02)).name == "switched off"
    assert mask_verdict(still, clock()).name == "switched off"
    assert mask_verdict(masks(lambda t: t), clock()).name == "drifting"


def test_numbers_of_a_mask_are_shares_of_its_pixels():
    found = mask_verdict(masks(lambda t: t % 2))
    assert found.step == pytest.approx(16 / 1024) and found.spread == pytest.approx(16 / 1024)


def test_a_mask_of_a_run_that_overflowed_is_judged_as_far_as_it_went():
    assert mask_verdict(masks(lambda t: 0, 20), stopped="overflow").name == "settled"
    assert mask_verdict(masks(lambda t: 0, 5), stopped="overflow").name == "diverging"


@pytest.mark.parametrize("found", [
    verdict(run(lambda h: 0.5 * (3 - h))),
    verdict(run(lambda h: torch.ones_like(h), gains=clock()), clock()),
    verdict(run(linear(turn(7)), H0[:2])),
    verdict(run(linear(turn(7, 1.2)), H0[:2])),
    verdict(run(lambda h: torch.ones_like(h))),
    verdict(torch.ones(20, 3, 4, 4)),
    *(mask_verdict(masks(shift)) for shift in (lambda t: 0, lambda t: t % 3, lambda t: t)),
    mask_verdict(masks(lambda t: 0), clock()),
    mask_verdict(torch.ones(20, 8, 8, dtype=torch.long)),
    mask_verdict(masks(lambda t: 0, 5), stopped="overflow"),
], ids=lambda found: f"{found.subject} {found.name}")  # fmt: skip
def test_every_verdict_has_its_sentence(found):
    words = str(found)
    assert words.startswith(f"The {found.subject} ") and words.endswith(".") and len(words) < 250
    assert "nan" not in words and "None" not in words


def test_a_small_last_step_is_told_to_its_digits_and_as_a_share_of_the_state_it_led_to():
    found = verdict(run(lambda h: torch.ones_like(h), gains=clock(tau=8.0)), clock(tau=8.0))
    assert found.label == "drifting, ever slower"
    told = float(re.search(r"([\d.e-]+)% of its size in the last step", str(found))[1])
    assert told == pytest.approx(100 * found.step, rel=5e-3) and 0 < told < 0.1
    doubling = verdict(run(lambda h: h))
    assert doubling.step == pytest.approx(0.5) and "50% of its size" in str(doubling)


def test_a_sentence_names_the_run_that_it_is_told():
    found = verdict(run(lambda h: torch.ones_like(h)))
    assert sentence(found, with_clock(None)).startswith("With the clock running, the state ")
    assert sentence(found, with_clock(3)).startswith("With the clock held from t = 3, the state ")
