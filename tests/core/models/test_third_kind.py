"""A new kind of model is one file and one registry line: here a leaky one, whose F reads all of its state."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import jacfwd

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
    save,
)
from fbseg_core.__main__ import main
from fbseg_core.analysis.certificate import certify
from fbseg_core.analysis.cost import cost
from fbseg_core.analysis.ensemble import ensemble
from fbseg_core.analysis.jacobian import leading_eigenvalues, lyapunov
from fbseg_core.analysis.lockstep import walk
from fbseg_core.analysis.pca import pca
from fbseg_core.models.base import AS_BUILT, Model, StepResult, Traits
from fbseg_core.models.kinds import KINDS
from fbseg_core.models.registry import count_weights, traits_of
from fbseg_core.rollout.interventions import Flip, Paint, intervene, pack_mask
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.evaluate import evaluate

LEAK = 0.4
TASK = ShapesConfig(side=16)


class Leaky(Model):
    """h(t+1) = (1 − λ) h(t) + tanh(C x + F h(t)). Its state is u alone, and all of it is fed back."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.C = nn.Conv2d(config.in_channels, config.u, 3, padding=1)
        self.F = nn.Conv2d(config.u, config.u, 3, padding=1)
        self.head = nn.Conv2d(config.u, config.classes, 1)

    @classmethod
    def traits_of(cls, config):
        return Traits("leaky", True, config.steps, True, frozenset({"loop"}))

    @property
    def feedback_channels(self):
        return slice(0, self.config.u)

    def sensitive_channels(self, switches=AS_BUILT):
        return slice(0, self.config.u)  # the leak depends on the state, whether F does or not

    def initial(self, x):
        return x.new_zeros(len(x), self.config.u, *x.shape[-2:])

    def prepare(self, x, switches=AS_BUILT):
        return self.C(x)

    def advance(self, prepared, h, t, switches):
        fed = None if switches.loop is False else h
        delta = torch.tanh(prepared if fed is None else prepared + self.F(fed)) - LEAK * h
        return StepResult(h + delta, delta, delta, fed)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(KINDS, "leaky", Leaky)


@pytest.fixture
def model(registered):
    return build(ModelConfig(kind="leaky", u=3, steps=4))


@pytest.fixture
def batch():
    return make_batch(TASK, 2, 0, "test")


def test_it_is_built_counted_and_described(model):
    weights = 3 * 3 * 9 + 3 + 3 * 3 * 9 + 3 + 3 * 2 + 2
    assert not model.training and count_weights(model.config) == weights
    assert traits_of(model.config).title == "leaky" and model.steps == 4
    assert torch.equal(build(model.config).F.weight, model.F.weight)


def test_a_run_resumed_is_the_whole_run_and_all_of_its_state_is_both_u_and_v(model, batch):
    run = rollout(model, batch.x, 6)
    assert torch.equal(rollout(model, batch.x, 3, run.state(3)).h, run.h[3:])
    assert torch.equal(run.u, run.h) and torch.equal(run.v, run.h) and torch.equal(run.v_hat, run.h[:-1])
    assert torch.equal(model(batch.x, 6), run.logits[-1])
    assert np.allclose(pca(run, what="v").points, pca(run, what="h").points)


def test_it_learns_is_scored_saved_and_read_back(model, batch, tmp_path, capsys):
    train = TrainConfig(batch=2, updates=2, steps_min=2, steps_max=3, eval_every=1)
    before = model.F.weight.clone()
    progress = list(fit(model, TASK, train))
    assert [each.update for each in progress] == [1, 2] and progress[-1].stopped is None
    assert not torch.equal(model.F.weight, before)
    score = evaluate(model, batch, 4)
    path = tmp_path / "leaky.safetensors"
    save(model, Card(model.config, TASK, train, updates=2), path)
    again, card = load(path)
    assert card.model.kind == "leaky" and evaluate(again, batch, 4) == score
    assert main(["eval", str(path), "--images", "2"]) == 0 and "t=12" in capsys.readouterr().out


def test_it_can_be_intervened_with(model, batch):
    one = type(batch)(batch.x[:1], batch.labels[:1])
    plain, mask = rollout(model, one.x, 4), np.zeros((16, 16), bool)
    mask[:2] = True
    flipped = intervene(model, TASK, one, 4, [Flip(t=2)]).trajectory
    cut = rollout(model, one.x, 2, plain.state(2), Switches(loop=False))
    assert torch.equal(flipped.h[2:], cut.h) and not torch.equal(flipped.h, plain.h)
    assert flipped.v_hat.shape == (4, 1, 3, 16, 16) and flipped.v_hat[2:].abs().max() == 0
    like = "shape" if plain.logits[1].argmax(1).any() else "background"
    painted = intervene(model, TASK, one, 4, [Paint(t=1, like=like, mask=pack_mask(mask))])
    assert not painted.refused and (painted.trajectory.h[1, 0, :, :2].flatten(1).std(1) == 0).all()


@pytest.mark.parametrize("switches", [AS_BUILT, Switches(loop=False)], ids=["looped", "cut"])
def test_no_direction_of_a_leaky_state_is_neutral(model, switches):
    model, x = model.double(), torch.randn(1, 3, 4, 4, dtype=torch.float64)
    state = rollout(model, x, 2, switches=switches).state(2)
    with torch.no_grad():
        whole = jacfwd(lambda h: model.step(x, h, 2, switches=switches).h_next)(state.h).view(48, 48)
    found = leading_eigenvalues(model, x, state, 2, switches)
    assert found.neutral == 0
    assert found.radius == pytest.approx(np.abs(np.linalg.eigvals(whole.numpy())).max(), abs=1e-6)
    if switches.loop is False:
        assert found.radius == pytest.approx(1 - LEAK)
        assert lyapunov(model, x, state, 4, switches).exponent == pytest.approx(np.log(1 - LEAK))


def test_what_is_measured_of_a_model_is_measured_of_it_and_nothing_is_called_proved(model, batch):
    proof = certify(model, (16, 16))
    assert not proof.holds and "leaky" in proof.reason
    both = walk(model, batch, 12)
    assert len(both.clocked) == 12 and (both.clocked.curves["gain"][1:] == 1).all()
    assert cost(model, batch.x).recurs and cost(model, batch.x).step_macs == 2 * 3 * 3 * 9 * 256
    plane = pca(rollout(model, batch.x, 3), what="v")
    step = next(ensemble(model, batch, plane=plane))
    assert step.points.shape == (2, 2)
