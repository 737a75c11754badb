"""What answers each lesson: the real models of the core, run on the spot. Nothing here draws or is cached.

Each function takes what the lesson lets one change and returns an `Outcome`. Those on the paper's loop stand
in `loops`, and `path` in a file of its own.
"""

from __future__ import annotations

from itertools import islice, pairwise

import torch
from torch import Tensor

from fbseg_core import iterate, load, make_batch
from fbseg_core.config import EVAL_SEED, PhotographsConfig, PredictiveConfig, PredictiveTrain
from fbseg_core.predictive import files
from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.images import draw
from fbseg_core.predictive.inference import infer, settle
from fbseg_core.predictive.learning import fit
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.predictive.photographs import patches
from pages.learn import loops
from pages.learn.loops import claim, clock, loop, settled, where
from pages.learn.outcome import Outcome
from pages.learn.path import path

__all__ = [
    "claim", "clock", "learning", "loop", "one_neuron", "path", "precision", "prediction", "settled",
    "two_levels", "where",
]  # fmt: skip

PICTURE = 3  # which of the predictive-coding screen's images a lesson shows, from 0
ONE = PredictiveConfig(
    classes=2, features=1, causes=1, kernel=1, stride=1, kernel_top=1, stride_top=1, sparsity=0.0, shrink=0.1
)


def one_neuron(precision: float) -> Outcome:
    """One unknown and two precisions (Bogacz 2017): inference of the model with U = V = 1."""
    model = PredictiveCoding(ONE)
    model.U.fill_(1.0)
    model.V.fill_(1.0)
    x, memory = torch.full((1, 1, 1, 1), 8.0), torch.full((1, 1, 1, 1), 2.0)
    senses = Senses(x, memory, precision, 0.0, 3.0)
    path = [float(state.r) for state in islice(infer(model, senses, step=0.1 / (precision + 3)), 61)]
    mean = (precision * 8 + 3 * 2) / (precision + 3)
    told = (
        f"After {len(path) - 1} updates r is at {path[-1]:.2f}: the mean of 8 and 2, weighted by their "
        f"precision, ({precision:g}·8 + 3·2)/({precision:g} + 3), is {mean:.2f}. There the two pulls are "
        "equal."
    )
    flat = {"eyes": [8.0] * len(path), "memory": [2.0] * len(path)}
    return Outcome(path[-1], told, lines={"r": path, **flat}, y="value")


@torch.no_grad()
def prediction(updates: float) -> Outcome:
    """Error and energy on a photograph's patch; beside it ‖δ‖ of the paper's loop on one of its images."""
    model, card = files.load("photographs")
    x = draw(card.source, PICTURE + 1, EVAL_SEED, "test")[PICTURE:]
    states = list(islice(infer(model, Senses.of(card.model, x)), int(updates) + 1))
    left = [100 * float((state.errors.image**2).sum() / (x**2).sum()) for state in states]
    net, paper = load(loops.LOOP)
    batch = make_batch(paper.task, 1, loops.IMAGE, "test")
    sizes = [float(state.delta.norm()) for state in islice(iterate(net, batch.x), 1, int(updates) + 1)]
    ratio = 100 * sizes[-1] / sizes[0]
    rose = sum(b > a * (1 + 1e-6) for a, b in zip(_energies(states), _energies(states)[1:]))
    told = (
        f"{left[-1]:.1f} % is left, and the energy rose in {rose} of {len(states) - 1} updates. ‖δ‖, the "
        f"size of δ, after as many steps of the paper's loop on one of its own images, is at {ratio:.0f} % "
        "of its first value: it is normalised, and cannot shrink. That loop ends all the same, because a "
        "clock lets each step add less of it (lesson 7)."
    )
    pictures = {
        "image x": (x[0, 0], True),
        "prediction U∗r": (states[-1].prediction[0, 0], True),
        "error ε₀": (states[-1].errors.image[0, 0], True),
    }
    lines = {"error, % of the image": left, "‖δ‖, % of its first": [100 * size / sizes[0] for size in sizes]}
    return Outcome(left[-1], told, lines=lines, y="%", pictures=pictures, asked=("image x",))


@torch.no_grad()
def precision(side: float) -> Outcome:
    """A covered square, trusted or not: which prediction is nearer to the clean image behind it?"""
    model, card = files.load("shapes")
    noisy = make_batch(card.source, PICTURE + 1, EVAL_SEED, "test")
    hole = _square_on_shape(noisy.labels[PICTURE], int(side))
    x = torch.where(hole, 0.0, noisy.x[PICTURE:])
    clean = make_batch(card.source.replace(sigma=0.0), PICTURE + 1, EVAL_SEED, "test").x[PICTURE:]
    clean = (
        clean * (noisy.x[PICTURE:] * clean).sum() / (clean**2).sum()
    )  # as large as it is within the noisy image
    states = {
        "trusted": settle(model, Senses(x, None, 1.0, card.model.pi_top, 0.0), 120),
        "not trusted": settle(model, Senses(x, None, (~hole).float(), card.model.pi_top, 0.0), 120),
    }
    miss = {
        name: 100 * float(((state.prediction - clean) ** 2)[..., hole].sum() / (clean**2)[..., hole].sum())
        for name, state in states.items()
    }
    near, far = miss["not trusted"], miss["trusted"]
    truth = "both alike"
    if abs(near - far) > 1:
        truth = "the one that does not trust it" if near < far else "the one that trusts the grey"
    told = (
        f"Behind the cover the prediction that trusts the grey misses {far:.0f} % of what is there, the "
        f"other {near:.0f} %. Plain grey itself misses 100 %."
    )
    pictures = {"covered image": (x[0].mean(0), True)}
    pictures |= {f"prediction, {name}": (state.prediction[0].mean(0), True) for name, state in states.items()}
    return Outcome(truth, told, pictures=pictures, asked=("covered image",))


@torch.no_grad()
def two_levels(trust: float) -> Outcome:
    """Answers of r and ε₁ to bars of rising length, at the place and filter that answer a short bar most."""
    model, card = files.load("photographs")
    lengths = list(range(2, 45, 3))
    x = torch.stack([_bar(card.source.side, length) for length in lengths])[:, None]
    middle = card.source.side // card.model.stride // 2
    centre = slice(middle - 1, middle + 1)

    def answered(trust: float) -> tuple[list[float], list[float]]:
        state = settle(model, Senses(x, None, 1.0, trust, 0.0), 120)
        r, error = (one[:, :, centre, centre].flatten(1) for one in (state.r, state.errors.features))
        best = int(r[lengths.index(11)].argmax())
        return r[:, best].tolist(), error[:, best].tolist()

    def left(answers: list[float]) -> float:
        """The answer to the longest bar, in % of the strongest."""
        return 100 * max(answers[-1], 0.0) / max(max(answers), 1e-9)

    r, error = answered(trust)
    told = (
        f"For the longest bar, {lengths[-1]} px, ε₁ is at {left(error):.0f} % of its strongest answer, and r "
        f"itself at {left(r):.0f} %. End-stopping by half or more would be 50 % or less."
    )
    if trust > 0:  # without s, ε₁ is r
        alone = left(answered(0.0)[1])
        told += (
            f" With no level above, ε₁ is r, at {alone:.0f} %: the level changes that by "
            + f"{left(error) - alone:+.0f} points.".replace("-", "−")
        )
    half = card.source.side // 2
    shown = x[:, 0, half - 8 : half + 8]  # the rows about the bar
    pictures = {
        "a bar of 11 px": (shown[lengths.index(11)], True),
        f"a bar of {lengths[-1]} px": (shown[-1], True),
    }
    return Outcome(
        left(error), told, lines={"r": r, "ε₁ = r − W∗s": error}, at=lengths, x="length of the bar, px",
        y="answer", pictures=pictures, asked=tuple(pictures),
    )  # fmt: skip


def learning(updates: float) -> Outcome:
    """Random filters, a few local updates; the settled energy of patches that none of them was made from."""
    config = PredictiveConfig(features=12, causes=8, kernel=8, stride=4, sparsity=0.5, steps=15)
    source, model = PhotographsConfig(side=32), PredictiveCoding(config)
    unseen = Senses.of(config, patches(source, 4, 3, "test"))
    before = float(settle(model, unseen, 40).energy.total.sum())
    first = model.U.clone()
    train = PredictiveTrain(updates=int(updates), batch=2)
    energies = [before]
    for _ in fit(model, lambda k: Senses.of(config, patches(source, 2, k)), train):
        energies.append(float(settle(model, unseen, 40).energy.total.sum()))
    left = [100 * one / before for one in energies]
    rose = sum(b > a for a, b in pairwise(left))
    told = (
        f"{left[-1]:.0f} % is left after {int(updates)} updates. On these patches the energy rose in {rose} "
        "of them: each update is made for two other patches."
    )
    pictures = {"filters before": (_tiles(first), True), "filters after": (_tiles(model.U), True)}
    lines = {"energy, % of before": left}
    return Outcome(left[-1], told, lines=lines, y="%", pictures=pictures, asked=("filters before",))


def _energies(states: list) -> list[float]:
    return [float(state.energy.total.sum()) for state in states]


def _square_on_shape(labels: Tensor, side: int) -> Tensor:
    """A square of that side about the middle of what is marked, (H, W) bool."""
    rows, columns = torch.nonzero(labels, as_tuple=True)
    hole = torch.zeros_like(labels, dtype=torch.bool)
    top, left = int(rows.float().mean()) - side // 2, int(columns.float().mean()) - side // 2
    hole[max(top, 0) : top + side, max(left, 0) : left + side] = True
    return hole


def _bar(side: int, length: int) -> Tensor:
    """A bright bar, 2 px high, on a ground of 0, in the middle of the image."""
    x = torch.zeros(side, side)
    middle = side // 2
    x[middle - 1 : middle + 1, middle - length // 2 : middle - length // 2 + length] = 3.0
    return x


def _tiles(filters: Tensor) -> Tensor:
    """Filters (F, 1, k, k) side by side in two rows, each by its own largest value."""
    scaled = filters[:, 0] / filters.flatten(1).abs().amax(1)[:, None, None]
    padded = torch.nn.functional.pad(scaled, (0, 1, 0, 1))
    half = len(padded) // 2
    return torch.cat([torch.cat(list(part), 1) for part in (padded[:half], padded[half:])])
