import math
from itertools import islice, pairwise

import pytest
import torch

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import State, iterate, rollout

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=6)
MODEL = build(SMALL).eval()
X = torch.randn(2, 3, 17, 18, generator=torch.Generator().manual_seed(0))
CASES = [Switches(), Switches(softmax=False), Switches(decay=False), Switches(loop=False), Switches(clock=1)]


@pytest.mark.parametrize("switches", CASES)
def test_resumed_equals_whole_bit_for_bit(switches):
    whole = rollout(MODEL, X, 6, switches=switches)
    for split in range(7):
        head = rollout(MODEL, X, split, switches=switches)
        tail = rollout(MODEL, X, 6 - split, start=head.state(-1), switches=switches)
        assert torch.equal(torch.cat([head.h, tail.h[1:]]), whole.h)
        assert torch.equal(torch.cat([head.logits, tail.logits[1:]]), whole.logits)
        assert tail.start == split and tail.state(-1).t == 6


def test_rollout_is_the_hand_written_loop():
    h = MODEL.initial(X)
    with torch.no_grad():
        for t in range(3):
            h = MODEL.step(X, h, t).h_next
    assert torch.equal(rollout(MODEL, X, 3).h[-1], h)


def test_iterate_is_lazy_endless_and_begins_at_its_start():
    states = list(islice(iterate(MODEL, X, State(4, MODEL.initial(X))), 50))
    assert [state.t for state in states] == list(range(4, 54)) and not states[0].h.any()


def test_shapes_are_as_documented():
    run = rollout(MODEL, X, 5)
    assert len(run) == 5 and run.h.shape == (6, 2, 5, 17, 18)
    assert run.u.shape[2] == 3 and run.v.shape[2] == 2
    assert run.logits.shape == run.probs.shape == (6, 2, 2, 17, 18)
    assert run.delta.shape == run.applied.shape == (5, 2, 5, 17, 18)
    assert run.v_hat.shape == (5, 2, 2, 17, 18)
    assert run.residual.shape == run.update.shape == run.relative_update.shape == (5, 2)


def test_no_steps_is_the_start_alone():
    run = rollout(MODEL, X, 0)
    assert len(run) == 0 and run.h.shape[0] == 1 and run.residual.shape == (0, 2)


@pytest.mark.parametrize(
    "switches, fewest", [(Switches(spectrum=(10.0,), tau=0.5), 2), (Switches(kernel="fractional"), 7)]
)
def test_overflow_ends_the_run_at_the_last_finite_state_with_a_reason(switches, fewest):
    run = rollout(MODEL, X, 60, switches=switches)
    assert fewest <= len(run) < 60 and "step" in run.stopped
    assert torch.isfinite(run.h).all() and torch.isfinite(run.logits).all()
    assert len(run.delta) == len(run.update) == len(run)


def test_full_runs_give_no_reason():
    assert rollout(MODEL, X, 6).stopped is None


def test_states_can_be_perturbed_cut_and_moved_to_another_image():
    base = rollout(MODEL, X, 6)
    state = base.state(3)
    perturbed = rollout(MODEL, X, 3, start=State(3, state.h + 1))
    assert torch.equal(perturbed.h[0], base.h[3] + 1) and not torch.equal(perturbed.h[-1], base.h[-1])
    moved = rollout(MODEL, X.flip(-1), 3, start=state)
    assert torch.equal(moved.h[0], base.h[3]) and not torch.equal(moved.h[1], base.h[4])
    assert torch.equal(base.h, rollout(MODEL, X, 6).h)


MODELS = {
    "feedback": SMALL,
    "spectrum": SMALL.replace(spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3)),
    "batch norm": SMALL.replace(norm="batch", depth=2),
    "fractional": SMALL.replace(kernel="fractional", tau=20.0),
    "bare": SMALL.replace(delta_norm=False, norm="none", projection="none", decay="none"),
    "loop cut": SMALL.replace(kind="loop_cut"),
    "feedforward": SMALL.replace(kind="feedforward"),
}


@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS.keys())
def test_every_model_resumes_bit_for_bit_from_every_state(config):
    model = build(config).eval()
    whole = rollout(model, X, 6)
    for split in range(7):
        tail = rollout(model, X, 6 - split, start=whole.state(split))
        assert torch.equal(tail.h, whole.h[split:]) and torch.equal(tail.logits, whole.logits[split:])
        assert torch.equal(tail.delta, whole.delta[split:]) and torch.equal(
            tail.applied, whole.applied[split:]
        )


@pytest.mark.parametrize("config", MODELS.values(), ids=MODELS.keys())
def test_every_trajectory_is_what_its_own_records_say(config):
    run = rollout(build(config).eval(), X, 5)
    assert torch.equal(run.h[:-1] + run.applied, run.h[1:])
    assert torch.allclose(run.probs.sum(2), torch.ones(()), atol=1e-5)
    assert torch.allclose(run.residual, run.delta.double().flatten(2).norm(dim=2))
    assert torch.allclose(run.update, run.applied.double().flatten(2).norm(dim=2))
    assert torch.equal(torch.cat([run.u, run.v], 2), run.h)
    assert (run.v_hat is None) == (config.kind != "feedback")


def test_each_image_of_a_batch_runs_as_if_alone():
    model = build(SMALL)
    assert torch.allclose(rollout(model, X, 4).h[:, 1:], rollout(model, X[1:], 4).h, atol=1e-5)


def test_relative_update_is_its_definition_and_zero_at_a_zero_state():
    run = rollout(build(SMALL), X, 4)
    assert torch.allclose(run.relative_update[0], torch.ones(2).double(), atol=1e-6)
    h = run.h.double().flatten(2)
    assert torch.allclose(run.relative_update, (h[1:] - h[:-1]).norm(dim=2) / h[1:].norm(dim=2), atol=1e-6)
    model = build(SMALL)
    torch.nn.init.zeros_(model.norm_delta.weight)
    still = rollout(model, X, 3)
    assert not still.h.any() and not still.relative_update.any()


def test_iterate_computes_a_step_only_when_asked():
    calls = []
    model = build(SMALL)
    model.F.out.register_forward_hook(lambda *_: calls.append(1))
    states = iterate(model, X)
    assert calls == [] and next(states).t == 0 and calls == []
    next(states)
    next(states)
    assert len(calls) == 2


def test_the_image_enters_once_and_iterate_carries_gradients():
    calls = []
    model = build(SMALL)
    drive = model.F.drive
    model.F.drive = lambda x: calls.append(1) or drive(x)
    *_, last = islice(iterate(model, X), 5)
    assert len(calls) == 1 and last.h.requires_grad and not rollout(model, X, 2).h.requires_grad


def test_the_first_state_is_the_very_start_given():
    start = State(3, torch.randn(2, 5, 17, 18))
    assert next(iterate(build(SMALL), X, start)) is start
    run = rollout(build(SMALL), X, 2, start=start)
    assert torch.equal(run.h[0], start.h) and run.start == 3 and run.state(-1).t == 5 and run.state(0).t == 3
    with pytest.raises(IndexError):
        run.state(3)


def test_a_states_own_step_is_recorded_with_it():
    model = build(SMALL)
    with torch.no_grad():
        states = list(islice(iterate(model, X), 4))
    assert states[0].delta is states[0].applied is states[0].v_hat is None
    for before, after in pairwise(states):
        with torch.no_grad():
            step = model.step(X, before.h, before.t)
        assert torch.equal(after.h, step.h_next) and torch.equal(after.delta, step.delta)
        assert torch.equal(after.applied, step.applied) and torch.equal(after.v_hat, step.v_hat)


def test_the_configs_own_number_of_steps_is_the_default():
    assert len(rollout(build(SMALL.replace(steps=2)), X)) == 2


def test_the_fractional_kernel_ends_a_run_one_step_past_its_horizon():
    run = rollout(build(SMALL), X, 20, switches=Switches(kernel="fractional"))
    assert len(run) == SMALL.steps + 1 and f"step {SMALL.steps + 2}" in run.stopped
    assert not run.applied[-1].any() and torch.isfinite(run.relative_update).all()


def test_iterate_returns_its_reason_for_ending():
    states = iterate(build(SMALL), X, State(7, torch.zeros(2, 5, 17, 18)), Switches(kernel="fractional"))
    next(states)
    with pytest.raises(StopIteration) as end, torch.no_grad():
        next(states)
    assert "step 8" in end.value.value


def test_iterate_itself_ends_at_the_last_finite_state():
    with torch.no_grad():
        states = list(islice(iterate(build(SMALL), X, switches=Switches(spectrum=(10.0,), tau=0.5)), 60))
    assert 2 < len(states) < 60 and all(torch.isfinite(state.h).all() for state in states)


def test_logits_that_overflow_end_the_run_although_the_state_is_finite():
    model = build(SMALL)
    torch.nn.init.constant_(model.head.weight, 3e38)
    run = rollout(model, X, 4)
    assert "logits" in run.stopped and "step 1" in run.stopped
    assert len(run) == 0 and torch.isfinite(run.logits).all() and run.residual.shape == (0, 2)


def test_growth_is_measured_without_overflow():
    run = rollout(build(SMALL), X, 60, switches=Switches(spectrum=(10.0,), tau=0.5, loop=False))
    assert (
        run.h.abs().max() > 1e20 and torch.isfinite(run.update).all() and torch.isfinite(run.residual).all()
    )


def test_a_lesion_of_v_can_only_be_felt_through_the_loop():
    model, silent = build(SMALL), Switches(loop=False)
    for switches, felt in ((Switches(), True), (silent, False)):
        state = rollout(model, X, 2, switches=switches).state(-1)
        lesioned = state.h.clone()
        lesioned[:, 3:] = 0
        whole, cut = (rollout(model, X, 2, start=State(2, h), switches=switches) for h in (state.h, lesioned))
        assert torch.equal(whole.u[0], cut.u[0]) and (not torch.equal(whole.u[-1], cut.u[-1])) == felt


@pytest.mark.parametrize("tau", [0.5, 5.0])
def test_a_late_perturbation_is_never_forgotten_without_a_loop(tau):
    model, change = build(SMALL.replace(tau=tau)), torch.randn(2, 5, 17, 18)
    quiet = Switches(loop=False)
    base = rollout(model, X, 9, switches=quiet)
    perturbed = rollout(model, X, 5, start=State(4, base.h[4] + change), switches=quiet)
    assert torch.allclose(perturbed.h[-1] - base.h[-1], change, atol=1e-4)


@pytest.mark.parametrize("tau", [0.3, 3.0])
@pytest.mark.parametrize("switches", [Switches(), Switches(softmax=False)])
def test_states_keep_within_the_proved_distance_of_their_limit(tau, switches):
    model = build(SMALL.replace(tau=tau))
    steps = int(20 * tau) + 5
    run = rollout(model, X, steps, switches=switches)
    radius, q = math.sqrt(5 * 17 * 18), math.exp(-1 / tau)
    distance = (run.h[-1] - run.h).double().flatten(2).norm(dim=2).amax(1)
    bound = radius * q ** torch.arange(steps + 1) / (1 - q)
    assert (distance <= bound + 1e-3).all() and run.relative_update[-1].max() < 1e-6
