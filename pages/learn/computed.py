"""What answers each lesson: the real models of the core, run on the spot. Nothing here draws or is cached.

Each function takes what the lesson lets one change and returns an `Outcome`. `path` stands in a file of its
own.
"""

from __future__ import annotations

from itertools import islice, pairwise

import torch
from torch import Tensor

from fbseg_core import Switches, iterate, load, make_batch
from fbseg_core.checkpoint import shipped
from fbseg_core.config import EVAL_SEED, PhotographsConfig, PredictiveConfig, PredictiveTrain
from fbseg_core.experiments.factorial import BASELINE, FEEDBACK, score
from fbseg_core.experiments.records import path_of, read
from fbseg_core.predictive import files
from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.images import draw
from fbseg_core.predictive.inference import infer, settle
from fbseg_core.predictive.learning import fit
from fbseg_core.predictive.model import PredictiveCoding
from fbseg_core.predictive.photographs import patches
from fbseg_core.scores.metrics import confusion, mask_of, pooled_f1
from fbseg_core.tasks import Batch, task_of
from pages.learn.outcome import Outcome
from pages.learn.path import path as path  # one of the answers
from pages.learn.spread import later_is_brighter, spread

LOOP, DEEP, SHALLOW = "grouping-feedback", "grouping-feedforward-deep", "grouping-feedforward"
LEAKY = "grouping-leaky-feedback"  # compared where it ships
IMAGE = 7  # the seed of the image, and of its noise, that a lesson shows
PICTURE = 3  # which of the predictive-coding screen's images a lesson shows, from 0
FULL = 0  # the clock's step whose gain is 1
LOOKED = 30  # steps after which the mask of lesson "settled" stands still
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
    net, loop = load(LOOP)
    batch = make_batch(loop.task, 1, IMAGE, "test")
    sizes = [float(state.delta.norm()) for state in islice(iterate(net, batch.x), 1, int(updates) + 1)]
    ratio = 100 * sizes[-1] / sizes[0]
    rose = sum(b > a * (1 + 1e-6) for a, b in zip(_energies(states), _energies(states)[1:]))
    told = (
        f"{left[-1]:.1f} % is left, and the energy rose in {rose} of {len(states) - 1} updates. ‖δ‖, the "
        f"size of δ, after as many steps of the paper's loop on one of its own images, is at {ratio:.0f} % "
        "of its first value. That loop ends however large δ is, because a clock lets each step add less of "
        "it (lesson 7)."
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
    state = settle(model, Senses(x, None, 1.0, trust, 0.0), 120)
    centre = slice(
        card.source.side // card.model.stride // 2 - 1, card.source.side // card.model.stride // 2 + 1
    )
    r, error = (one[:, :, centre, centre].flatten(1) for one in (state.r, state.errors.features))
    best = int(r[lengths.index(11)].argmax())
    answers = {"r": r[:, best].tolist(), "ε₁ = r − W∗s": error[:, best].tolist()}
    strongest = max(answers["ε₁ = r − W∗s"])
    share = 100 * max(answers["ε₁ = r − W∗s"][-1], 0.0) / strongest if strongest > 0 else 0.0
    of_r = 100 * answers["r"][-1] / max(max(answers["r"]), 1e-9)
    told = (
        f"For the longest bar, {lengths[-1]} px, ε₁ is at {share:.0f} % of its strongest answer, and r "
        f"itself at {of_r:.0f} %. End-stopping by half or more would be 50 % or less."
    )
    pictures = {
        "a bar of 11 px": (x[lengths.index(11), 0], True),
        f"a bar of {lengths[-1]} px": (x[-1, 0], True),
    }
    return Outcome(
        share, told, lines=answers, at=lengths, x="length of the bar, px", y="answer", pictures=pictures,
        asked=tuple(pictures),
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


@torch.no_grad()
def loop(steps: float) -> Outcome:
    """The paper's loop and the same model with its loop cut, on the same images."""
    net, card = load(LOOP)
    batch = make_batch(card.task, 8, IMAGE, "test")
    whole, cut = (_scored(net, batch, int(steps), Switches(loop=on)) for on in (None, False))
    told = (
        f"Cut, it reaches {cut[0][-1]:.2f}; whole, {whole[0][-1]:.2f}. Marking every region, whatever the "
        f"dot, reaches {_f1(batch.trivial, batch):.2f} on these images. With v̂ at 0 every step computes the "
        "same δ, and F sees only a part of the image about each pixel (lesson 8): what it makes of the dot "
        "is passed on to no later step."
    )
    pictures = {
        "image": (batch.x[0, 0], False),
        "truth": (batch.labels[0].float(), False),
        "whole loop": (whole[1][0].float(), False),
        "loop cut": (cut[1][0].float(), False),
    }
    lines = {"whole loop": whole[0], "loop cut": cut[0]}
    given = f"The whole loop scores {whole[0][-1]:.2f}."
    asked = ("image", "truth", "whole loop")
    dot = int(batch.x[0, task_of(card.task).cue_channel(card.task)].argmax())
    return Outcome(cut[0][-1], told, given, lines, "step t", "F1", None, pictures, asked, dot=dot)


@torch.no_grad()
def clock(eigenvalue: float) -> Outcome:
    """How far each step moves the state under three eigenvalues of A, and under the one chosen; whether ‖h‖
    comes to rest."""
    net, card = load(LOOP)
    batch = make_batch(card.task, 1, IMAGE, "test")
    wanted = {f"a = {value:g}": value for value in (-1.0, 0.0, 1.0)}
    wanted[f"a = {eigenvalue:g}"] = eigenvalue
    lines, sizes, norms = {}, [], {}
    for name, value in wanted.items():
        run = list(islice(iterate(net, batch.x, switches=Switches(spectrum=(value,))), 41))
        norms[name] = [float(state.h.norm()) for state in run]
        lines[name] = [float((b.h - a.h).norm()) for a, b in pairwise(run)]
        sizes += [float(state.delta.norm()) for state in run[1:]]
    path = norms["a = 1"]
    late, middle = path[-1] - path[-2], path[20] - path[19]
    truth = "it grows about evenly"
    if late > 2 * middle > 0:
        truth = "it grows ever faster"
    elif abs(late) < 0.01 * path[-1]:
        truth = "it comes to rest"
    last = [f"{steps[-1]:,.{0 if steps[-1] > 10 else 1}f} with {name}" for name, steps in lines.items()]
    told = (
        f"The last of {len(path) - 1} steps moves the state by {', '.join(last)}.".replace("-", "−")
        + f" δ is normalised: over all these runs ‖δ‖ changed by {100 * (max(sizes) / min(sizes) - 1):.1f} "
        "%. So a < 0 is enough: the steps shrink like a geometric series, whose sum is finite, whatever F "
        "does. And it must be so: with a = 0 every step is as long as δ, with a > 0 longer, and a state "
        "whose steps do not shrink never rests. It is the clock that stops it: the mask may be wrong. A "
        "loop that replaces its state, as in lesson 9, needs no clock."
    )
    return Outcome(truth, told, lines=lines, x="step t", y="length of the step")


@torch.no_grad()
def where(images: float) -> Outcome:
    """Which place of a region the loop marks last; and F1 of the loop, a deep and a shallow feedforward
    network on the same fresh images of grouping."""
    net, card = load(LOOP)
    shown = make_batch(card.task, 1, IMAGE, "test")
    found = spread(net, shown, task_of(card.task).cue_channel(card.task))
    place = divmod(found.last, shown.x.shape[-1])
    scores = {}
    for name in (LOOP, DEEP, SHALLOW):
        net, card = load(name)
        batch = make_batch(card.task, int(images), 2000, "test")
        scores[name] = _scored(net, batch, 20 if name == LOOP else 1, Switches())[0][-1]
    told = (
        f"The last place is {found.told(*place)}. Over the whole region, the order in which pixels are "
        f"marked and that of their ways from the dot have a rank correlation of {found.correlation:.2f} (1: "
        f"the same order). F1 on {int(images)} fresh images: the deep network {scores[DEEP]:.2f}, the loop "
        f"{scores[LOOP]:.2f}, the network of the loop's own depth {scores[SHALLOW]:.2f}, marking every "
        f"region {_f1(batch.trivial, batch):.2f}."
    )
    pictures = {
        "image": (shown.x[0, 0], False),
        "step from which it is marked, later is brighter": (later_is_brighter(found.steps), False),
    }
    return Outcome(float(found.last), told, pictures=pictures, asked=("image",), spread=found)


@torch.no_grad()
def settled(more: float) -> Outcome:
    """After LOOKED steps: on under the clock, or with the clock held at its first gain."""
    net, card = load(LOOP)
    batch = make_batch(card.task, 1, IMAGE, "test")
    states = list(islice(iterate(net, batch.x), LOOKED + int(more) + 1))
    there, later = states[LOOKED], states[-1]
    released = list(islice(iterate(net, batch.x, there, Switches(clock=FULL)), int(more) + 1))[-1]
    mask, clocked, free = (mask_of(net.readout(state.h)) for state in (there, later, released))
    moved = [100 * float((other != mask).sum() / mask.sum().clamp_min(1)) for other in (clocked, free)]
    held = "The clock alone had held that part still: it was switched off, not settled."
    none = "So far no pixel speaks against a settled mask."
    told = (
        f"Under the clock {moved[0]:.0f} % changes, with full updates {moved[1]:.1f} %. "
        f"{held if moved[1] > moved[0] else none} {_leaky(batch, int(more))}"
    )
    pictures = {
        f"mask at {LOOKED}": (mask[0].float(), False),
        "under the clock": (clocked[0].float(), False),
        "full updates": (free[0].float(), False),
    }
    return Outcome(moved[1], told, pictures=pictures, asked=(f"mask at {LOOKED}",))


def claim(_: float) -> Outcome:
    """F1 at two examples from the shipped rows of the ladder: both normalisations alone, and the loop."""
    rows = read(path_of("ladder", "full"))[1]
    plain = score(rows, FEEDBACK._replace(loop="none"), 2)
    ends = {"feedforward": score(rows, BASELINE, 2), "feedback": score(rows, FEEDBACK, 2)}
    cut = score(rows, FEEDBACK._replace(loop="cut"), 2)
    low, high = ends["feedforward"].mean, ends["feedback"].mean
    told = (
        f"It reaches {plain.mean:.2f} (95 % interval {plain.low:.2f} to {plain.high:.2f}): "
        f"{100 * (plain.mean - low) / (high - low):.0f} % of the gap between {low:.2f} and {high:.2f} is "
        f"closed without any loop. Trained with its loop cut, the feedback network scores {cut.mean:.2f}."
    )
    given = f"The paper's feedforward network scores {low:.2f}, its loop {high:.2f}."
    return Outcome(plain.mean, told, given)


def _energies(states: list) -> list[float]:
    return [float(state.energy.total.sum()) for state in states]


def _scored(net, batch: Batch, steps: int, switches: Switches) -> tuple[list[float], Tensor]:
    """F1 at each step, and the last masks."""
    scores = []
    for state in islice(iterate(net, batch.x, switches=switches), 1, steps + 1):
        mask = mask_of(net.readout(state.h))
        scores.append(_f1(mask, batch))
    return scores, mask


def _f1(mask: Tensor, batch: Batch) -> float:
    return pooled_f1(confusion(mask, batch.labels, 2))


def _leaky(batch: Batch, more: int) -> str:
    """What a leaky loop does on the same image, where one ships."""
    if LEAKY not in shipped():
        return "A loop that leaks, which can settle by itself, does not ship yet and is not compared."
    net, _ = load(LEAKY)
    states = list(islice(iterate(net, batch.x), LOOKED + more + 1))
    mask, later = (mask_of(net.readout(states[at].h)) for at in (LOOKED, -1))
    moved = 100 * float((later != mask).sum() / mask.sum().clamp_min(1))
    return (
        "Another model, the leaky one, replaces a share of its state in every step and has no clock: in as "
        f"many steps {moved:.0f} % of its mask changes."
    )


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
