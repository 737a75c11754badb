from itertools import islice

import pytest
import torch

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, iterate, rollout

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=6)
MODEL = build(SMALL).eval()
X = torch.randn(2, 3, 16, 18, generator=torch.Generator().manual_seed(0))
CASES = [Switches(), Switches(softmax=False), Switches(decay=False), Switches(loop=False), Switches(clock=1)]


@pytest.mark.parametrize("switches", CASES)
def test_resumed_equals_whole_bit_for_bit(switches):
    whole = rollout(MODEL, X, 6, switches=switches)
    for split in range(7):
        head = rollout(MODEL, X, split, switches=switches)
        tail = rollout(MODEL, X, 6 - split, start=head.state(-1), switches=switches)
        assert torch.equal(torch.cat([head.h, tail.h[1:]]), whole.h)
        assert torch.equal(torch.cat([head.logits, tail.logits[1:]]), whole.logits)
        assert tail.start == split and tail.state(-1).t == 6


def test_rollout_is_the_hand_written_loop():
    h = MODEL.initial(X)
    with torch.no_grad():
        for t in range(3):
            h = MODEL.step(X, h, t).h_next
    assert torch.equal(rollout(MODEL, X, 3).h[-1], h)


def test_iterate_is_lazy_endless_and_begins_at_its_start():
    states = list(islice(iterate(MODEL, X, State(4, MODEL.initial(X))), 50))
    assert [state.t for state in states] == list(range(4, 54)) and not states[0].h.any()


def test_shapes_are_as_documented():
    run = rollout(MODEL, X, 5)
    assert len(run) == 5 and run.h.shape == (6, 2, 5, 16, 18)
    assert run.u.shape[2] == 3 and run.v.shape[2] == 2
    assert run.logits.shape == run.probs.shape == (6, 2, 2, 16, 18)
    assert run.delta.shape == run.applied.shape == (5, 2, 5, 16, 18)
    assert run.v_hat.shape == (5, 2, 2, 16, 18)
    assert run.residual.shape == run.update.shape == run.relative_update.shape == (5, 2)


def test_no_steps_is_the_start_alone():
    run = rollout(MODEL, X, 0)
    assert len(run) == 0 and run.h.shape[0] == 1 and run.residual.shape == (0, 2)


@pytest.mark.parametrize(
    "switches, fewest", [(Switches(spectrum=(10.0,), tau=0.5), 2), (Switches(kernel="fractional"), 7)]
)
def test_overflow_ends_the_run_at_the_last_finite_state_with_a_reason(switches, fewest):
    run = rollout(MODEL, X, 60, switches=switches)
    assert fewest <= len(run) < 60 and "step" in run.stopped
    assert torch.isfinite(run.h).all() and torch.isfinite(run.logits).all()
    assert len(run.delta) == len(run.update) == len(run)


def test_full_runs_give_no_reason():
    assert rollout(MODEL, X, 6).stopped is None


def test_states_can_be_kicked_cut_and_moved_to_another_image():
    base = rollout(MODEL, X, 6)
    state = base.state(3)
    kicked = rollout(MODEL, X, 3, start=State(3, state.h + 1))
    assert torch.equal(kicked.h[0], base.h[3] + 1) and not torch.equal(kicked.h[-1], base.h[-1])
    moved = rollout(MODEL, X.flip(-1), 3, start=state)
    assert torch.equal(moved.h[0], base.h[3]) and not torch.equal(moved.h[1], base.h[4])
    assert torch.equal(base.h, rollout(MODEL, X, 6).h)
