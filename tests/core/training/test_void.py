"""Void pixels (label 255) are neither learned from nor refused."""

import pytest
import torch

from fbseg_core import Batch, ConfigError, ModelConfig, ShapesConfig, TrainConfig, build, fit, make_batch
from fbseg_core.scores.metrics import VOID
from fbseg_core.tasks import Content, task_of
from fbseg_core.training.examples import Examples
from fbseg_core.training.fewshot import own_example
from fbseg_core.training.losses import losses_of

TASK = ShapesConfig(side=16, sides=(3, 4, 0), multiclass=True)
SMALL = ModelConfig(classes=4, width=4, depth=1, u=3, v=2)
KINDS = ["feedback", "loop_cut", "feedforward"]


def losses_and_gradient(model, batch):
    model.zero_grad()
    losses = losses_of(model, batch, 3).losses
    losses.sum().backward()
    grads = [weight.grad for weight in model.parameters()]  # none where a cut loop uses none of them
    return losses.detach(), torch.cat([grad.flatten() for grad in grads if grad is not None])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_nothing_but_void_has_loss_and_gradient_0(kind):
    batch = make_batch(TASK, 2, 0)
    model = build(SMALL.replace(kind=kind))
    losses, gradient = losses_and_gradient(model, Batch(batch.x, torch.full_like(batch.labels, VOID)))
    assert (losses == 0).all() and (gradient == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_void_image_in_a_batch_changes_nothing(kind):
    batch = make_batch(TASK, 2, 0)
    batch.labels[1] = VOID
    model = build(SMALL.replace(kind=kind)).double()
    x = batch.x.double()
    both = losses_and_gradient(model, Batch(x, batch.labels))
    alone = losses_and_gradient(model, Batch(x[:1], batch.labels[:1]))
    assert all(torch.allclose(*pair, atol=1e-12) for pair in zip(both, alone)) and both[1].abs().max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_mean_over_the_pixels_that_count(kind):
    batch = make_batch(TASK, 2, 0)
    batch.labels[0, :5] = VOID
    batch.labels[1, :, 3:] = VOID
    known = batch.labels != VOID
    model = build(SMALL.replace(kind=kind)).double()
    losses, _ = losses_and_gradient(model, Batch(batch.x.double(), batch.labels))
    with torch.no_grad():
        logs = model(batch.x.double(), 3).log_softmax(1).movedim(1, -1)[known]
    assert losses[-1] == pytest.approx(float(-logs.gather(1, batch.labels[known][:, None]).mean()))


def test_a_run_on_void_examples_leaves_every_weight_as_it_was():
    content = task_of(TASK).content(TASK, 2, 0)
    void = Content(content.clean, torch.full_like(content.labels, VOID))
    model, train = build(SMALL), TrainConfig(examples=2, batch=2, updates=3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    progress = list(fit(model, TASK, train, examples=void))
    assert [each.loss for each in progress] == [0, 0, 0] and progress[-1].stopped is None
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_examples_may_hold_void_and_no_other_label_past_the_classes():
    content = task_of(TASK).content(TASK, 2, 0)
    train = TrainConfig(examples=2, batch=2)
    content.labels[0, 0, 0] = VOID
    batch, _ = Examples(TASK, train, content).batch(0)
    assert (batch.labels == VOID).sum() == 1
    content.labels[0, 0, 0] = 4
    with pytest.raises(ConfigError, match="below 4, or 255"):
        Examples(TASK, train, content)


def test_a_drawing_of_one_s_own_shows_nothing_where_it_is_void():
    labels = torch.zeros(16, 16, dtype=torch.int64)
    labels[2:6], labels[8:10] = 3, VOID
    one = own_example(TASK, labels)
    assert torch.equal(one.labels[0], labels) and torch.equal(one.clean[0, 0] > 0, labels == 3)
