"""Prediction and error around the U-Net, held against what each dial must do alone."""

from itertools import islice

import pytest
import torch
import torch.nn.functional as F

from fbseg_core import ConfigError, ModelConfig, build, make_batch
from fbseg_core.config import ShapesConfig
from fbseg_core.predictive.predify import Dials, Predified, fit_decoders, predict_and_correct

TASK = ShapesConfig(side=21)  # odd: each level halves rounding down


@pytest.fixture(scope="module")
def net():
    config = ModelConfig(kind="feedforward", in_channels=3, classes=2, width=4, depth=2, u=4, norm="group")
    return build(config, 0).eval()


@pytest.fixture(scope="module")
def model(net):
    return Predified(net, seed=1)


@pytest.fixture(scope="module")
def x():
    return make_batch(TASK, 3, 0).x


def states(model, x, count, **dials):
    every = {"feedforward": 0.0, "feedback": 0.0, "error": 0.0} | dials
    return list(islice(predict_and_correct(model, x, Dials(**every)), count))


def test_the_first_answer_is_the_net_s_and_with_feedforward_alone_every_one(model, net, x):
    with torch.no_grad():
        answer = net(x)
    for state in states(model, x, 3, feedforward=1.0):
        assert torch.equal(state.logits, answer)


def test_memory_alone_changes_nothing(model, x):
    first, *_, last = states(model, x, 4)
    assert last.t == 3 and all(map(torch.equal, first.levels, last.levels))


def test_feedback_alone_puts_each_prediction_in_the_place_of_its_level_and_keeps_the_top(model, x):
    first, second = states(model, x, 2, feedback=1.0)
    assert torch.equal(second.levels[0], x) and torch.equal(second.levels[-1], first.levels[-1])
    for n in (1, 2):
        assert torch.equal(second.levels[n], first.predictions[n])


def test_the_error_s_step_is_the_decoder_s_transpose_of_what_it_missed(model, x):
    first, second = states(model, x, 2, error=0.5)
    missed = x - first.predictions[0]
    step = F.conv_transpose2d(missed, model.decoders[0].weight, padding=1)
    step *= 0.5 / model.curvature(1, x.shape[-2:], x.shape[-2:])
    assert torch.allclose(second.levels[1] - first.levels[1], step, atol=1e-6)


def test_whole_steps_down_the_error_never_raise_what_the_first_level_misses_of_the_image(model, x):
    missed = torch.stack([state.errors[0] for state in states(model, x, 12, error=1.0)])
    assert (missed[1:] <= missed[:-1]).all() and (missed[-1] < missed[0]).all()


@pytest.mark.parametrize("n, above, below", [(1, (8, 9), (8, 9)), (2, (5, 5), (11, 10))])
def test_the_bound_of_the_curvature_holds(model, n, above, below):
    """Against the largest singular value of the decoder as a matrix, its bias left out."""
    channels = model.decoders[n - 1].in_channels
    units = torch.eye(channels * above[0] * above[1]).unflatten(1, (channels, *above))
    with torch.no_grad():
        drawn = model.predict(n, units, below) - model.predict(n, torch.zeros_like(units[:1]), below)
    gain = float(torch.linalg.matrix_norm(drawn.flatten(1), 2)) ** 2
    assert gain <= model.curvature(n, above, below) < 100 * gain


def test_the_dials_of_a_level_add_up(model, x):
    start, both = states(model, x, 2, feedforward=0.5, feedback=0.3)
    expected = 0.5 * start.levels[1] + 0.3 * start.predictions[1] + 0.2 * start.levels[1]
    assert torch.allclose(both.levels[1], expected, atol=1e-6)  # f₁(x) is e₁ as it was
    assert Dials(feedforward=0.5, feedback=0.3).memory == pytest.approx(0.2)
    with pytest.raises(ConfigError, match="at most 1"):
        Dials(feedforward=0.7, feedback=0.4)


def test_decoders_learn_to_predict_the_net_stays_and_the_same_seed_gives_the_same(net, x):
    before = {key: value.clone() for key, value in net.state_dict().items()}
    losses = []
    for _ in range(2):
        model = Predified(net, seed=1)
        losses.append(list(fit_decoders(model, lambda k: make_batch(TASK, 4, k).x, 30)))
    assert losses[0] == losses[1] and losses[0][-1] < 0.7 * losses[0][0]
    assert all(torch.equal(value, net.state_dict()[key]) for key, value in before.items())
    assert not any(weight.requires_grad for weight in net.parameters())
