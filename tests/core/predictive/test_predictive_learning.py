"""Learning of predictive coding: local changes that are the energy's gradient, and that bring it down."""

from itertools import islice

import numpy as np
import pytest
import torch
from predictive_cases import TINY, tiny

from fbseg_core.config import PhotographsConfig, PredictiveConfig, PredictiveTrain
from fbseg_core.predictive.energy import Senses, energy
from fbseg_core.predictive.files import load, shipped
from fbseg_core.predictive.images import draw
from fbseg_core.predictive.inference import infer, settle
from fbseg_core.predictive.learning import fit, learn, updates
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.predictive.photographs import NAMES, patches, photographs, whitened
from fbseg_core.predictive.scores import evaluate


@pytest.mark.parametrize("labelled", [True, False])
def test_the_local_changes_are_the_gradient_of_the_energy(labelled):
    model, x, y, pi = tiny()
    senses = Senses(x, y if labelled else None, pi, 0.7, 2.0 * pi if labelled else 0.0)
    state = settle(model, senses, 7)
    model.requires_grad_(True)
    energy(model, senses, state.r, state.s).total.sum().backward()
    found = updates(model, senses, state)
    for name in ("U", "V", "W"):
        gradient = getattr(model, name).grad
        expected = torch.zeros_like(getattr(found, name)) if gradient is None else -gradient
        assert torch.allclose(getattr(found, name), expected, rtol=1e-9, atol=1e-12), name
    assert (found.V != 0).any() == labelled


def test_filters_keep_norm_1_and_an_update_leaves_no_graph():
    model, x, y, pi = tiny()
    senses = Senses(x, y, pi, 0.7, 1.0)
    learn(model, senses, settle(model, senses, 10), lr=0.2)
    for weight in (model.U, model.W):
        assert torch.allclose(weight.flatten(1).norm(dim=1), torch.ones(len(weight), dtype=torch.double))
    assert not any(one.requires_grad for one in model.parameters())


def test_learning_one_image_again_and_again_lowers_its_settled_energy():
    model, x, y, _ = tiny(config=TINY.replace(steps=15))
    senses = Senses(x, y, 1.0, 0.7, 1.0)
    config = PredictiveTrain(updates=30, lr=0.1)
    energies = [progress.energy for progress in fit(model, lambda k: senses, config)]
    assert energies[-1] < 0.8 * energies[0]


def test_the_same_seed_trains_the_same_weights():
    def trained(seed):
        model = PredictiveCoding(TINY.replace(steps=5), seed)
        x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1))
        senses = Senses(x, None, 1.0, 0.5, 0.0)
        for _ in fit(model, lambda k: senses, PredictiveTrain(updates=3)):
            pass
        return model.U

    assert torch.equal(trained(0), trained(0)) and not torch.equal(trained(0), trained(1))


# ---- photographs --------------------------------------------------------------------------------------


def test_patches_of_training_and_test_share_no_pixel(monkeypatch):
    column = np.broadcast_to(np.arange(1.0, 201.0, dtype=np.float32), (60, 200))
    checks = np.where(np.indices((60, 200)).sum(0) % 2, 1, -1)  # contrast enough not to be passed over
    monkeypatch.setattr("fbseg_core.predictive.photographs.photographs", lambda: (column * checks,) * 2)
    config = PhotographsConfig(side=16)
    train, test = (patches(config, 40, 0, split).abs() for split in ("train", "test"))
    assert test.max() <= 80 < train.min() and train.max() > 180


def test_the_first_patches_do_not_hang_on_how_many_are_drawn():
    config = PhotographsConfig(side=16)
    assert torch.equal(patches(config, 3, 5), patches(config, 4, 5)[:3])
    assert not torch.equal(patches(config, 1, 5), patches(config, 1, 6))


def test_whitening_evens_out_the_spectrum():
    """Of an image whose amplitudes fall as 1/f what is left is the fall of the filter's own exponential."""
    rng = np.random.default_rng(0)
    f = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None])
    pink = np.fft.ifft2(np.fft.fft2(rng.standard_normal((128, 128))) / np.maximum(f, 1 / 128)).real
    power = np.abs(np.fft.fft2(whitened(pink))) ** 2
    low, high = (power[(f > a) & (f < a + 0.05)].mean() for a in (0.02, 0.2))
    before = np.abs(np.fft.fft2(pink)) ** 2
    assert 0.7 < low / high < 1.5
    assert before[(f > 0.02) & (f < 0.07)].mean() > 15 * before[(f > 0.2) & (f < 0.25)].mean()
    assert len(photographs()) == len(NAMES) == 2


def test_inference_of_patches_is_sparse_and_predicts_them():
    config = PredictiveConfig(features=8, causes=4, kernel=8, stride=4, sparsity=0.3)
    model, x = PredictiveCoding(config), patches(PhotographsConfig(side=16), 2, 0)
    senses = Senses.of(config, x)
    state = settle(model, senses, 60)
    assert 0 < (state.r > 0).float().mean() < 0.8
    assert (state.errors.image**2).sum() < (x**2).sum()


# ---- what ships ---------------------------------------------------------------------------------------


def edges(filters):
    """How much of each filter's gradients lies along one direction (structure tensor): 0 none, 1 all."""
    found = []
    for one in filters:
        gy, gx = np.gradient(one)
        a, b, c = (gx * gx).sum(), (gx * gy).sum(), (gy * gy).sum()
        found.append(np.hypot(a - c, 2 * b) / (a + c))
    return np.array(found)


def test_the_filters_of_photographs_came_out_as_edges_and_began_as_noise():
    model, card = load("photographs")
    assert np.median(edges(model.U[:, 0].numpy())) > 0.65
    assert np.median(edges(PredictiveCoding(card.model, card.train.seed).U[:, 0].numpy())) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_a_shipped_model_scores_on_some_of_its_images_what_its_card_says(name):
    model, card = load(name)
    found = evaluate(model, draw(card.source, 16, card.eval_seed, "test"))
    assert found.explained == pytest.approx(card.scores.explained, abs=0.03)
    if found.f1 is not None:
        assert found.f1 == pytest.approx(card.scores.f1, abs=0.08)


@pytest.mark.parametrize("name", shipped())
def test_the_energy_of_a_shipped_model_never_rises_on_its_images(name):
    model, card = load(name)
    images = draw(card.source, 2, 5, "test")
    senses = Senses.of(card.model, images if isinstance(images, torch.Tensor) else images.x)
    totals = torch.stack([state.energy.total for state in islice(infer(model, senses), 40)])
    assert (totals.diff(dim=0) <= 1e-6 * totals[0]).all()  # sums of float32 round
