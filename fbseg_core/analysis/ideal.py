"""The limit on single shapes: what an observer that knows the family and the noise makes of an image.

With one shape of mask m, independent noise of deviation σ in each of C channels and the *un-normalised*
image x = m + σ·noise, Bayes' rule gives P(m | x) ∝ P(m)·exp Σ_p m(p)·g(p), where the evidence of pixel p
is g(p) = Σ_c (x_c(p) − ½)/σ² nats. The sum is a matched filter: over all centres of a coarse grid it is one
FFT for each radius, angle and kind. Where the posterior is, boxes of the grid are halved, again and again.

Normalising an image can only lose information, so a model that sees it normalised is bound as well.

What is approximate: each box counts as its middle; only the `cells` best boxes are halved (the others keep
their coarse weight, none is left out); and the halving stops at `levels`, or once the posterior
spreads over half as many boxes. `shape_cells.Family` is the grid.
Against six times as many boxes (triangles at 64 px, paper sigma 4, 8, 16) the defaults move the marginal by
0.003, 0.03 and 0.2 % of the shape's area and expected F1 by 0.0001 at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fbseg_core.analysis.shape_cells import Family, coverage, filters, log_likelihood
from fbseg_core.config import ShapesConfig
from fbseg_core.scores.evaluate import Score, score
from fbseg_core.scores.metrics import confusion
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch

BLOCK = 8  # images filtered together
NEGLIGIBLE = 1e-7  # posterior mass that is not worth a second pass of filters
SIGMA_MIN = 1e-3  # noise assumed where there is less, lest evidence be infinite


@dataclass(frozen=True)
class Grid:
    """How finely the posterior is summed.

    step: px between the coarse centres and radii, ½, 1 or another power of two; None takes side/128 or
    what is next below, ½ at least, and twice that where shapes are turned. levels: how often a box may be
    halved. cells: boxes that are kept for halving at each level.
    """

    step: float | None = None
    levels: int = 7
    cells: int = 2048


@dataclass(frozen=True)
class Ideal:
    """The posterior of each of B images. marginal (B, H, W) float64: P(pixel in the shape | image).

    mask (B, H, W) bool: marginal ≥ threshold (B,), the best mask of that image by `best_threshold`, and
    expected_f1 (B,) its F1 as expected there. kinds (B, K): posterior of each of `config.sides`. best
    (B, 4): cx, cy, radius (px) and angle (rad) of the likeliest box. step and spread (B,): width of the
    finest boxes in px, and the number of them that the posterior spreads over (its perplexity).
    """

    marginal: Tensor
    mask: Tensor
    threshold: Tensor
    expected_f1: Tensor
    kinds: Tensor
    best: Tensor
    step: Tensor
    spread: Tensor


def ideal_observer(config: ShapesConfig, observed: Tensor, grid: Grid = Grid()) -> Ideal:
    """The ideal observer's answer to un-normalised images (B, C, H, W), with noise of `config.sigma`.

    `make_batch(config.replace(normalise="none"), n, seed)` draws such images. Raises ConfigError as
    `posteriors` does.
    """
    parts = list(posteriors(config, observed, grid))
    if not parts:
        raise ConfigError("observed: give at least one image.")
    return Ideal(*(torch.cat([getattr(part, name) for part in parts]) for name in Ideal.__annotations__))


def ideal_f1(
    config: ShapesConfig,
    images: int,
    seed: int,
    grid: Grid = Grid(),
    progress: Callable[[int], object] = lambda done: None,
) -> Score:
    """Pooled F1 of the ideal observer, a Score of one entry, on the images `make_batch` draws from `seed`.

    All images share the threshold that is best for their pooled expected F1: of all rules this has
    the highest F1 pooled over many images. Labels are used for scoring only. `progress` is called with
    the number of images done; raise in it to stop. Raises ConfigError as `posteriors` does.
    """
    batch = make_batch(config.replace(normalise="none"), images, seed)
    marginal = torch.empty(batch.labels.shape, dtype=torch.float64)
    for i, part in enumerate(posteriors(config, batch.x, grid)):
        marginal[i] = part.marginal[0]
        progress(i + 1)
    threshold, _ = best_threshold(marginal)
    return score([confusion((marginal >= threshold).long(), batch.labels, 2)])


def best_threshold(marginal: Tensor) -> tuple[float, float]:
    """The threshold whose mask m = (p ≥ threshold) has the largest 2Σp·m / (Σm + Σp), and that value.

    marginal: p, any shape; many images in it are pooled. The ratio of expectations stands for the expected
    ratio E[2tp / (|m| + |shape|)]. Pooled over many images the two are the same, so the mask is the best
    one. On one image they differ where the shape's size is uncertain: at 64 px the mask that posterior
    samples call best expects 0.00000 more F1 at paper sigma 4 and 10, 0.0001 at 20, 0.002 at 30, at most.
    """
    p = marginal.flatten().sort(descending=True).values
    expected = 2 * p.cumsum(0) / (torch.arange(1, len(p) + 1) + p.sum())
    k = int(expected.argmax())
    return float(p[k]), float(expected[k])


def posteriors(config: ShapesConfig, observed: Tensor, grid: Grid = Grid()) -> Iterator[Ideal]:
    """The posterior of one image after another, each an Ideal with B = 1; lazy, so a caller may stop.

    Raises ConfigError unless `config` has one shape and one foreground class and `observed` fits it.
    """
    if config.count != 1:
        raise ConfigError(f"count: the ideal observer knows single shapes, not {config.count} in an image.")
    if config.jitter:
        raise ConfigError("jitter: the ideal observer knows regular polygons, not ones of jittered corners.")
    if config.multiclass and len(config.sides) > 1:
        raise ConfigError("multiclass: the ideal observer tells shape from ground, not kinds of shape.")
    if observed.shape[1:] != (config.channels, config.side, config.side):
        raise ConfigError(f"observed: images of shape {tuple(observed.shape[1:])} are not the task's.")
    if not torch.isfinite(observed).all():
        raise ConfigError("observed: every pixel must be a finite number.")
    coarse = 2.0 ** max(-1, math.floor(math.log2(config.side / 128))) * (1 + config.rotate)
    step = coarse if grid.step is None else grid.step
    if grid.levels < 0 or grid.cells < 1 or step <= 0 or math.log2(step) % 1:
        raise ConfigError("grid: needs levels ≥ 0, cells ≥ 1 and a step that is a power of two.")
    evidence = (observed.double() - 0.5).sum(1) / max(config.sigma, SIGMA_MIN) ** 2
    for part in evidence.split(BLOCK):
        yield from _block(Family(config, step), part, grid)


def _block(family: Family, evidence: Tensor, grid: Grid) -> Iterator[Ideal]:
    """Filter a few images coarsely together, then refine each."""
    best, total = _best_coarse(family, evidence, grid.cells)
    refined = [_refine(family, g, kept.cells, grid) for g, kept in zip(evidence, best)]
    for i, (cells, mass, level) in enumerate(refined):
        fine = mass.logsumexp(0)
        left_out = total[i] + (1 - (best[i].mass.logsumexp(0) - total[i]).exp()).clamp_min(1e-12).log()
        marginal, kinds = torch.zeros_like(evidence[i]), mass.new_zeros(len(family.config.sides))
        if left_out - fine > math.log(NEGLIGIBLE):
            marginal, kinds = _rest(family, evidence[i], best[i].place, fine)
        weights = (mass - fine).exp()
        whole = kinds.sum() + 1
        kinds = kinds.index_add(0, cells[:, 4].long(), weights) / whole
        big = weights > 1e-15
        marginal = (marginal + coverage(family.config, cells[big], weights[big])) / whole
        marginal = marginal.clamp(0, 1)  # running sums may pass them by 1e-16
        threshold, expected = best_threshold(marginal)
        yield Ideal(
            marginal[None],
            (marginal >= threshold)[None],
            marginal.new_tensor([threshold]),
            marginal.new_tensor([expected]),
            kinds[None],
            cells[mass.argmax(), :4][None],
            marginal.new_tensor([family.step * 0.5**level]),
            _perplexity(mass)[None],
        )


class _Kept(NamedTuple):
    """The best coarse boxes of an image: cells (N, 5); hope, log mass and place in the grid (N,)."""

    cells: Tensor
    hope: Tensor
    mass: Tensor
    place: Tensor

    def best(self, number: int) -> _Kept:
        if len(self.hope) <= number:
            return self
        chosen = self.hope.topk(number, sorted=False).indices
        return _Kept(*(column[chosen] for column in self))


def _best_coarse(family: Family, evidence: Tensor, number: int) -> tuple[list[_Kept], Tensor]:
    """The best coarse boxes of each image (B, H, W), and the log mass (B,) of all its coarse boxes."""
    best: list[_Kept | None] = [None] * len(evidence)
    totals, first = [], 0
    for cells, stack in filters(family):
        prior, slack = family.log_prior(cells), family.log_prior(cells, slack=True)
        place = torch.arange(first, first + len(cells))
        totals.append([])
        for i, one in enumerate(evidence):
            scores = stack.apply(one)
            new = _Kept(cells, scores + slack, scores + prior, place)
            totals[-1].append(new.mass.logsumexp(0))
            new = new.best(number)
            best[i] = _Kept(*map(torch.cat, zip(best[i], new))).best(number) if best[i] else new
        first += len(cells)
    return best, torch.tensor(totals, dtype=torch.float64).logsumexp(0)


def _refine(family: Family, evidence: Tensor, cells: Tensor, grid: Grid) -> tuple[Tensor, Tensor, int]:
    """Halve boxes (N, 5) where the posterior is; the boxes this leaves, their log mass, the last level."""
    likelihood = log_likelihood(family.config, cells, evidence)
    left, left_mass = [], []
    while True:
        mass = likelihood + family.log_prior(cells)
        if family.level >= grid.levels or _perplexity(mass) > grid.cells / 2:
            return torch.cat([*left, cells]), torch.cat([*left_mass, mass]), family.level
        order = (likelihood + family.log_prior(cells, slack=True)).argsort(descending=True)
        left.append(cells[order[grid.cells :]])
        left_mass.append(mass[order[grid.cells :]])
        family, cells = family.halve(cells[order[: grid.cells]])
        likelihood = log_likelihood(family.config, cells, evidence)


def _rest(family: Family, evidence: Tensor, kept: Tensor, unit: Tensor) -> tuple[Tensor, Tensor]:
    """Mass in e^unit of the coarse boxes that were not kept: on each pixel (H, W) and of each kind (K,).

    A second pass of the same filters, backwards: from the boxes' weights to pixels.
    """
    pixels, kinds, first = torch.zeros_like(evidence), evidence.new_zeros(len(family.config.sides)), 0
    for cells, stack in filters(family):
        mass = stack.apply(evidence) + family.log_prior(cells) - unit
        mine = kept[(kept >= first) & (kept < first + len(cells))] - first
        weights = mass.index_fill(0, mine, -math.inf).exp()
        pixels += stack.back(weights)
        kinds.index_add_(0, cells[:, 4].long(), weights)
        first += len(cells)
    return pixels, kinds


def _perplexity(mass: Tensor) -> Tensor:
    return torch.special.entr(mass.softmax(0)).sum().exp()
