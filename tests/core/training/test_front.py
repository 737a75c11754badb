"""The moving target: what a front from the cue can have reached by each step."""

import math

import pytest
import torch

from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.scores.metrics import VOID
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Batch
from fbseg_core.training.fit import fit
from fbseg_core.training.front import AHEAD, ARRIVED, DELAY, FORGET, Front, ways

TRAIN = TrainConfig(loss="front", front_slow=1, front_fast=2)


def corridor(length=12):
    """A way of one row from the cue at its left end, under a row of background; the last pixel is void."""
    labels = torch.zeros(1, 2, length, dtype=torch.int64)
    labels[0, 1] = 1
    labels[0, 1, -1] = VOID
    x = torch.zeros(1, 2, 2, length)
    x[0, 1, 1, 0] = 1
    return Batch(x, labels)


def front(foreign=False, train=TRAIN, update=0):
    batch = corridor()
    return Front(batch.labels, ways(batch, 1), torch.tensor([foreign]), train, update)


def test_ways_are_counted_from_the_cue_within_the_region():
    found = ways(corridor(), 1)[0]
    assert found[1, :-1].tolist() == list(range(11))
    assert torch.isinf(found[0]).all() and math.isinf(found[1, -1])


@pytest.mark.parametrize("t", [1, DELAY, 4, 7, 60])
def test_the_mask_must_keep_up_with_the_slow_front_and_not_outrun_the_fast_one(t):
    marked, unmarked = (weights[0, 1] for weights in front().weights(t))
    assert marked.nonzero()[:, 0].tolist() == list(range(min(t - DELAY, 10) + 1 if t > DELAY else 1))
    assert unmarked.nonzero()[:, 0].tolist() == list(range(2 * t + 1, 11))
    assert (unmarked[unmarked > 0] == AHEAD).all()


def test_both_fronts_speed_up_over_the_middle_of_the_training():
    train = TRAIN.replace(front_speedup=3, updates=1000)
    fronts = [front(train=train, update=update) for update in (0, 300, 550, 800, 999)]
    assert [one.slow for one in fronts] == pytest.approx([1, 1, 2, 3, 3])
    assert [one.fast for one in fronts] == pytest.approx([2, 2, 4, 6, 6])


def test_background_counts_from_the_start_and_void_never():
    for t in (1, 50):
        marked, unmarked = front().weights(t)
        assert (unmarked[0, 0] == 1).all() and not marked[0, 0].any()
        assert marked[0, 1, -1] == unmarked[0, 1, -1] == 0


def test_a_state_led_elsewhere_has_time_to_forget_and_is_never_too_early():
    _, unmarked = front(foreign=True).weights(FORGET - 1)
    assert not unmarked.any()
    _, unmarked = front(foreign=True).weights(FORGET)
    assert unmarked[0, 0].all() and not unmarked[0, 1].any()


def test_the_loss_is_zero_for_what_the_front_asks_for_and_large_for_the_whole_answer_at_once():
    target = front()

    def loss(mask, t):
        return float(target.loss(torch.stack([-20 * mask, 20 * mask], 1), t))

    whole = 2.0 * (corridor().labels == 1) - 1
    reached = whole.clone()
    reached[0, 1, 4:] = -1
    assert loss(reached, DELAY + 3) < 1e-6
    assert loss(whole, 1) > 5 and loss(whole, 60) < 1e-6
    assert loss(reached, 60) > 5


def test_moves_count_once_the_slow_front_has_filled_the_region_and_some_steps_more():
    filled = 10 + DELAY + ARRIVED  # the way is 10 px long, at 1 px a step
    h = torch.ones(1, 3, 2, 12)
    states = [h, h, 2 * h]  # ‖Δh‖/‖h‖ = 0, 1/2
    assert float(front().moves(states, filled)) == pytest.approx(0.25, abs=1e-3)
    assert float(front().moves(states, filled - 2)) == pytest.approx(
        0.25, abs=1e-3
    )  # the second alone counts
    assert float(front().moves(states, filled - 3)) == 0


@pytest.mark.slow
def test_a_run_learns_from_it_and_a_task_without_a_cue_cannot():
    task = GroupingConfig(side=24, winding=0.3)
    config = ModelConfig(in_channels=2, width=4, depth=1, u=4, v=4, integrator="leaky", norm="pixel", steps=8)
    train = TRAIN.replace(updates=60, examples=4, batch=4, steps_min=3, steps_max=3, lr=0.02)
    torch.manual_seed(0)
    losses = [progress.loss for progress in fit(build(config), task, train)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    with pytest.raises(ConfigError, match="front runs out from a cue"):
        next(fit(build(config.replace(in_channels=3)), ShapesConfig(side=24), train.replace(no_cue=0)))
