"""Inference of predictive coding against what is known of it: an energy that never rises, and its minimum."""

from itertools import islice

import numpy as np
import pytest
import torch
from predictive_cases import TINY, tiny
from scipy.optimize import lsq_linear

from fbseg_core.config import PredictiveConfig
from fbseg_core.predictive.energy import Senses, energy
from fbseg_core.predictive.inference import infer, lipschitz, settle, squared_gain
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.settings import ConfigError

ONE = PredictiveConfig(
    classes=2, features=1, causes=1, kernel=1, stride=1, kernel_top=1, stride_top=1, sparsity=0, shrink=0.5
)


def scalar(x, y, pi, pi_label, pi_top=0.0):
    """One unknown: U = V = W = 1, one pixel."""
    model = PredictiveCoding(ONE).double()
    for weight in (model.U, model.V, model.W):
        weight.fill_(1.0)
    given = torch.full((1, 1, 1, 1), x, dtype=torch.double)
    shown = None if y is None else torch.full((1, 1, 1, 1), y, dtype=torch.double)
    return settle(model, Senses(given, shown, pi, pi_top, pi_label), 150)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_the_energy_never_rises_for_steps_of_at_most_1_over_l(seed, share):
    model, x, y, pi = tiny(seed)
    for senses in (Senses(x, y, pi, 0.7, 2.0), Senses(x, None, pi, 0.7, 0.0), Senses(x, y, 1.0, 0.0, pi)):
        step = share / lipschitz(model, senses)
        totals = torch.stack([state.energy.total for state in islice(infer(model, senses, step=step), 60)])
        assert (totals.diff(dim=0) <= 1e-12 * totals[0]).all()
        assert (totals[-1] < totals[0]).all()


def test_a_step_far_beyond_2_over_l_raises_it():
    model, x, y, pi = tiny()
    senses = Senses(x, y, pi, 0.7, 2.0)
    totals = [
        s.energy.total.sum() for s in islice(infer(model, senses, step=8 / lipschitz(model, senses)), 9)
    ]
    assert totals[-1] > totals[0]


@pytest.mark.parametrize("kernel, stride", [(1, 1), (3, 1), (4, 2), (6, 2), (4, 4)])
def test_the_bound_on_a_filter_bank_is_tight_and_never_below_its_true_gain(kernel, stride):
    config = PredictiveConfig(features=3, causes=1, kernel=kernel, stride=stride, kernel_top=1, stride_top=1)
    model = PredictiveCoding(config, 3).double()
    size = (12 // stride, 8 // stride)
    basis = torch.eye(3 * size[0] * size[1], dtype=torch.double).view(-1, 3, *size)
    true = float(torch.linalg.svdvals(model.image(basis).flatten(1))[0]) ** 2
    assert true <= squared_gain(model.U, stride, size) * (1 + 1e-12)
    assert squared_gain(model.U, stride, size) <= 1.35 * true


@pytest.mark.parametrize("pi, pi_label", [(1.0, 1.0), (4.0, 1.0), (0.25, 3.0)])
def test_one_unknown_with_two_senses_settles_on_their_precision_weighted_mean(pi, pi_label):
    """Bogacz 2017, section 2: the most likely value of what two noisy senses tell of."""
    state = scalar(2.0, 5.0, pi, pi_label)
    assert float(state.r) == pytest.approx((pi * 2 + pi_label * 5) / (pi + pi_label), abs=1e-9)


def test_one_unknown_with_a_prior_above_it_settles_between_the_two():
    """Over s the second level is a prior of mean 0 and precision π₁β / (π₁ + β)."""
    state = scalar(2.0, None, 1.5, 0.0, pi_top=2.0)
    prior = 2.0 * ONE.shrink / (2.0 + ONE.shrink)
    assert float(state.r) == pytest.approx(1.5 * 2 / (1.5 + prior), abs=1e-9)
    assert float(state.s) == pytest.approx(2.0 * float(state.r) / (2.0 + ONE.shrink), abs=1e-9)


def solved(model, senses):
    """r and s of least energy of each image, by an active-set solver on the dense quadratic form."""
    shapes = model.shapes(tuple(senses.x.shape[2:]))
    sizes = [int(np.prod(shape)) for shape in shapes]
    r, s = (torch.eye(size, dtype=torch.double).view(-1, *shape) for size, shape in zip(sizes, shapes))
    image, label, features = (
        one.flatten(1).T.numpy() for one in (model.image(r), model.label(r), model.features(s))
    )
    found = []
    for i in range(len(senses.x)):
        rows, wanted = [], []
        for given, trust, columns in ((senses.x, senses.pi, image), (senses.y, senses.pi_label, label)):
            if given is not None:
                weight = np.sqrt(torch.as_tensor(trust).expand_as(given)[i].flatten().numpy())
                rows.append(np.hstack([weight[:, None] * columns, np.zeros((len(columns), sizes[1]))]))
                wanted.append(weight * given[i].flatten().numpy())
        rows.append(np.sqrt(senses.pi_top) * np.hstack([np.eye(sizes[0]), -features]))
        rows.append(np.sqrt(model.config.shrink) * np.eye(sizes[1], sum(sizes), sizes[0]))
        wanted += [np.zeros(sum(sizes))]
        A, b = np.vstack(rows), np.concatenate(wanted)
        R = np.linalg.cholesky(A.T @ A).T  # ½‖Az − b‖² + λΣr = ½‖Rz − R⁻ᵀ(Aᵀb − λ)‖² and a constant
        pull = A.T @ b - model.config.sparsity * (np.arange(sum(sizes)) < sizes[0])
        low = np.where(np.arange(sum(sizes)) < sizes[0], 0, -np.inf)
        z = lsq_linear(R, np.linalg.solve(R.T, pull), (low, np.inf), method="bvls", tol=1e-14).x
        found.append(
            (torch.from_numpy(z[: sizes[0]]).view(shapes[0]), torch.from_numpy(z[sizes[0] :]).view(shapes[1]))
        )
    return tuple(map(torch.stack, zip(*found)))


@pytest.mark.parametrize("clamped", [True, False])
def test_clamped_and_free_phase_settle_where_a_direct_solver_does(clamped):
    model, x, y, pi = tiny(config=TINY.replace(shrink=1.0))
    senses = Senses(x, y if clamped else None, pi + 0.5, 1.5, 2.0 if clamped else 0.0)
    state = settle(model, senses, 500)
    r, s = solved(model, senses)
    assert torch.allclose(state.r, r, atol=1e-6) and torch.allclose(state.s, s, atol=1e-6)
    assert (r > 0).any() and (r == 0).any()


def test_the_terms_are_those_of_the_equation():
    model, x, y, pi = tiny()
    senses = Senses(x, y, pi, 0.7, 2.0)
    state = settle(model, senses, 5)
    e = state.errors
    assert torch.allclose(state.prediction + e.image, x)
    expected = 0.5 * (pi * e.image**2).sum() + 0.35 * (e.features**2).sum() + (e.label**2).sum()
    expected += TINY.sparsity * state.r.sum() + 0.5 * TINY.shrink * (state.s**2).sum()
    assert float(state.energy.total.sum()) == pytest.approx(float(expected))
    assert torch.equal(energy(model, senses, state.r, state.s).total, state.energy.total)
    assert (state.r >= 0).all()


def test_with_the_top_level_cut_nothing_reaches_s():
    model, x, y, pi = tiny()
    state = settle(model, Senses(x, y, pi, 0.0, 1.0), 20)
    assert (state.s == 0).all() and (state.r > 0).any()


def test_going_on_gives_what_going_through_gives_bit_for_bit():
    model, x, _, pi = tiny()
    senses = Senses(x, None, pi, 0.7, 0.0)
    whole = list(islice(infer(model, senses), 9))
    rest = list(islice(infer(model, senses, start=whole[4]), 5))
    assert [state.t for state in rest] == [4, 5, 6, 7, 8]
    assert all(torch.equal(a.r, b.r) and torch.equal(a.s, b.s) for a, b in zip(whole[4:], rest))


def test_a_void_pixel_says_nothing_and_a_label_has_no_channel_for_the_background():
    labels = torch.tensor([[[0, 1], [2, 255]]])
    senses = Senses.of(TINY, torch.zeros(1, 2, 2, 2), labels)
    assert senses.y.tolist() == [[[[0, 1], [0, 0]], [[0, 0], [1, 0]]]]
    assert senses.pi_label.tolist() == [[[[1, 1], [1, 0]]]]
    assert Senses.of(TINY, torch.zeros(1, 2, 2, 2)).y is None


def test_an_image_that_does_not_fit_is_refused_in_one_sentence():
    model = PredictiveCoding(TINY)
    with pytest.raises(ConfigError, match="9 × 8 px is no multiple of 4 px"):
        next(infer(model, Senses.of(TINY, torch.zeros(1, 2, 9, 8))))


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"kernel": 3, "stride": 4}, {"kernel": 5, "stride": 4}])
def test_settings_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ConfigError):
        PredictiveConfig(**wrong)
