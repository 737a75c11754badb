import pytest
import torch

from fbseg_core import (
    Card,
    ModelConfig,
    ShapesConfig,
    Switches,
    TrainConfig,
    build,
    fit,
    load,
    make_batch,
    rollout,
    save,
)  # fmt: skip
from fbseg_core.__main__ import main
from fbseg_core.analysis.certificate import certify
from fbseg_core.analysis.cost import cost
from fbseg_core.analysis.lockstep import walk
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.models.registry import count_weights
from fbseg_core.scores.evaluate import evaluate

LOOPED = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
UNTIED = LOOPED.replace(kind="unrolled")
TASK = ShapesConfig(side=16)
X = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def tied(config):
    """An unrolled model all of whose copies have the weights of the feedback model, and that one."""
    looped, model = build(config), build(config.replace(kind="unrolled"), seed=1)
    own = looped.state_dict()
    model.load_state_dict(
        {
            name: own[name if not name.startswith("later") else name.split(".", 2)[2]]
            for name in model.state_dict()
        }
    )
    return looped, model


@pytest.mark.parametrize(
    ("config", "switches"),
    [
        (LOOPED, Switches()),
        (LOOPED, Switches(loop=False)),
        (LOOPED, Switches(softmax=False, decay=False)),
        (LOOPED, Switches(clock=1, tau=0.7)),
        (LOOPED.replace(spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3)), Switches()),
        (LOOPED.replace(norm="none", delta_norm=False, kernel="fractional"), Switches()),
    ],
)
def test_with_tied_weights_it_is_the_feedback_model(config, switches):
    runs = [rollout(model, X, 4, switches=switches) for model in tied(config)]
    for name in ("h", "logits", "delta", "applied"):
        assert torch.equal(*(getattr(run, name) for run in runs)), name
    looped = [run.v_hat for run in runs]
    assert looped == [None, None] if switches.loop is False else torch.equal(*looped)


def test_the_gradients_of_tied_copies_add_up_to_that_of_the_loop():
    models = [model.double() for model in tied(LOOPED)]
    for model in models:
        model(X.double()).square().mean().backward()
    looped, model = models
    copies = [model, *model.later]
    total = sum(copy.F.enter.conv.weight.grad for copy in copies)
    assert torch.allclose(total, looped.F.enter.conv.weight.grad, atol=1e-12)
    assert all(copy.F.enter.conv.weight.grad.abs().max() > 0 for copy in copies)


def test_it_ends_at_its_own_t():
    run = rollout(build(UNTIED), X, 7)
    assert (run.h[5:] == run.h[4]).all() and (run.h[4] != run.h[3]).any()
    assert (run.applied[4:] == 0).all() and (run.residual[4:] > 0).all()  # the last copy is not satisfied
    assert not build(UNTIED).gain(4, Switches(clock=0, decay=False)).any()


def test_its_weights_are_those_of_t_steps_and_its_work_and_its_view_those_of_the_loop():
    head = 3 * 2 + 2
    assert count_weights(UNTIED) - head == 4 * (count_weights(LOOPED) - head)
    found, looped = (cost(build(config), X[:1]) for config in (UNTIED, LOOPED))
    drive = looped.prepare_macs  # of x alone: a loop makes it once
    assert found.recurs and found.run_macs(4) == looped.run_macs(4) + 3 * drive
    assert receptive_field(UNTIED) == receptive_field(LOOPED) > receptive_field(LOOPED, 1)


def test_it_learns_is_scored_saved_and_read_back(tmp_path, capsys):
    model, batch = build(UNTIED), make_batch(TASK, 2, 0)
    before = [copy.F.out.weight.clone() for copy in model.later]
    train = TrainConfig(batch=2, updates=2, steps_min=4, steps_max=4)
    assert list(fit(model, TASK, train))[-1].stopped is None
    assert all((copy.F.out.weight != weight).any() for copy, weight in zip(model.later, before))
    path = tmp_path / "unrolled.safetensors"
    save(model, Card(model.config, TASK, train, updates=2), path)
    again, card = load(path)
    assert card.model.kind == "unrolled" and evaluate(again, batch, 5) == evaluate(model, batch, 5)
    assert main(["eval", str(path), "--images", "2"]) == 0 and "t=12" in capsys.readouterr().out


def test_batch_norm_of_a_copy_has_statistics_of_its_one_step():
    model = build(UNTIED.replace(norm="batch", steps=3)).train()
    model(X)
    assert all(copy.F.enter.norm.batches.tolist() == [1] for copy in (model, *model.later))
    assert all((copy.F.enter.norm.running_mean != 0).any() for copy in model.later)
    assert torch.isfinite(model.eval()(X)).all()


def test_what_is_proved_holds_for_the_largest_of_its_copies_and_it_is_called_switched_off_past_t():
    model = build(UNTIED)
    with torch.no_grad():
        model.later[1].norm_delta.weight.mul_(3)
    assert model.step_bound().scale == pytest.approx(3 * build(UNTIED).step_bound().scale)
    assert certify(model, (16, 16)).holds
    run = rollout(model, X, 12)
    bound = model.step_bound()
    assert all(run.update[t].max() <= 16 * bound.scale * bound.q**t + 1e-3 for t in range(12))
    verdict = walk(model, make_batch(TASK, 1, 0), 12).clocked
    assert (verdict.curves["gain"][1:4] > 0).all() and (verdict.curves["gain"][5:] == 0).all()
