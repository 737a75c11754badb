import numpy as np
import pytest
import torch

from fbseg_core import Switches, load, pca, rollout
from fbseg_core.analysis.cost import cost, timings
from fbseg_core.analysis.curves import answer_curves
from fbseg_core.analysis.ensemble import ensemble, redraw
from fbseg_core.tasks import draw, task_of


@pytest.fixture(scope="module")
def setting():
    model, card = load("grouping-feedback")
    content = task_of(card.task).content(card.task, 1, 5)
    return model, card.task, content, redraw(card.task, content, 4, 0)


def test_draws_differ_in_noise_alone_and_the_first_is_the_visitor_s(setting):
    _, task, content, batch = setting
    assert torch.equal(batch.x[:1], draw(task, 5, 0).x)
    assert torch.equal(batch.labels, content.labels.expand(4, -1, -1))
    assert torch.equal(batch.x[0, 1], batch.x[3, 1])  # the cue carries no noise
    assert not torch.equal(batch.x[0, 0], batch.x[3, 0])


def test_each_draw_is_measured_as_it_would_be_alone(setting):
    model, _, _, batch = setting
    plane = pca(rollout(model, batch.x[:1], 5))
    steps = [step for step, _ in zip(ensemble(model, batch, plane=plane), range(6))]
    for row in (0, 3):
        alone = rollout(model, batch.x[row : row + 1], 5)
        curves = answer_curves(alone.logits, batch.labels[:1].expand(6, -1, -1, -1))
        for key in ("f1", "iou", "entropy"):
            assert np.allclose([getattr(s, key)[row] for s in steps], curves[key], atol=1e-5)
        assert np.allclose(
            [s.relative_update[row] for s in steps[1:]], alone.relative_update[:, 0], atol=1e-5
        )
        assert np.allclose([s.points[row] for s in steps], plane.transform(alone), atol=1e-3)


def test_spread_is_zero_at_rest_and_for_one_and_the_same_image(setting):
    model, task, content, batch = setting
    first, second = (step for step, _ in zip(ensemble(model, batch), range(2)))
    assert first.spread == 0 < second.spread
    same = redraw(task.replace(sigma=0.0), content, 3, 0)
    assert all(step.spread < 1e-3 for step, _ in zip(ensemble(model, same), range(4)))


def test_an_ensemble_ends_at_overflow(setting):
    model, _, _, batch = setting
    steps = list(ensemble(model, batch, Switches(spectrum=(10.0,), tau=0.05)))
    assert 0 < len(steps) < 10 and np.isfinite(steps[-1].spread)


@pytest.mark.parametrize("name", ["grouping-feedback", "grouping-loop-cut", "grouping-feedforward"])
def test_cost_counts_every_multiply_add_once(name):
    model, card = load(name)
    x = draw(card.task, 0, 0).x
    found = cost(model, x)
    pixels = x.shape[-1] * x.shape[-2]
    assert found.readout_macs == model.config.u * model.config.classes * pixels
    assert found.parameters == sum(p.numel() for p in model.parameters())
    if model.config.kind == "feedback":  # only the first convolution's share of x is done once
        assert found.prepare_macs == 9 * model.config.in_channels * model.config.width * pixels
        assert found.recurs and found.unit_macs == found.step_macs > 10 * found.prepare_macs
        cut = cost(model, x, Switches(loop=False))
        assert not cut.recurs and cut.step_macs == 0 and cut.unit_macs > found.unit_macs / 2
    else:  # one pass, whatever the number of steps
        assert not found.recurs and found.step_macs == 0 < found.unit_macs
        assert found.run_macs(10) == found.unit_macs + found.readout_macs


@pytest.mark.parametrize("name", ["grouping-feedback", "grouping-feedforward"])
def test_each_timing_is_kept(name):
    model, card = load(name)
    found = timings(model, draw(card.task, 0, 0).x, repeats=3)
    assert len(found.milliseconds) == 3 and min(found.milliseconds) > 0
    assert min(found.milliseconds) <= found.median <= max(found.milliseconds)
