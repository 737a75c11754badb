"""The loss over a trajectory: which steps count, and its gradient."""

import pytest
import torch
import torch.nn.functional as F

from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import iterate
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.training.fit import objective, trajectory_losses

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TASK = ShapesConfig(side=16, sigma=0.2)
OBJECTIVES = [TrainConfig(), TrainConfig(loss="final"), TrainConfig(loss_from=0.5)]


def test_one_backward_equals_the_steps_backwards_added_up():
    model, batch = build(SMALL).double(), make_batch(TASK, 2, 0)
    batch = type(batch)(batch.x.double(), batch.labels)
    objective(trajectory_losses(model, batch, 4, 2), TrainConfig()).backward()
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
        return objective(trajectory_losses(model, batch, 4, 2), train)

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
    losses = trajectory_losses(model, batch, 4, 2)
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
