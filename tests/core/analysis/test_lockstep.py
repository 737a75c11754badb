import numpy as np
import pytest
import torch

from fbseg_core import ConfigError, ModelConfig, Switches, build, rollout
from fbseg_core.analysis.lockstep import runs_held_as, shared_plane, state_at, walk
from fbseg_core.analysis.pca import pca
from fbseg_core.analysis.stability import judge
from fbseg_core.scores.metrics import mask_of
from fbseg_core.tasks import Batch

MODEL = build(ModelConfig(width=4, depth=1, u=3, v=2, tau=3.0)).eval()
X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
BATCH = Batch(X, (X[:, 0] > 1).long(), {})
OVERFLOWS = Switches(spectrum=(2.0,), tau=0.1)


def test_a_walk_holds_the_numbers_of_the_rollout_it_sums_up():
    run, found = rollout(MODEL, X, 20), walk(MODEL, BATCH, 20)
    leg, curves = found.clocked, found.clocked.curves
    assert len(leg) == 20 and leg.stopped is None
    assert np.allclose(curves["norm"], run.h[:, 0].flatten(1).norm(dim=1))
    for key, values in (("delta", run.residual), ("applied", run.update), ("update", run.relative_update)):
        assert np.isnan(curves[key][0]) and np.array_equal(curves[key][1:], values[:, 0].numpy())
    assert np.allclose(curves["gain"][1:], np.exp(-np.arange(20) / 3))
    assert curves["to_end"][-1] == 0 and np.isclose(curves["to_end"][0], curves["norm"][-1])
    assert np.array_equal(leg.masks, run.logits[:, 0].argmax(1).numpy())
    assert abs(leg.shape / 255 - run.probs[:, 0, 1].numpy()).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("clock", [0, 6])
def test_the_clock_is_held_from_its_step_on_and_the_verdicts_are_judge_s(clock):
    found = walk(MODEL, BATCH, 20, clock)
    before = rollout(MODEL, X, clock)
    told = judge(MODEL, X, before.state(-1), 20 - clock)
    assert (found.state, found.mask) == (told.state, told.mask)
    for key in ("norm", "gain", "applied"):
        going, held = found.clocked.curves[key], found.frozen.curves[key]
        assert np.array_equal(going[: clock + 2], held[: clock + 2], equal_nan=True)
        assert not np.allclose(going[clock + 2 :], held[clock + 2 :])
    assert np.allclose(found.frozen.curves["gain"][clock + 1 :], np.exp(-clock / 3))


@pytest.mark.parametrize("more", [{}, {"integrator": "leaky", "k": 0.3}, {"spectrum": (2.0,), "tau": 0.1}])
def test_held_from_rest_on_a_run_is_that_without_decay_and_need_not_be_run_again(more):
    switches, plain = Switches(**more), Switches(decay=False, **more)
    assert runs_held_as(MODEL, switches, plain, 20)
    told, found = walk(MODEL, BATCH, 20, 0, switches), walk(MODEL, BATCH, 20, 0, plain)
    found = walk(MODEL, BATCH, 20, 0, switches, held=found.clocked)
    for one, other in ((found.clocked, told.clocked), (found.frozen, told.frozen)):
        assert np.array_equal(one.masks, other.masks) and torch.equal(one.end, other.end)
        assert all(np.array_equal(one.curves[k], other.curves[k], equal_nan=True) for k in other.curves)
        assert one.sentences == other.sentences
    for one, other in ((found.state, told.state), (found.mask, told.mask)):
        assert str(one) == str(other) and one.apart == pytest.approx(other.apart, rel=1e-12)


def test_a_run_is_taken_for_another_only_where_every_step_is_the_same():
    plain = Switches(decay=False)
    assert not runs_held_as(MODEL, plain, plain, 20)  # its own run, which stands for both
    assert not runs_held_as(MODEL, Switches(kernel="fractional"), plain.replace(kernel="fractional"), 20)
    assert not runs_held_as(MODEL, Switches(softmax=False), plain, 20)
    model = build(ModelConfig(width=4, depth=1, u=3, v=2, norm="batch"))
    assert not runs_held_as(model, Switches(), plain, 20)


def test_a_verdict_gets_the_eight_steps_it_needs():
    assert len(walk(MODEL, BATCH, 10, 9).clocked) == 17


def test_a_walk_is_given_up_at_the_step_at_which_it_is_reported():
    reached = []

    def report(t):
        reached.append(t)
        if len(reached) == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk(MODEL, BATCH, 20, 3, report=report)
    assert reached == [0, 1, 2, 3, *range(3, 11)]


def test_overflow_ends_both_runs_with_its_reason():
    found = walk(MODEL, BATCH, 20, 10, OVERFLOWS)
    assert len(found.clocked) < 8 and "finite" in found.clocked.stopped and found.state.name == "diverging"
    assert np.isfinite(found.clocked.curves["norm"]).all()


@pytest.mark.parametrize("off", [Switches(decay=False), Switches(spectrum=(0.0,))])
def test_where_nothing_depends_on_the_clock_one_run_stands_for_both(off):
    told = judge(MODEL, X, None, 12, off)
    assert told.frozen is told.clocked
    assert torch.equal(rollout(MODEL, X, 12, None, off.replace(clock=0)).h, told.frozen.h)


def test_batch_norm_s_statistics_go_by_the_clock_so_the_held_run_is_another():
    model = build(ModelConfig(width=4, depth=1, u=3, v=2, norm="batch", decay="none"))
    told = judge(model, X, None, 12)
    assert told.frozen is not told.clocked


def test_the_shared_plane_places_all_runs_and_is_that_of_their_states():
    walks = [walk(MODEL, BATCH, 12, 0, Switches(softmax=on)) for on in (True, False)]
    plane = shared_plane([found.clocked for found in walks])
    assert len(plane.points) == 26
    assert np.allclose(np.concatenate([plane.place(found.clocked.sample) for found in walks]), plane.points)
    alone, whole = shared_plane([walks[0].clocked]), pca(rollout(MODEL, X, 12), 2)
    assert np.allclose(alone.points, whole.points, atol=1e-4)  # 16 px: every pixel is kept


def test_a_state_is_that_of_the_run_or_the_reason_why_there_is_none():
    assert torch.equal(state_at(MODEL, BATCH, 4).h, rollout(MODEL, X, 4).h[-1])
    with pytest.raises(ConfigError, match="finite number at step"):
        state_at(MODEL, BATCH, 30, OVERFLOWS)


def test_a_mask_is_the_argmax_and_the_first_of_equals():
    logits = torch.randn(3, 2, 4, 5, 6).round()
    assert torch.equal(mask_of(logits), logits.argmax(2))
    assert mask_of(torch.zeros(1, 3, 2, 2)).sum() == 0
