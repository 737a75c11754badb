"""The loss over a trajectory: where it begins, which steps count, and how far back its gradient goes."""

import pytest
import torch
import torch.nn.functional as F

from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, iterate, rollout
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.training.losses import lipschitz_penalty, losses_of, objective, start_of

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TASK = ShapesConfig(side=16, sigma=0.2)
OBJECTIVES = [TrainConfig(), TrainConfig(loss="final"), TrainConfig(loss_from=0.5)]


def test_one_backward_equals_the_steps_backwards_added_up():
    model, batch = build(SMALL).double(), make_batch(TASK, 2, 0)
    batch = type(batch)(batch.x.double(), batch.labels)
    objective(losses_of(model, batch, 4).losses, TrainConfig()).backward()
    whole = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    states = [state for state, _ in zip(iterate(model, batch.x), range(5))]
    for state in states[1:]:
        (F.cross_entropy(model.readout(state.h), batch.labels) / 4).backward(retain_graph=True)
    for name, weight in model.named_parameters():
        assert torch.allclose(weight.grad, whole[name], rtol=1e-10, atol=1e-12), name


@pytest.mark.parametrize("train", OBJECTIVES)
@pytest.mark.parametrize(
    "config",
    [SMALL, SMALL.replace(spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3)), SMALL.replace(norm="batch")],
    ids=["group", "spectrum", "batch"],
)
def test_gradient_of_every_objective_equals_finite_differences(config, train):
    model, batch = build(config).double().train(), make_batch(TASK, 2, 0)
    batch = Batch(batch.x.double(), batch.labels)

    def value():
        return objective(losses_of(model, batch, 4).losses, train)

    value().backward()
    generator = torch.Generator().manual_seed(2)
    parameters = [weight for weight in model.parameters() if weight.grad is not None]
    directions = [torch.randn(p.shape, dtype=torch.float64, generator=generator) for p in parameters]
    slope = float(sum((p.grad * d).sum() for p, d in zip(parameters, directions)))
    values = []
    with torch.no_grad():
        for step in (1e-6, -2e-6):
            for weight, direction in zip(parameters, directions):
                weight += step * direction
            values.append(float(value()))
    assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4)


def test_losses_are_the_cross_entropies_of_each_step():
    model, batch = build(SMALL), make_batch(TASK, 3, 0)
    losses = losses_of(model, batch, 4).losses
    for t in range(1, 5):
        logits = model(batch.x, t)
        expected = -logits.log_softmax(1).gather(1, batch.labels[:, None]).mean()
        assert float(losses[t - 1].detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


@pytest.mark.parametrize(
    "train, counted",
    [
        (TrainConfig(), [0, 1, 2, 3, 4, 5]),
        (TrainConfig(loss_from=0.33), [1, 2, 3, 4, 5]),
        (TrainConfig(loss_from=0.5), [3, 4, 5]),
        (TrainConfig(loss_from=0.99), [5]),
        (TrainConfig(loss="final"), [5]),
    ],
)
def test_objective_is_the_mean_of_the_steps_that_count(train, counted):
    losses = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 9.0], requires_grad=True)
    objective(losses, train).backward()
    expected = torch.zeros(6)
    expected[counted] = 1 / len(counted)
    assert torch.allclose(losses.grad, expected)


@pytest.mark.parametrize("loss_from", [0.0, 0.5, 0.99])
def test_objective_of_a_single_loss_is_that_loss(loss_from):
    assert objective(torch.tensor([7.0]), TrainConfig(loss_from=loss_from)) == 7


# ---- how far back a gradient goes -------------------------------------------------------------------------

LEAKY = SMALL.replace(integrator="leaky", norm="pixel", decay="none", k=0.6, v=4)
LAST = TrainConfig(loss="final", start_noise=0.0)


def gradient(model, batch, steps, train):
    """The gradient to all weights in one vector."""
    model.zero_grad()
    objective(losses_of(model, batch, steps, train).losses, train).backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters()])


def contracting():
    """A leaky model in double precision whose loop is weak, and two images."""
    model, batch = build(LEAKY, 3).double(), make_batch(TASK, 2, 0)
    with torch.no_grad():
        model.F.stem.conv.weight[:, model.in_channels :] *= 0.3
    return model, Batch(batch.x.double(), batch.labels)


def test_at_the_fixed_point_the_gradient_is_that_of_an_endless_trajectory():
    model, batch = contracting()
    whole = gradient(model, batch, 60, LAST)
    implicit = gradient(model, batch, 60, LAST.replace(gradient="fixed_point", window=60))
    assert torch.allclose(implicit, whole, rtol=1e-6, atol=1e-9)
    few = gradient(model, batch, 60, LAST.replace(gradient="fixed_point", window=1))
    assert (few - whole).norm() > 1e-2 * whole.norm()


def test_a_truncated_gradient_is_that_of_a_trajectory_begun_where_it_is_cut():
    model, batch = contracting()
    train = TrainConfig(gradient="truncated", window=3)
    found = gradient(model, batch, 8, train)
    with torch.no_grad():
        *_, cut = (state for state, _ in zip(iterate(model, batch.x), range(6)))
    model.zero_grad()
    states = [state for state, _ in zip(iterate(model, batch.x, State(5, cut.h)), range(4))][1:]
    sum(F.cross_entropy(model.readout(state.h), batch.labels) / 3 for state in states).backward()
    assert torch.allclose(found, torch.cat([w.grad.flatten() for w in model.parameters()]), atol=1e-12)
    assert torch.allclose(gradient(model, batch, 3, train), gradient(model, batch, 3, TrainConfig()))


@pytest.mark.parametrize("kind, expected", [("trajectory", 7), ("truncated", 4), ("fixed_point", 1)])
def test_losses_are_as_many_as_the_steps_that_carry_a_gradient(kind, expected):
    train = TrainConfig(gradient=kind, window=4)
    assert len(losses_of(build(LEAKY), make_batch(TASK, 2, 0), 7, train).losses) == expected


# ---- where a trajectory begins ----------------------------------------------------------------------------


@pytest.mark.slow
def test_free_steps_are_drawn_anew_and_their_most_rises():
    train, batch = TrainConfig(free=12, updates=120), make_batch(TASK, 2, 0)
    times = [start_of(build(LEAKY), batch, train, update)[0].t for update in range(120)]
    assert max(times[:5]) <= 3 and max(times) == 12 and len(set(times)) > 8


def test_a_start_from_another_image_is_the_state_that_image_leads_to():
    model, batch = build(LEAKY), make_batch(TASK, 3, 0)
    train = TrainConfig(start_other=1.0, free=5, updates=10)
    runs = rollout(model, batch.x.roll(1, 0), 5).h
    found = [start_of(model, batch, train, update)[0] for update in range(2, 10)]
    seen = set()
    for start in found:
        for before in range(6):
            onward = rollout(model, batch.x, start.t, State(0, runs[before])).h[-1]
            seen |= {before} if torch.allclose(onward, start.h, atol=1e-5) else set()
    assert len(seen) >= 3


def test_a_noisy_start_is_of_so_many_images_and_repeats():
    model, batch = build(LEAKY), make_batch(TASK, 8, 0)
    train = TrainConfig(start_noise=0.5, updates=10)
    starts = [start_of(model, batch, train, update) for update in range(10)]
    noisy = torch.stack([start.h.flatten(1).any(1) for start, _ in starts])
    assert torch.equal(noisy, torch.stack([foreign for _, foreign in starts]))
    assert 0.3 < noisy.float().mean() < 0.7
    assert torch.equal(start_of(model, batch, train, 0)[0].h, starts[0][0].h)


def test_the_lipschitz_penalty_is_zero_where_a_step_contracts_and_pulls_down_what_does_not():
    model, batch = build(LEAKY), make_batch(TASK, 2, 0)
    end = losses_of(model, batch, 3).end
    cut = build(LEAKY.replace(kind="loop_cut"))
    assert float(lipschitz_penalty(cut, batch, end, 0)) == 0  # J = (1 − k) I = 0.4 I
    with torch.no_grad():
        model.norm_delta.weight *= 100
    penalty = lipschitz_penalty(model, batch, end, 0)
    penalty.backward()
    assert float(penalty.detach()) > 0 and model.F.stem.conv.weight.grad.any()
