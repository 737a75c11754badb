import math

import pytest
import torch

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.mechanisms import DECAYS, PROJECTIONS, fractional_kernel
from fbseg_core.models.registry import build, count_weights
from fbseg_core.rollout.trajectory import iterate, rollout

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
FULL = SMALL.replace(spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3))
X = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_state_starts_at_zero():
    h = build(SMALL).initial(X)
    assert h.shape == (2, 5, 16, 16) and not h.any()


def test_softmax_feedback_lies_on_the_simplex():
    v_hat = rollout(build(SMALL), X, 4).v_hat
    assert (v_hat >= 0).all() and torch.allclose(v_hat.sum(2), torch.ones(()), atol=1e-6)


def test_minus_identity_decays_like_exp_minus_t_over_tau():
    model = build(SMALL)
    for t in range(6):
        assert torch.allclose(model.gain(t), torch.full((5,), math.exp(-t / SMALL.tau)))


@pytest.mark.parametrize("switches", [Switches(), Switches(tau=0.7), Switches(spectrum=(1, 0.5, 0, -1, -2))])
def test_damping_is_the_matrix_exponential(switches):
    model, delta, t = build(FULL), torch.randn(2, 5, 3, 3), 3
    Q, tau = model.basis(), switches.tau or FULL.tau
    A = Q @ model.eigenvalues(switches).diag() @ Q.T
    expected = torch.einsum("ij,bjhw->bihw", torch.matrix_exp(t / tau * A), delta)
    assert torch.allclose(model.damp(delta, t, switches), expected, atol=1e-4)


def test_basis_is_orthogonal_and_stays_so_in_training():
    model = build(FULL)
    before = model.basis().detach().clone()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    *_, last = (state for state, _ in zip(iterate(model, X), range(4)))
    last.h.square().mean().backward()
    optimiser.step()
    after = model.basis()
    assert not torch.allclose(before, after, atol=1e-3)
    for Q in (before, after):
        assert torch.allclose(Q @ Q.T, torch.eye(5), atol=1e-5)


def test_positive_eigenvalues_grow():
    gain = [float(build(SMALL).gain(t, Switches(spectrum=(0.5,)))[0]) for t in (0, 1, 2)]
    assert gain == pytest.approx([1, math.exp(0.25), math.exp(0.5)])


def test_frozen_clock_holds_the_gain():
    model = build(SMALL)
    assert all(torch.equal(model.gain(t, Switches(clock=2)), model.gain(2)) for t in range(9))


def test_cut_loop_makes_all_steps_equal_but_for_the_clock():
    run = rollout(build(SMALL), X, 4, switches=Switches(loop=False))
    assert run.v_hat is None and all(torch.equal(run.delta[0], delta) for delta in run.delta)
    total = sum(math.exp(-t / SMALL.tau) for t in range(4))
    assert torch.allclose(run.h[-1], run.delta[0] * total, atol=1e-5)


def test_loop_cut_model_is_the_feedback_model_with_its_loop_cut():
    whole, cut = build(SMALL, 1), build(SMALL.replace(kind="loop_cut"), 1)
    assert torch.equal(rollout(whole, X, switches=Switches(loop=False)).h, rollout(cut, X).h)


def test_the_fractional_kernel_multiplies_the_gain():
    gain = build(SMALL).gain(1, Switches(kernel="fractional"))
    assert float(gain[0]) == pytest.approx(math.exp(-1 / 2) * 0.75**0.5 / math.gamma(1.5))


def test_registries_take_new_entries(monkeypatch):
    monkeypatch.setitem(PROJECTIONS, "half", lambda v: v / 2)
    monkeypatch.setitem(DECAYS, "harmonic", lambda t, tau, eigenvalues: 1 / (1 - t / tau * eigenvalues))
    model = build(SMALL.replace(projection="half", decay="harmonic"))
    assert float(model.gain(4)[0]) == pytest.approx(1 / 3)
    v = torch.randn(1, 2, 8, 8)
    assert torch.equal(model.project(v), model.norm_v(v) / 2)


def test_feedforward_answers_in_one_step():
    model = build(SMALL.replace(kind="feedforward"))
    run = rollout(model, X, 3)
    assert torch.equal(run.logits[1], model(X).detach()) and torch.equal(run.h[1], run.h[3])


def test_seed_fixes_the_weights_and_spares_the_global_random_state():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    a, b, c = build(FULL, 3), build(FULL, 3), build(FULL, 4)
    assert torch.equal(before, torch.get_rng_state())
    pairs = list(zip(a.state_dict().values(), b.state_dict().values(), c.state_dict().values()))
    assert all(torch.equal(p, q) for p, q, _ in pairs)
    assert not all(torch.equal(p, r) for p, _, r in pairs)


def test_state_converges_within_the_proved_bound():
    model = build(SMALL)
    run = rollout(model, X, 40)
    radius = float(model.norm_delta.weight.detach().abs().max()) * math.sqrt(5 * 16 * 16)
    q = math.exp(-1 / SMALL.tau)
    assert (run.residual <= radius + 1e-3).all()
    for t in range(41):
        far = (run.h[-1] - run.h[t]).flatten(1).norm(dim=1).max()
        assert far <= radius * q**t / (1 - q) + 1e-3


@pytest.mark.parametrize("norm", ["group", "batch", "none"])
def test_gradient_through_time_equals_finite_differences(norm):
    model = build(SMALL.replace(norm=norm)).double().train()
    x = X.double()

    def value() -> torch.Tensor:
        return sum(state.h.square().mean() for state, _ in zip(iterate(model, x), range(4)))

    value().backward()
    weight = model.F.stem.conv.weight
    direction = torch.randn(weight.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    slope = (weight.grad * direction).sum()
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            weight += sign * 1e-6 * direction
            values.append(value())
            weight -= sign * 1e-6 * direction
    assert float(slope) == pytest.approx(float(values[0] - values[1]) / 2e-6, rel=1e-4)


def test_threads_that_build_at_once_get_the_weights_of_their_seeds():
    from concurrent.futures import ThreadPoolExecutor

    config = ModelConfig(width=4, depth=1)
    alone = [build(config, seed).head.weight for seed in range(24)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: build(config, seed).head.weight, range(24)))
    assert all(torch.equal(a, b) for a, b in zip(alone, together))


@pytest.mark.parametrize("kind", ["feedback", "loop_cut", "feedforward"])
@pytest.mark.parametrize("norm", ["group", "batch", "none"])
@pytest.mark.parametrize(
    "more", [{}, {"depth": 0}, {"depth": 4, "width": 3}, {"delta_norm": False, "in_channels": 1}]
)
def test_weights_are_counted_without_making_them(kind, norm, more):
    config = ModelConfig(kind=kind, norm=norm, u=5, v=2, classes=3, **more)
    spread = config.replace(spectrum=(-1.0, -1.0, -2.0, -1.0, -1.0, -1.0, -1.0))
    for each in (config, spread):
        assert count_weights(each) == sum(weight.numel() for weight in build(each).parameters())


@pytest.mark.parametrize("t", [0, 1, 7])
@pytest.mark.parametrize("tau", [0.2, 20.0])
def test_damping_is_the_matrix_exponential_at_short_and_long_time_constants(t, tau):
    model = build(FULL.replace(tau=tau)).double()
    delta, Q = torch.randn(2, 5, 3, 3, dtype=torch.float64), model.basis()
    A = Q @ torch.tensor(FULL.spectrum, dtype=torch.float64).diag() @ Q.T
    expected = torch.einsum("ij,bjhw->bihw", torch.matrix_exp(t / tau * A), delta)
    assert (model.damp(delta, t) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert torch.allclose(Q @ Q.T, torch.eye(5, dtype=torch.float64), atol=1e-6)


def test_equal_eigenvalues_given_one_by_one_are_the_same_model():
    one, five = build(SMALL.replace(spectrum=(-2.0,)), 1), build(SMALL.replace(spectrum=(-2.0,) * 5), 1)
    assert torch.equal(rollout(one, X).h, rollout(five, X).h) and list(one.state_dict()) == list(
        five.state_dict()
    )


@pytest.mark.parametrize("alpha", [1.0, 1.5, 3.0])
def test_fractional_kernel_by_its_formula(alpha):
    for t in (0, 1, 5, 10):
        expected = (1 - t / 10) ** (alpha - 1) / math.gamma(alpha)
        assert fractional_kernel(t, 10, alpha) == pytest.approx(expected)
    assert math.isnan(fractional_kernel(11, 10, alpha))


def test_a_closed_loop_reads_v_and_not_u():
    model, h = build(SMALL), torch.randn(2, 5, 16, 16)
    moved_u, moved_v = h.clone(), h.clone()
    moved_u[:, :3] += torch.randn(2, 3, 16, 16)
    moved_v[:, 3:] += torch.randn(2, 2, 16, 16)
    with torch.no_grad():
        plain, u, v = (model.step(X, state, 0).delta for state in (h, moved_u, moved_v))
    assert torch.equal(plain, u) and not torch.allclose(plain, v, atol=1e-3)


@pytest.mark.parametrize("scale", [1.0, -3.0])
def test_delta_is_bounded_by_gamma_and_the_number_of_entries(scale):
    model = build(SMALL)
    with torch.no_grad():
        model.norm_delta.weight.mul_(scale)
        model.F.out.weight.mul_(100)
    run = rollout(model, X, 6, switches=Switches(decay=False))
    bound = abs(scale) * math.sqrt(5 * 16 * 16)
    assert (run.residual <= bound * (1 + 1e-5)).all() and (run.residual > 0.9 * bound).all()


def test_forward_reads_out_the_last_state_of_the_rollout():
    model = build(SMALL)
    for steps in (None, 0, 2):
        with torch.no_grad():
            assert torch.equal(model(X, steps), rollout(model, X, steps).logits[-1])


def test_gradient_reaches_every_weight_of_the_loop():
    model = build(FULL)
    *_, last = (state for state, _ in zip(iterate(model, X), range(4)))
    (model.readout(last.h).square().mean() + last.h.pow(3).mean()).backward()
    missing = [
        name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()
    ]
    # with δ normalised over the image, what the last convolution adds everywhere alike is taken out again
    assert set(missing) <= {"F.out.bias"}


def test_feedforward_later_steps_add_exactly_nothing():
    run = rollout(build(SMALL.replace(kind="feedforward")), X, 4)
    assert not run.applied[1:].any() and run.update[1:].sum() == 0 and run.v_hat is None
    assert all(torch.equal(run.logits[1], logits) for logits in run.logits[2:])
    assert run.v.shape[2] == 0 and run.u.shape[2] == 3


@pytest.mark.parametrize("kind", ["feedback", "loop_cut", "feedforward"])
@pytest.mark.parametrize("norm", ["group", "batch", "none"])
def test_a_model_is_built_in_evaluation_mode(kind, norm):
    model = build(ModelConfig(kind=kind, norm=norm, width=4, depth=1))
    assert not any(module.training for module in model.modules())


def test_a_switch_turned_on_keeps_the_projection_the_model_was_built_with(monkeypatch):
    monkeypatch.setitem(
        PROJECTIONS, "sparse", lambda v: v.relu() / v.relu().sum(1, keepdim=True).clamp_min(1e-6)
    )
    model = build(ModelConfig(projection="sparse", width=4, depth=1))
    v = torch.randn(2, model.config.v, 8, 8, generator=torch.Generator().manual_seed(0))
    own = PROJECTIONS["sparse"](model.norm_v(v))
    assert not torch.equal(own, model.norm_v(v).softmax(1))
    assert torch.equal(model.project(v), own)
    assert torch.equal(model.project(v, Switches(softmax=True)), own)
    assert torch.equal(model.project(v, Switches(softmax=False)), model.norm_v(v))
    plain = build(ModelConfig(projection="none", width=4, depth=1))
    assert torch.equal(plain.project(v, Switches(softmax=True)), plain.norm_v(v).softmax(1))
