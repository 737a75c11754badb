"""The largest stretch of a small change over n steps, against the singular values of a dense Jacobian."""

import pytest
import torch

from fbseg_core.analysis.stretch import Stretch, passes, stretch
from fbseg_core.config import GroupingConfig, ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch

LEAKY = ModelConfig(
    in_channels=2, width=4, depth=1, u=2, v=2, integrator="leaky", norm="pixel", decay="none", k=0.4
)


@pytest.fixture(scope="module")
def small():
    model = build(LEAKY).double()
    x = make_batch(GroupingConfig(side=16, winding=0.25), 1, 0).x[..., :6, :6].double()
    return model, x, State(12, rollout(model, x, 12).h[-1])


@pytest.mark.parametrize("span", [1, 3])
def test_it_is_the_largest_singular_value_of_the_map_of_so_many_steps(small, span):
    model, x, state = small

    def onward(flat):
        h = flat.view_as(state.h)
        for _ in range(span):
            h = model.step(x, h, 12).h_next
        return h.flatten()

    dense = torch.autograd.functional.jacobian(onward, state.h.flatten())
    found = float(stretch(model, x, state, spans=(span,), others=0).factors)
    largest = float(torch.linalg.matrix_norm(dense, 2))
    assert 0.93 * largest < found <= largest * (1 + 1e-9)


def test_without_a_loop_the_leak_alone_shrinks_every_change(small):
    _, x, state = small
    model = build(LEAKY.replace(kind="loop_cut")).double()
    found = stretch(model, x, state, spans=(1, 2, 4))
    expected = torch.tensor([0.6, 0.36, 0.1296]).expand(3, 3).T
    assert torch.allclose(found.factors, expected, atol=1e-9)
    assert found.contracts_after == 1


def test_a_sum_keeps_a_change_and_the_clock_is_held(small):
    _, x, state = small
    model = build(LEAKY.replace(kind="loop_cut", integrator="sum", decay="exponential")).double()
    found = stretch(model, x, state, spans=(1, 4), others=1)
    assert torch.allclose(found.factors, torch.ones(2, 2)) and found.contracts_after is None
    looped = build(LEAKY.replace(integrator="sum", decay="exponential", tau=2.0)).double()
    with torch.no_grad():
        looped.norm_delta.weight *= 50
    early, late = (
        float(stretch(looped, x, State(t, state.h), Switches(), spans=(1,), others=0).factors)
        for t in (0, 30)
    )
    assert early > 1.01 and late == pytest.approx(1, abs=1e-5)


def test_a_span_contracts_only_where_it_does_at_every_state():
    factors = torch.tensor([[2.0, 0.9], [0.8, 1.1], [0.5, 0.9]])
    assert Stretch((1, 2, 4), factors, 0.1).contracts_after == 4
    assert Stretch((1, 2), factors[:2], 0.1).contracts_after is None


@pytest.mark.slow
def test_progress_is_told_and_bad_calls_are_one_sentence(small):
    model, x, state = small
    told = []
    stretch(model, x, state, spans=(1, 2), others=1, report=told.append)
    assert told == list(range(0, passes((1, 2), 1), 2))
    with pytest.raises(ConfigError, match="one image"):
        stretch(model, x.expand(2, -1, -1, -1), State(0, state.h.expand(2, -1, -1, -1)))
    plain = build(ModelConfig(kind="feedforward", in_channels=2, width=4, depth=1, u=2, v=2))
    with pytest.raises(ConfigError, match="feedforward"):
        stretch(plain, x.float(), State(0, plain.initial(x.float())))
