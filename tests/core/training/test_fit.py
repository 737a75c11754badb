import math

import pytest
import torch

from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.scores.evaluate import evaluate, f1_by_step
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch
from fbseg_core.training.fit import PROTOCOLS, fit, learning_rate

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TASK = ShapesConfig(side=16, sigma=0.2)
SHORT = TrainConfig(batch=2, updates=4, steps_min=3, steps_max=3, schedule="constant", lr=0.01, clip=0.0)
DRAWN = TrainConfig(batch=2, updates=6, steps_min=2, steps_max=4, warmup=2, flips=True, lr=0.01)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("kind", ["feedback", "loop_cut", "feedforward"])
def test_same_seed_same_weights(kind):
    learned = []
    for seed in (1, 1, 2):
        model = build(SMALL.replace(kind=kind))
        list(fit(model, TASK, DRAWN.replace(seed=seed)))
        learned.append(weights(model))
    assert same(learned[0], learned[1]) and not same(learned[0], learned[2])


def test_early_stop_ends_a_run_that_no_longer_improves():
    config = DRAWN.replace(lr=0.0, updates=40, eval_every=2, patience=3)
    progress = list(fit(build(SMALL), TASK, config))
    assert progress[-1].update == 8 and "validation" in progress[-1].stopped
    assert len(progress[1].f1) == SMALL.steps + 1 and progress[0].f1 is None
    means = progress[1].means
    assert (
        means.f1 == progress[1].f1 and len(means.iou) == SMALL.steps + 1 and means.class_f1[1] == means.f1[-1]
    )


def test_training_learns():
    model = build(SMALL)
    progress = list(fit(model, TASK, DRAWN.replace(updates=60, batch=8, lr=0.02)))
    assert sum(p.loss for p in progress[-5:]) < 0.5 * sum(p.loss for p in progress[:5])
    assert f1_by_step(model, make_batch(TASK, 20, 9), 4)[-1] > 0.6


def test_score_has_an_interval_that_holds_it():
    score = evaluate(build(SMALL), make_batch(TASK, 40, 0), 3)
    assert len(score.f1) == 4 and score.images == 40 and 0 < score.chance < 1
    assert all(low <= value <= high for low, value, high in zip(score.low, score.f1, score.high))
    assert score.high[-1] > score.low[-1] and not any(map(math.isnan, score.low))


@pytest.mark.parametrize("clip", [0.0, 0.01, 1e6])
def test_gradients_are_clipped_to_their_limit_and_reported_before(clip):
    model = build(SMALL)
    for progress in fit(model, TASK, SHORT.replace(clip=clip)):
        norm = float(torch.stack([w.grad.norm() for w in model.parameters() if w.grad is not None]).norm())
        assert progress.grad_norm > 0.01
        assert norm == pytest.approx(min(progress.grad_norm, clip or math.inf), rel=1e-3)


def test_reported_rates_and_losses_are_those_of_the_run():
    train = SHORT.replace(schedule="cosine", warmup=1, steps_min=1, steps_max=4, updates=8)
    progress = list(fit(build(SMALL), TASK, train))
    assert [p.update for p in progress] == list(range(1, 9)) and {p.total for p in progress} == {8}
    assert [p.lr for p in progress] == [learning_rate(train, k) for k in range(8)]
    assert {len(p.losses) for p in progress} <= {1, 2, 3, 4} and len({len(p.losses) for p in progress}) > 1
    for p in progress:
        assert p.loss == pytest.approx(sum(p.losses) / len(p.losses), rel=1e-5) and p.stopped is None


@pytest.mark.parametrize(
    "update, rate",
    [(0, 1 / 11), (4, 5 / 11), (9, 10 / 11), (10, 1), (35, 0.5 + 0.5**1.5), (60, 0.5), (110, 0)],
)
def test_cosine_schedule_has_its_known_values(update, rate):
    train = TrainConfig(updates=110, warmup=10, lr=2.0)
    assert learning_rate(train, update) == pytest.approx(2 * rate, abs=1e-12)
    assert learning_rate(train.replace(schedule="constant"), 77) == 2


def test_a_warmup_longer_than_the_run_only_rises():
    train = TrainConfig(updates=5, warmup=20, lr=1.0)
    rates = [learning_rate(train, update) for update in range(5)]
    assert rates == sorted(rates) and rates[-1] == pytest.approx(5 / 21)


@pytest.mark.parametrize("norm", ["group", "batch"])
@pytest.mark.parametrize("kind", ["feedback", "loop_cut", "feedforward"])
def test_poisoned_weights_stop_at_once_and_are_left_as_they_were(kind, norm):
    model = build(SMALL.replace(kind=kind, norm=norm))
    torch.nn.init.constant_(model.head.weight, 3e38)
    before = weights(model)
    (progress,) = fit(model, TASK, SHORT)
    assert "finite" in progress.stopped and progress.update == 1
    assert same(weights(model), before) and not model.training


def test_a_stopped_run_keeps_the_weights_of_its_last_good_update():
    train = SHORT.replace(lr=1e9, updates=30)
    model = build(SMALL.replace(delta_norm=False))
    last = None
    for progress in fit(model, TASK, train):
        if progress.stopped:
            break
        last = weights(model)
    assert "learning rate" in progress.stopped and progress.update < 30 and not model.training
    assert last is not None and same(weights(model), last)


def test_the_model_is_in_evaluation_mode_whenever_the_caller_holds_it():
    model = build(SMALL)
    assert not any(model.training for _ in fit(model, TASK, SHORT))


def test_training_draws_from_its_own_seed_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    list(fit(build(SMALL), TASK, SHORT.replace(flips=True)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("examples", [2, 4, 10])
def test_the_papers_protocol_is_ten_single_readings_of_each_example(examples):
    paper = PROTOCOLS["paper"].replace(examples=examples)
    assert paper.total == 10 * examples and (paper.batch, paper.lr, paper.schedule) == (1, 0.01, "constant")
    assert PROTOCOLS["matched"].replace(examples=examples).total == 120


@pytest.mark.parametrize(
    "model, task, key",
    [
        (SMALL.replace(in_channels=1), TASK, "in_channels"),
        (SMALL, GroupingConfig(side=16), "in_channels"),
        (SMALL.replace(classes=3), TASK, "classes"),
        (SMALL, TASK.replace(sides=(3, 4), multiclass=True), "classes"),
    ],
)
def test_a_misfit_is_refused_before_any_weight_moves(model, task, key):
    network = build(model)
    before = weights(network)
    with pytest.raises(ConfigError, match=key):
        next(fit(network, task, SHORT))
    assert same(weights(network), before)


@pytest.mark.parametrize(
    "kind", ["feedback", pytest.param("loop_cut", marks=pytest.mark.slow), "feedforward"]
)
def test_every_kind_of_model_learns_a_clean_shape(kind):
    task = ShapesConfig(side=16, sigma=0.0, radius_min=0.3, radius_max=0.4)
    train = SHORT.replace(examples=2, updates=40, lr=0.03)
    progress = list(fit(build(SMALL.replace(kind=kind)), task, train))
    assert progress[-1].loss < 0.3 * progress[0].loss


def test_grouping_can_be_trained_too():
    model = build(SMALL.replace(in_channels=2))
    progress = list(fit(model, GroupingConfig(side=16, winding=0.2, scale=1.5), SHORT))
    assert len(progress) == 4 and all(p.stopped is None for p in progress)


def test_statistics_of_batch_norm_that_overflow_end_the_run_with_what_was_good():
    model = build(SMALL.replace(norm="batch"))
    first = next(weight for weight in model.parameters() if weight.dim() == 4)
    first.data *= 1e25  # the activations are finite numbers, their variance is not
    steps = list(fit(model, TASK, TrainConfig(batch=2, updates=2, steps_min=2, steps_max=2)))
    assert "no longer" in steps[0].stopped and len(steps) == 1
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_a_trajectory_cut_to_one_step_by_overflow_stops_the_run():
    model = build(SMALL.replace(spectrum=(10.0,), tau=0.05))  # e^200 at t = 1
    progress = next(fit(model, TASK, SHORT))
    assert len(progress.losses) == 1 and progress.stopped


def test_batch_norm_that_is_left_one_pixel_is_refused():
    model = build(SMALL.replace(norm="batch", depth=4))  # 16 px halved four times
    with pytest.raises(ConfigError, match="more than one pixel"):
        next(fit(model, TASK, SHORT.replace(batch=1)))
    assert math.isfinite(next(fit(model, TASK, SHORT)).loss)  # two images have two pixels
