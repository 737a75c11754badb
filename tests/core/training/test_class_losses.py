"""Weights of classes and the Dice loss, beside cross-entropy."""

import pytest
import torch
import torch.nn.functional as F

from fbseg_core import Batch, ModelConfig, ShapesConfig, TrainConfig, build, make_batch
from fbseg_core.scores.metrics import VOID
from fbseg_core.training.class_losses import class_weights, dice_loss
from fbseg_core.training.losses import losses_of

TASK = ShapesConfig(side=16, sides=(3, 4, 0), multiclass=True)
SMALL = ModelConfig(classes=4, width=4, depth=1, u=3, v=2)
LABELS = torch.tensor([[[0, 0, 0, 0, 0, 0], [1, 1, 3, VOID, VOID, 0]]])


def test_weighted_pixels_have_a_mean_of_one_and_at_power_one_classes_weigh_the_same():
    number = torch.tensor([7.0, 2, 0, 1], dtype=torch.float64)
    for power in (0.0, 0.5, 1.0):
        weights = class_weights(LABELS, 4, power)
        assert float((weights * number).sum() / 10) == pytest.approx(1)
        assert weights[2] == 0
    assert torch.allclose((weights * number)[[0, 1, 3]], torch.tensor(10 / 3, dtype=torch.float64))
    assert class_weights(LABELS, 4, 0.0).tolist() == [1, 1, 0, 1]
    assert not class_weights(torch.full((1, 2, 2), VOID), 4, 1.0).any()


def logits_of(labels, classes=4, sure=50.0):
    held = torch.where(labels == VOID, 2, labels)
    return sure * F.one_hot(held, classes).movedim(-1, 1).float()[None]


def test_dice_is_0_for_the_truth_1_without_overlap_and_known_between():
    assert float(dice_loss(logits_of(LABELS), LABELS)[0]) == pytest.approx(0, abs=1e-6)
    wrong = torch.where(LABELS == VOID, VOID, 2)
    assert float(dice_loss(logits_of(wrong), LABELS)[0]) == pytest.approx(1, abs=1e-6)
    ground = torch.where(LABELS == VOID, VOID, 0)  # 2·7 / (10 + 7) of the ground, 0 of the two others
    assert float(dice_loss(logits_of(ground), LABELS)[0]) == pytest.approx(1 - 14 / 17 / 3, abs=1e-6)
    assert dice_loss(torch.cat([logits_of(LABELS), logits_of(wrong)]), LABELS).shape == (2,)
    assert dice_loss(logits_of(LABELS), torch.full_like(LABELS, VOID)).tolist() == [0]


@pytest.mark.parametrize("kind", ["feedback", "feedforward"])
def test_what_is_void_changes_nothing_and_both_options_move_the_loss(kind):
    batch = make_batch(TASK, 2, 0)
    batch.labels[0, :5] = VOID
    noisy = batch.x.clone()
    model = build(SMALL.replace(kind=kind))
    plain = losses_of(model, batch, 3).losses
    for train in (TrainConfig(balance=1.0), TrainConfig(dice=2.0)):
        losses = losses_of(model, batch, 3, train).losses
        assert losses.shape == plain.shape and not torch.allclose(losses, plain)
        void = Batch(noisy, torch.full_like(batch.labels, VOID))
        assert (losses_of(model, void, 3, train).losses == 0).all()
    both = losses_of(model, batch, 3, TrainConfig(dice=2.0)).losses.detach()
    logits = model(batch.x, 3)[None]
    assert float(both[-1] - plain.detach()[-1]) == pytest.approx(
        2 * float(dice_loss(logits.detach(), batch.labels)[0]), rel=1e-4
    )


@pytest.mark.parametrize("kind", ["feedback", "feedforward"])
def test_the_weighted_loss_is_the_weighted_mean_over_pixels(kind):
    batch = make_batch(TASK, 2, 0)
    model = build(SMALL.replace(kind=kind)).double()
    losses = losses_of(model, Batch(batch.x.double(), batch.labels), 3, TrainConfig(balance=0.7)).losses
    logs = model(batch.x.double(), 3).log_softmax(1).gather(1, batch.labels[:, None])[:, 0]
    weights = class_weights(batch.labels, 4, 0.7)[batch.labels]
    expected = -(logs * weights).sum() / weights.sum()
    assert losses[-1].item() == pytest.approx(expected.item(), rel=1e-6)
