import pytest
import torch

from fbseg_core.analysis.cost import cost
from fbseg_core.checkpoint import load
from fbseg_core.rollout.halting import RULES, Rule, stops
from fbseg_core.rollout.trajectory import Trajectory


def trajectory(added, labels):
    """A run of pixels alone whose state grows by added (T, B) and whose labels are (T+1, B)."""
    state, flips = torch.tensor(added), torch.tensor(labels)
    h = torch.cat([torch.zeros(1, state.shape[1]), state.cumsum(0)])[:, :, None, None, None]
    logits = torch.stack([torch.zeros_like(flips), 2 * flips - 1], 2)[..., None, None].float()
    empty = torch.zeros(len(state), state.shape[1], 2, 1, 1)
    h = h.expand(-1, -1, 2, 1, 1)
    return Trajectory(h=h, logits=logits, delta=empty, applied=empty, v_hat=None, u_channels=1)


ADDED = [[8.0, 8.0], [4.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
LABELS = [[0, 0], [1, 1], [0, 1], [0, 1], [0, 1]]


def test_rules_stop_where_they_say():
    found = {name: steps.tolist() for name, steps in stops(trajectory(ADDED, LABELS), limit=4).items()}
    assert found["T = 1"] == [1, 1]
    assert found["‖Δh‖/‖h‖ < 0.1"] == [3, 2]  # 1/13 and 0/8 are the first below
    assert found["mask steady 1"] == [3, 2] and found["mask steady 2"] == [4, 3]
    assert found["mask steady 3"] == [4, 4]  # the first image never is


def test_a_rule_that_never_stops_says_so():
    run = trajectory(ADDED, LABELS)
    assert RULES["mask steady 3"].stop(run).tolist() == [-1, 4]
    assert RULES["T = 5"].stop(run).tolist() == [-1, -1] and Rule("fixed", 4).stop(run).tolist() == [4, 4]
    assert Rule("update", 1e-9).stop(trajectory([[1.0]], [[0], [0]])).tolist() == [-1]
    assert Rule("mask", 2).stop(trajectory([[1.0]], [[0], [0]])).tolist() == [-1]  # too short a run


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_no_rule_looks_ahead(rule):
    torch.manual_seed(0)
    added, labels = torch.rand(30, 6) * 0.8 ** torch.arange(30)[:, None], torch.rand(31, 6).cumsum(0) < 4
    whole = trajectory(added.tolist(), labels.long().tolist())
    at = rule.stop(whole)
    for steps in range(1, 31):
        part = trajectory(added[:steps].tolist(), labels[: steps + 1].long().tolist())
        assert rule.stop(part).tolist() == [t if t <= steps else -1 for t in at.tolist()]


@pytest.mark.parametrize("task", ["grouping", "shapes"])
def test_the_wide_checkpoint_costs_what_ten_steps_cost(task):
    looped, card = load(f"{task}-feedback")
    x = torch.zeros(1, card.model.in_channels, card.task.side, card.task.side)
    price = cost(looped, x)
    ten = price.run_macs(10) / 1e6
    wide, wide_card = load(f"{task}-feedforward-wide")
    price = cost(wide, x)
    assert price.run_macs(1) / 1e6 == pytest.approx(ten, rel=0.03)
    assert wide_card.train == card.train and wide_card.task == card.task
    assert wide_card.model == card.model.replace(kind="feedforward", width=wide_card.model.width)
    small, small_card = load(f"{task}-feedforward")
    weights = [sum(weight.numel() for weight in model.parameters()) for model in (looped, small)]
    assert weights[1] == pytest.approx(weights[0], rel=0.05) and small_card.train == card.train
