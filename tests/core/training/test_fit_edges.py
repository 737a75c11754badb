import math
from dataclasses import replace

import pytest
import torch

from fbseg_core.checkpoint import load_training, save_training
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Batch, make_batch
from fbseg_core.training.examples import Examples
from fbseg_core.training.fit import PROTOCOLS, fit, learning_rate, objective, trajectory_losses

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TASK = ShapesConfig(side=16, sigma=0.2)
RESUMED = TrainConfig(batch=1, updates=2, steps_min=2, steps_max=2)
SHORT = TrainConfig(batch=2, updates=4, steps_min=3, steps_max=3, schedule="constant", lr=0.01, clip=0.0)
OBJECTIVES = [TrainConfig(), TrainConfig(loss="final"), TrainConfig(loss_from=0.5)]


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


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
    assert progress.stopped and last is not None and same(weights(model), last)


@pytest.mark.parametrize(
    "train",
    [
        SHORT.replace(examples=5, epochs=2, flips=True, schedule="cosine", warmup=2, optimiser="adamw"),
        SHORT.replace(steps_min=1, steps_max=4, updates=6),
        SHORT.replace(updates=6, eval_every=1, patience=50),
    ],
    ids=["fixed", "fresh", "scored"],
)
def test_stopped_at_any_update_and_resumed_equals_uninterrupted(train):
    config = SMALL.replace(norm="batch", spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3))
    whole, snapshots, records = build(config), [], []
    for progress in fit(whole, TASK, train):
        snapshots.append(progress.snapshot())
        records.append(progress)
    assert [s.update for s in snapshots] == list(range(1, 7))
    for done in (1, 3, 5):
        resumed = build(config, 99)
        rest = list(fit(resumed, TASK, train, snapshots[done - 1]))
        assert rest == records[done:] and same(weights(resumed), weights(whole))


def test_a_snapshot_is_a_copy_that_later_updates_do_not_change():
    model = build(SMALL)
    run = fit(model, TASK, SHORT)
    snapshot = next(run).snapshot()
    model_then, optimiser_then = weights(model), {k: v.clone() for k, v in snapshot.optimiser.items()}
    next(run)
    assert same(snapshot.model, model_then) and same(snapshot.optimiser, optimiser_then)
    assert not same(weights(model), model_then)


def test_a_state_of_huge_gradients_can_still_be_saved_and_loaded(tmp_path):
    model = build(SMALL)
    torch.nn.init.constant_(model.head.weight, 1e22)
    for progress in fit(model, TASK, SHORT):
        save_training(progress.snapshot(), tmp_path / "run.training")
        assert load_training(tmp_path / "run.training").update == progress.update


def test_a_finished_run_has_nothing_left_to_do():
    *_, last = fit(build(SMALL), TASK, SHORT)
    assert list(fit(build(SMALL), TASK, SHORT, last.snapshot())) == []


def test_the_model_is_in_evaluation_mode_whenever_the_caller_holds_it():
    model = build(SMALL)
    assert not any(model.training for _ in fit(model, TASK, SHORT))


def test_training_draws_from_its_own_seed_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    list(fit(build(SMALL), TASK, SHORT.replace(flips=True)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("examples, batch", [(5, 1), (7, 3), (4, 4), (3, 8)])
def test_each_pass_reads_every_example_once_in_an_order_of_its_own(examples, batch):
    train = TrainConfig(examples=examples, batch=batch, epochs=6)
    reader, per_pass = Examples(TASK, train), -(-examples // batch)
    assert train.total == 6 * per_pass
    orders = [
        torch.cat([reader._rows(k) for k in range(p * per_pass, (p + 1) * per_pass)]).tolist()
        for p in range(6)
    ]
    assert all(sorted(order) == list(range(examples)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_trajectory_lengths_cover_their_whole_range():
    reader = Examples(TASK, TrainConfig(batch=1, steps_min=2, steps_max=5))
    assert {reader.batch(update)[1] for update in range(60)} == {2, 3, 4, 5}


def test_all_eight_symmetries_are_drawn():
    task = TASK.replace(sigma=0.0, normalise="none", radius_min=0.3, radius_max=0.3)
    reader = Examples(task, TrainConfig(examples=1, batch=1, flips=True, seed=5))
    batches = [reader.batch(k)[0] for k in range(80)]
    assert all(torch.equal(batch.x[:, 0], batch.labels.float()) for batch in batches)
    seen = {tuple(batch.labels.flatten().tolist()) for batch in batches}
    first = reader.fixed.labels[0]
    turned = [first.rot90(k, (0, 1)) for k in range(4)]
    turned += [image.flip(-1) for image in turned]
    assert seen == {tuple(image.flatten().tolist()) for image in turned}


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


@pytest.mark.parametrize("kind", ["feedback", "loop_cut", "feedforward"])
def test_every_kind_of_model_learns_a_clean_shape(kind):
    task = ShapesConfig(side=16, sigma=0.0, radius_min=0.3, radius_max=0.4)
    train = SHORT.replace(examples=2, updates=40, lr=0.03)
    progress = list(fit(build(SMALL.replace(kind=kind)), task, train))
    assert progress[-1].loss < 0.3 * progress[0].loss


def test_grouping_can_be_trained_too():
    model = build(SMALL.replace(in_channels=2))
    progress = list(fit(model, GroupingConfig(side=16, winding=0.2, scale=1.5), SHORT))
    assert len(progress) == 4 and all(p.stopped is None for p in progress)


@pytest.mark.parametrize(
    "change",
    [
        {"head.bias/step": torch.tensor(-1.0)},
        {"head.bias/exp_avg": torch.ones(3)},
        {"head.bias/exp_avg": torch.ones(2, dtype=torch.int64)},
        {"head.bias/exp_avg_sq": -torch.ones(2)},
        {"head.bias/more": torch.ones(2)},
    ],
)
def test_a_state_of_another_optimiser_is_not_resumed(change):
    model = build(SMALL)
    state = next(fit(model, TASK, RESUMED)).snapshot()
    with pytest.raises(ConfigError, match="resume"):
        next(fit(model, TASK, RESUMED, replace(state, optimiser=state.optimiser | change)))


def test_statistics_of_batch_norm_that_overflow_end_the_run_with_what_was_good():
    model = build(SMALL.replace(norm="batch"))
    first = next(weight for weight in model.parameters() if weight.dim() == 4)
    first.data *= 1e25  # the activations are finite numbers, their variance is not
    steps = list(fit(model, TASK, TrainConfig(batch=2, updates=2, steps_min=2, steps_max=2)))
    assert "no longer" in steps[0].stopped and len(steps) == 1
    assert all(value.isfinite().all() for value in model.state_dict().values())
