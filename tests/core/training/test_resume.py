"""A run stopped and resumed is the run that was never stopped."""

from dataclasses import replace

import pytest
import torch

from fbseg_core.checkpoint import load_training, save_training
from fbseg_core.config import ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.settings import ConfigError
from fbseg_core.training.fit import fit

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TASK = ShapesConfig(side=16, sigma=0.2)
RESUMED = TrainConfig(batch=1, updates=2, steps_min=2, steps_max=2)
SHORT = TrainConfig(batch=2, updates=4, steps_min=3, steps_max=3, schedule="constant", lr=0.01, clip=0.0)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_resumed_from_a_file_equals_the_uninterrupted(tmp_path):
    train, config = SHORT.replace(examples=3, epochs=3, flips=True), SMALL.replace(norm="batch")
    whole, part, resumed = build(config), build(config), build(config)
    list(fit(whole, TASK, train))
    for progress in fit(part, TASK, train):
        if progress.update == 3:
            save_training(progress.snapshot(), tmp_path / "run.training")
            break
    rest = list(fit(resumed, TASK, train, load_training(tmp_path / "run.training")))
    assert [p.update for p in rest] == list(range(4, train.total + 1))
    assert same(weights(whole), weights(resumed))


@pytest.mark.parametrize(
    "train",
    [
        SHORT.replace(examples=5, epochs=2, flips=True, schedule="cosine", warmup=2, optimiser="adamw"),
        SHORT.replace(steps_min=1, steps_max=4, updates=6),
        SHORT.replace(updates=6, eval_every=1, patience=50),
        SHORT.replace(updates=6, average=0.9, free=4, start_other=0.5, start_noise=0.2, lipschitz=0.1),
    ],
    ids=["fixed", "fresh", "scored", "averaged, from other states"],
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


@pytest.mark.parametrize("other", [SMALL.replace(width=8), SMALL.replace(kind="feedforward")])
def test_resuming_another_models_run_is_refused_by_config_error(other):
    snapshot = next(fit(build(other), TASK, SHORT)).snapshot()
    model = build(SMALL)
    with pytest.raises(ConfigError):
        next(fit(model, TASK, SHORT, snapshot))
    fresh = build(SMALL).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in model.state_dict().items())


def test_what_is_kept_is_the_running_average_of_the_weights_that_learn(tmp_path):
    train = SHORT.replace(average=0.6, updates=3)
    learning, averaged = build(SMALL), build(SMALL)
    expected = weights(averaged)
    for update, _ in enumerate(fit(learning, TASK, train.replace(average=0.0))):
        decay = min(0.6, (update + 1) / (update + 10))
        for name, value in weights(learning).items():
            expected[name] = decay * expected[name] + (1 - decay) * value
    *_, last = fit(averaged, TASK, train)
    assert all(torch.allclose(value, expected[name], atol=1e-6) for name, value in weights(averaged).items())
    save_training(last.snapshot(), tmp_path / "run.training")
    assert same(load_training(tmp_path / "run.training").raw, dict(learning.named_parameters()))
