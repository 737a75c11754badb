import math

import numpy as np
import pytest
import torch

from fbseg_core.analysis.cost import Cost
from fbseg_core.config import ModelConfig, Switches
from fbseg_core.experiments.stopping import (
    READING,
    Runs,
    clock_alone,
    done_at,
    followed,
    looks,
    rank_correlation,
    runs_of,
    scored,
)
from fbseg_core.models.registry import build
from fbseg_core.rollout.halting import RULES, Rule, stops
from fbseg_core.rollout.trajectory import rollout


@pytest.mark.parametrize("epsilon", [0.3, 0.1, 0.05])
@pytest.mark.parametrize("tau", [1.0, 2.0, 8.0])
def test_the_clock_alone_stops_where_the_geometric_sum_says(tau, epsilon):
    gains = [math.exp(-t / tau) for t in range(200)]
    q = math.exp(-1 / tau)  # after n steps the update is q^(n−1)(1−q)/(1−q^n) of the state
    first = next(n for n in range(1, 200) if q ** (n - 1) * (1 - q) / (1 - q**n) < epsilon)
    assert clock_alone(gains, Rule("update", epsilon)) == first


def test_with_the_clock_held_every_update_is_one_nth_of_the_state():
    assert (
        clock_alone([1.0] * 30, Rule("update", 0.1)) == 11
        and clock_alone([1.0] * 30, Rule("update", 0.3)) == 4
    )
    assert clock_alone([1.0] * 30, Rule("update", 0.02)) == -1


def test_a_loop_that_is_cut_stops_where_the_clock_alone_says_on_every_image():
    model, cut = build(ModelConfig(in_channels=1, tau=4.0), 0).eval(), Switches(loop=False)
    runs = runs_of(model, torch.randn(3, 1, 16, 16), cut)
    gains = [float(model.gain(t, cut).max()) for t in range(30)]
    for name, one in followed(runs, gains).items():
        if RULES[name].kind == "update":
            assert one["near"] == one["common"] == 1.0 and one["done"] is None
            assert set(runs.stops[name].tolist()) == {one["alone"]}


def test_images_that_are_run_a_few_at_a_time_stop_as_they_do_together():
    torch.manual_seed(0)
    model, x = build(ModelConfig(in_channels=1), 0).eval(), torch.randn(27, 1, 16, 16)
    runs, whole = runs_of(model, x, longest=6), stops(rollout(model, x, 6), limit=6)
    assert runs.masks.shape == (7, 27, 16, 16)
    assert all((runs.taken(name) == whole[name].clamp_max(6)).all() for name in READING)


def masks(*shares):
    """Masks (T+1, 1, 10, 10) whose first pixels are marked, so many at each step."""
    return (torch.arange(100) < torch.tensor(shares)[:, None]).long().view(len(shares), 1, 10, 10)


def test_a_mask_is_done_when_it_stays_like_the_last():
    assert done_at(masks(0, 20, 49, 50, 50)).tolist() == [2]  # F1 0.990 at 49, 0.57 at 20
    assert done_at(masks(50, 50, 10, 50, 50)).tolist() == [3]  # it had left it again
    assert done_at(masks(50, 50)).tolist() == [0]


def test_an_answer_is_that_of_the_step_at_which_its_image_stops():
    runs = Runs(torch.cat([masks(0, 10, 20), masks(0, 30, 40)], 1), {"a": torch.tensor([1, -1])})
    assert runs.taken("a").tolist() == [1, 2]  # it never stops the second
    assert runs.answer("a").flatten(1).sum(1).tolist() == [10, 40]
    score = scored(
        runs.answer("a"), runs.taken("a"), masks(20, 40)[:, 0], Cost(1, 2, 10**7, 10**6, True), False
    )
    assert score["f1"] == round(2 * 50 / (2 * 50 + 10), 4) and score["counts"]["f1"]["fn"] == [10, 0]
    assert (score["steps"], score["least"], score["most"], score["macs"]) == (1.5, 1, 2, 16.0)


def test_a_rule_that_looks_at_the_mask_pays_for_every_look():
    assert looks("mask steady 1") and not looks("T = 10") and not looks("one pass")
    price, taken = Cost(1, 0, 10**7, 10**6, True), torch.tensor([3])
    paid = [scored(masks(5)[0], taken, masks(5)[0], price, look)["macs"] for look in (False, True)]
    assert paid == [31.0, 34.0]


def test_stops_that_go_with_the_image_are_told_from_those_that_do_not():
    shown = torch.cat([masks(*[0] * n, *[50] * (31 - n)) for n in (3, 6, 9, 12)], 1)
    names = {name: torch.tensor([8, 8, 9, -1]) for name in READING}
    found = followed(Runs(shown, names), [1.0] * 30, torch.tensor([1.0, 5.0, 4.0, 9.0]))
    one = found["‖Δh‖/‖h‖ < 0.1"]
    assert (one["alone"], one["fired"], one["common"], one["near"]) == (11, 0.75, 0.5, 0.0)
    assert one["done"] == pytest.approx(np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3, 4])[0, 1], abs=1e-4)
    assert one["way"] == pytest.approx(np.corrcoef([1.5, 1.5, 3, 4], [1, 3, 2, 4])[0, 1], abs=1e-4)
    assert found["mask steady 1"]["alone"] is None and found["mask steady 1"]["near"] is None
    assert found["‖Δh‖/‖h‖ < 0.02"]["alone"] == -1 and found["‖Δh‖/‖h‖ < 0.02"]["near"] == 0.25


def test_a_rank_correlation_knows_order_alone_and_nothing_of_a_constant():
    assert rank_correlation(torch.tensor([1, 2, 3, 40]), torch.tensor([1.0, 4.0, 9.0, 16.0])) == 1
    assert rank_correlation(torch.tensor([1, 2, 3]), torch.tensor([3, 2, 1])) == -1
    assert rank_correlation(torch.tensor([2, 2, 2]), torch.tensor([3, 2, 1])) is None
