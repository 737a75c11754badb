import math

import pytest
import torch
import torch.nn.functional as F

from fbseg_core.checkpoint import load_training, save_training
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import iterate
from fbseg_core.scores.evaluate import evaluate, f1_by_step
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch
from fbseg_core.training.examples import Examples
from fbseg_core.training.fit import PROTOCOLS, fit, learning_rate, objective, trajectory_losses

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TASK = ShapesConfig(side=16, sigma=0.2)
SHORT = TrainConfig(batch=2, updates=6, steps_min=2, steps_max=4, warmup=2, flips=True, lr=0.01)


def weights(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def train(config=SHORT, model=SMALL, resume=None):
    network = build(model)
    progress = list(fit(network, TASK, config, resume))
    return network, progress


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


def test_objective_counts_the_steps_it_is_told_to():
    losses = torch.tensor([8.0, 4.0, 2.0])
    assert objective(losses, TrainConfig()) == pytest.approx(14 / 3)
    assert objective(losses, TrainConfig(loss_from=0.34)) == 3
    assert objective(losses, TrainConfig(loss="final")) == 2


@pytest.mark.parametrize("kind", ["feedback", "loop_cut", "feedforward"])
def test_same_seed_same_weights(kind):
    (a, _), (b, _), (c, _) = (train(SHORT.replace(seed=seed), SMALL.replace(kind=kind)) for seed in (1, 1, 2))
    assert torch.equal(weights(a), weights(b)) and not torch.equal(weights(a), weights(c))


@pytest.mark.parametrize(
    "config",
    [SHORT, SHORT.replace(examples=3, epochs=3), SHORT.replace(optimiser="adamw", weight_decay=0.1)],
)
@pytest.mark.parametrize("norm", ["group", "batch"])
def test_stopped_and_resumed_equals_uninterrupted(config, norm, tmp_path):
    model = SMALL.replace(norm=norm)
    whole, _ = train(config, model)
    part = build(model)
    for progress in fit(part, TASK, config):
        if progress.update == 3:
            save_training(progress.snapshot(), tmp_path / "run.training")
            break
    resumed, rest = train(config, model, load_training(tmp_path / "run.training"))
    assert [p.update for p in rest] == list(range(4, config.total + 1))
    assert torch.equal(weights(whole), weights(resumed))


def test_a_loss_that_is_no_number_stops_with_the_last_good_weights():
    model = build(SMALL.replace(delta_norm=False))
    progress = list(fit(model, TASK, SHORT.replace(lr=1e9, warmup=0, clip=0.0, updates=30)))
    assert "learning rate" in progress[-1].stopped and progress[-1].update < 30
    assert torch.isfinite(weights(model)).all() and not model.training


def test_early_stop_ends_a_run_that_no_longer_improves():
    config = SHORT.replace(lr=0.0, updates=40, eval_every=2, patience=3)
    progress = train(config)[1]
    assert progress[-1].update == 8 and "held-out" in progress[-1].stopped
    assert len(progress[1].f1) == SMALL.steps + 1 and progress[0].f1 is None


def test_learning_rate_warms_up_then_falls_to_zero():
    config = TrainConfig(updates=110, warmup=10, lr=1.0)
    assert learning_rate(config, 0) == pytest.approx(1 / 11)
    assert learning_rate(config, 10) == 1 and learning_rate(config, 60) == pytest.approx(0.5)
    assert learning_rate(config.replace(schedule="constant"), 77) == 1


def test_each_example_is_read_once_a_pass():
    examples = Examples(TASK, TrainConfig(examples=5, batch=2, epochs=2))
    passes = [torch.cat([examples._rows(update) for update in range(3 * k, 3 * k + 3)]) for k in range(2)]
    assert all(sorted(rows.tolist()) == list(range(5)) for rows in passes)


def test_noise_is_fresh_each_time_and_flips_move_labels_with_the_image():
    task = TASK.replace(sigma=0.0, normalise="none", channels=1)
    examples = Examples(task, TrainConfig(examples=1, batch=1, updates=9, flips=True))
    seen = [examples.batch(update)[0] for update in range(8)]
    assert all(torch.equal(batch.x[0, 0], batch.labels[0].float()) for batch in seen)
    assert len({tuple(batch.labels.flatten().tolist()) for batch in seen}) > 2
    noisy = Examples(TASK, TrainConfig(examples=1, batch=1, updates=9))
    assert not torch.equal(noisy.batch(0)[0].x, noisy.batch(1)[0].x)


def test_protocols_have_the_papers_and_the_matched_budget():
    assert PROTOCOLS["paper"].replace(examples=2).total == 20 and PROTOCOLS["paper"].batch == 1
    assert PROTOCOLS["matched"].total == 120


def test_a_model_that_does_not_fit_its_task_is_refused():
    with pytest.raises(ConfigError, match="in_channels"):
        next(fit(build(SMALL), GroupingConfig(side=16), SHORT))


def test_training_learns():
    model = build(SMALL)
    progress = list(fit(model, TASK, SHORT.replace(updates=60, batch=8, lr=0.02)))
    assert sum(p.loss for p in progress[-5:]) < 0.5 * sum(p.loss for p in progress[:5])
    assert f1_by_step(model, make_batch(TASK, 20, 9), 4)[-1] > 0.6


def test_score_has_an_interval_that_holds_it():
    score = evaluate(build(SMALL), make_batch(TASK, 40, 0), 3)
    assert len(score.f1) == 4 and score.images == 40 and 0 < score.chance < 1
    assert all(low <= value <= high for low, value, high in zip(score.low, score.f1, score.high))
    assert score.high[-1] > score.low[-1] and not any(map(math.isnan, score.low))
