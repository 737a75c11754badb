"""The ideal observer against brute force, against known limits, against the labels and against our models."""

import itertools

import numpy as np
import pytest
import torch

from fbseg_core.analysis.ideal import Grid, best_threshold, ideal_f1, ideal_observer, posteriors
from fbseg_core.analysis.shape_cells import Family, coverage, log_likelihood
from fbseg_core.checkpoint import FOLDER, load
from fbseg_core.config import ShapesConfig
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch, task_of
from fbseg_core.tasks.shapes import cover

TINY = ShapesConfig(side=16, sigma=0.7)
EVERY = 10**7  # cells: halve every box, so that the grid is a plain product


def draw(config, n, seed):
    return make_batch(config.replace(normalise="none"), n, seed)


def brute_force(config, observed, step, radii, turns=1):
    """P(pixel in shape), P(kind): every mask of a plain grid drawn by `cover`, every channel's likelihood."""
    centre = (np.arange(round(config.side / step)) + 0.5) * step
    span = (config.radius_max - config.radius_min) * config.side
    radius = config.radius_min * config.side + (np.arange(radii) + 0.5) / radii * span
    masks, mass, kind = [], [], []
    for k, sides in enumerate(config.sides):
        turn = 2 * np.pi / sides if sides else 0.0
        angles = (np.arange(turns) + 0.5) / turns * turn if config.rotate else np.array([-np.pi / 2])
        for r, a in itertools.product(radius, angles):
            cx, cy = (grid.ravel() for grid in np.meshgrid(centre, centre))
            lo, hi = (r, config.side - r) if config.border == "inside" else (0.0, config.side)
            part = [
                np.clip(np.minimum(hi, c + step / 2) - np.maximum(lo, c - step / 2), 0, 1) for c in (cx, cy)
            ]
            prior = part[0] * part[1] / (hi - lo) ** 2 / len(angles)
            on = prior > 0
            ones = np.ones(on.sum())
            mask = torch.from_numpy(cover(config.side, cx[on], cy[on], r * ones, a * ones, sides))
            error = (observed.double().square().sum(0) - (observed.double() - 1).square().sum(0)).flatten()
            log_ratio = mask.flatten(1).double() @ error / (2 * config.sigma**2)
            masks.append(mask)
            mass.append(torch.from_numpy(np.log(prior[on])) + log_ratio)
            kind.append(torch.full((len(mask),), k))
    weights = torch.cat(mass).softmax(0)
    kinds = torch.zeros(len(config.sides), dtype=torch.float64).index_add(0, torch.cat(kind), weights)
    return torch.einsum("n,nhw->hw", weights, torch.cat(masks).double()), kinds


@pytest.mark.parametrize(
    ("changes", "step", "radii", "turns"),
    [
        pytest.param({}, 0.5, 5, 1, marks=pytest.mark.slow),
        pytest.param({"sigma": 3.0, "channels": 1}, 0.5, 5, 1, marks=pytest.mark.slow),
        ({"sides": (4, 0, 5), "border": "inside"}, 0.5, 5, 1),
        ({"sides": (3, 0), "rotate": True, "radius_min": 0.2, "radius_max": 0.2}, 1.0, 1, 4),
    ],
)
@pytest.mark.parametrize("levels", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_equals_brute_force_on_the_same_grid(changes, step, radii, turns, levels):
    config = TINY.replace(**changes)
    observed = draw(config, 2, 3).x
    result = ideal_observer(config, observed, Grid(levels=levels, cells=EVERY))
    finer = 2**levels
    radii = radii if config.radius_max == config.radius_min else radii * finer
    for i in range(2):
        marginal, kinds = brute_force(config, observed[i], step / finer, radii, turns * finer)
        assert (result.marginal[i] - marginal).abs().max() < 1e-5
        assert (result.kinds[i] - kinds).abs().max() < 1e-5
        assert marginal.max() > 0.01 and kinds.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 4.0])
def test_coarse_boxes_that_are_not_kept_still_count(sigma):
    config = TINY.replace(sigma=sigma)
    observed = draw(config, 2, 8).x
    one = ideal_observer(config, observed, Grid(levels=0, cells=1))
    every = ideal_observer(config, observed, Grid(levels=0, cells=EVERY))
    assert (one.marginal - every.marginal).abs().max() < 1e-9
    assert torch.allclose(one.kinds, every.kinds)


@pytest.mark.parametrize(("sigma", "close"), [(0.4, 1e-3), pytest.param(1.0, 0.03, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_halving_only_the_best_boxes_comes_close_to_halving_all(sigma, close):
    config = TINY.replace(sigma=sigma)
    observed = draw(config, 3, 8).x
    every, few = (ideal_observer(config, observed, Grid(levels=2, cells=n)).marginal for n in (EVERY, 400))
    coarse = ideal_observer(config, observed, Grid(levels=0, cells=400)).marginal
    assert (few - every).abs().sum() / every.sum() < close < (coarse - every).abs().sum() / every.sum()


@pytest.mark.thorough
def test_a_coarse_step_of_several_pixels_is_refined_to_the_same_answer():
    config = ShapesConfig(side=32, sigma=1.0)
    observed = draw(config, 3, 2).x
    fine, coarse = (ideal_observer(config, observed, Grid(step=step)).marginal for step in (0.5, 2.0))
    assert (fine - coarse).abs().sum() / fine.sum() < 0.01


@pytest.mark.parametrize("sides", [0, 3, 4, 7])
def test_runs_cover_what_the_task_draws(sides):
    config = ShapesConfig(side=32, sides=(sides,), rotate=True)
    info = task_of(config).content(config, 40, 6)
    columns = [info.info[key] for key in ("cx", "cy", "radius", "angle")]
    cells = torch.stack([*columns, torch.zeros_like(columns[0])[:, :]], -1)[:, 0]
    for cell, mask in zip(cells, info.labels):
        drawn = coverage(config, cell[None], torch.ones(1, dtype=torch.float64))
        assert torch.equal(drawn.round().long(), mask)
    evidence = torch.randn(32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = (info.labels * evidence).sum((1, 2))
    assert torch.allclose(log_likelihood(config, cells, evidence), expected)


@pytest.mark.parametrize("border", ["cut", "inside"])
def test_prior_adds_up_to_one_at_every_level(border):
    config = TINY.replace(border=border, sides=(3, 0), rotate=True)
    family = Family(config, 1.0)
    cells = torch.tensor(
        [(x + 0.5, y + 0.5, r, a, k) for k, r, a in family.coarse for x in range(16) for y in range(16)],
        dtype=torch.float64,
    )
    for _ in range(2):
        assert family.log_prior(cells).exp().sum().item() == pytest.approx(1, abs=1e-6)
        family, cells = family.halve(cells)


@pytest.mark.parametrize(
    "sigma", [0.0, *(pytest.param(sigma, marks=pytest.mark.thorough) for sigma in (0.05, 0.15))]
)
@pytest.mark.slow
def test_without_noise_the_mask_is_exact(sigma):
    score = ideal_f1(ShapesConfig(sigma=sigma, side=32), 12, 4)
    assert score.f1 == (1.0,) and score.images == 12


def test_without_evidence_the_prior_remains_and_its_best_constant_mask():
    nothing = torch.full((1, 3, 16, 16), 0.5)
    result = ideal_observer(TINY, nothing)
    labels = task_of(TINY).content(TINY, 6000, 1).labels.double()
    frequency = labels.mean(0)
    error = (frequency * (1 - frequency) / len(labels)).sqrt()
    assert ((result.marginal[0] - frequency).abs() < 5 * error + 1e-9).all()
    mask = result.mask[0].double()
    assert 0.3 < mask.mean() < 1  # not all of the image: corners are poorer

    def pooled(m):
        return float(2 * (frequency * m).sum() / (m.sum() + frequency.sum()))

    levels = frequency.unique()
    assert pooled(mask) == pytest.approx(max(pooled((frequency >= x).double()) for x in levels), abs=0.003)
    assert result.expected_f1.item() == pytest.approx(pooled(mask), abs=0.005)


@pytest.mark.thorough
def test_marginals_are_frequencies():
    config = ShapesConfig(side=32, sigma=1.2)
    batch = draw(config, 150, 11)
    marginal = ideal_observer(config, batch.x, Grid(cells=512)).marginal
    edges = torch.tensor([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0001], dtype=torch.float64)
    where = torch.bucketize(marginal, edges, right=True)
    for k in range(1, len(edges)):
        # pixels of one image are not independent: the error is taken over images, whose few surprises
        # at the ends need wide bins to be seen
        off = ((batch.labels - marginal) * (where == k)).sum((1, 2))
        assert (where == k).sum() > 300
        assert abs(off.sum()) < 4 * off.std() * len(off) ** 0.5, (k, off.sum())


def test_threshold_is_the_best_of_all_masks():
    p = torch.tensor([0.9, 0.6, 0.35, 0.2, 0.02], dtype=torch.float64)
    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=5)), dtype=torch.float64)
    values = 2 * (masks @ p) / (masks.sum(1) + p.sum())
    threshold, expected = best_threshold(p)
    assert torch.equal((p >= threshold).double(), masks[values.argmax()])
    assert expected == pytest.approx(values.max().item())
    assert p[p < threshold].max() <= expected / 2 <= threshold  # pixels join as long as they pay


@pytest.mark.thorough
def test_no_shipped_model_beats_it():
    for paper_sigma in (2, 8):
        config = ShapesConfig(sigma=paper_sigma / 8)
        limit = ideal_f1(config, 6, 21, Grid(cells=512))
        for name in ("shapes-feedback", "shapes-feedforward"):
            model, _ = load(FOLDER / f"{name}.safetensors")
            score = evaluate(model, make_batch(config, 6, 21), 5)
            assert max(score.f1) <= limit.f1[0], (name, paper_sigma)
            assert limit.chance == score.chance


def test_one_image_at_a_time_and_stops_when_told():
    batch = draw(TINY, 5, 0)
    first = next(posteriors(TINY, batch.x))
    assert first.marginal.shape == (1, 16, 16) and first.best.shape == (1, 4)
    seen = []

    def stop(done):
        seen.append(done)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ideal_f1(TINY, 5, 0, progress=stop)
    assert seen == [1, 2]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"count": 2}, "count"),
        ({"multiclass": True, "sides": (3, 4)}, "multiclass"),
        ({"jitter": 0.1}, "jitter"),
        ({"side": 24}, "observed"),
    ],
)
def test_refuses_what_it_does_not_know(changes, word):
    with pytest.raises(ConfigError, match=word):
        ideal_observer(TINY.replace(**changes), torch.zeros(1, 3, 16, 16))


def test_refuses_broken_images_and_grids():
    image = torch.zeros(1, 3, 16, 16)
    for bad in (image * float("nan"), image[:0]):
        with pytest.raises(ConfigError, match="observed"):
            ideal_observer(TINY, bad)
    for grid in (Grid(step=0.3), Grid(step=0.0), Grid(step=-1.0), Grid(levels=-1), Grid(cells=0)):
        with pytest.raises(ConfigError, match="grid"):
            ideal_observer(TINY, image, grid)
