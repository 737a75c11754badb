"""What answers the lessons on the paper's loop and on what is compared with it; see `computed`."""

from __future__ import annotations

from itertools import islice, pairwise

import torch
from torch import Tensor

from fbseg_core import Switches, iterate, load, make_batch
from fbseg_core.checkpoint import shipped
from fbseg_core.experiments.factorial import BASELINE, FEEDBACK, score, there
from fbseg_core.experiments.records import path_of, read
from fbseg_core.experiments.report import over_seeds
from fbseg_core.scores.metrics import confusion, mask_of, pooled_f1
from fbseg_core.tasks import Batch, task_of
from pages.learn.outcome import Outcome
from pages.learn.spread import later_is_brighter, spread

LOOP, DEEP, SHALLOW = "grouping-feedback", "grouping-feedforward-deep", "grouping-feedforward"
LEAKY = "grouping-leaky-feedback"  # compared where it ships
IMAGE = 7  # the seed of the image, and of its noise, that a lesson shows
FULL = 0  # the clock's step whose gain is 1
LOOKED = 30  # steps after which the mask of lesson "settled" stands still


@torch.no_grad()
def loop(steps: float) -> Outcome:
    """The paper's loop and the same model with its loop cut, on the same images."""
    net, card = load(LOOP)
    batch = make_batch(card.task, 8, IMAGE, "test")
    whole, cut = (_scored(net, batch, int(steps), Switches(loop=on)) for on in (None, False))
    told = (
        f"Cut, it reaches {cut[0][-1]:.2f}; whole, {whole[0][-1]:.2f}. Marking every region, whatever the "
        f"dot, reaches {_f1(batch.trivial, batch):.2f} on these images. With v̂ at 0, which it never met in "
        "training, every step computes the same δ, and F sees only a part of the image about each pixel "
        "(lesson 8): what it makes of the dot is passed on to no later step."
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
    at = list(range(1, int(steps) + 1))
    return Outcome(cut[0][-1], told, given, lines, "step t", "F1", at, pictures, asked, dot=dot)


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


def claim(times: float) -> Outcome:
    """F1 at two examples from the shipped rows of the ladder, over training seeds: the paper's two networks,
    both normalisations alone, and the loop cut where it was trained so long. times: how often the paper's
    updates."""
    rows = read(path_of("ladder", "full"))[1]
    cells = {
        "loop": FEEDBACK,
        "feedforward": BASELINE,
        "normalised": FEEDBACK._replace(loop="none"),
        "loop cut": FEEDBACK._replace(loop="cut"),
    }
    cells = {name: cell._replace(times=int(times)) for name, cell in cells.items()}
    cells = {name: cell for name, cell in cells.items() if cell in there(rows, 2)}
    scores = {name: over_seeds(rows, "f1", examples=2, **cell._asdict()) for name, cell in cells.items()}
    low, plain, high = (score(rows, cells[name], 2) for name in ("feedforward", "normalised", "loop"))
    interval = f"{plain.k} training seeds, 95 % interval {plain.low:.2f} to {plain.high:.2f}"
    given = f"The paper's feedforward network scores {low.mean:.2f}, its loop {high.mean:.2f}."
    if times > 1:
        told = (
            f"Trained {times:g} times as long, the normalised feedforward network reaches {plain.mean:.2f} "
            f"({interval}), the loop {high.mean:.2f}, and the paper's feedforward network as it is "
            f"{low.mean:.2f} (interval {low.low:.2f} to {low.high:.2f})."
        )
    else:
        told = (
            f"It reaches {plain.mean:.2f} ({interval}): "
            f"{100 * (plain.mean - low.mean) / (high.mean - low.mean):.0f} % of the gap between "
            f"{low.mean:.2f} and {high.mean:.2f} is closed without any loop. Trained with its loop cut, the "
            f"feedback network scores {score(rows, cells['loop cut'], 2).mean:.2f}."
        )
    return Outcome(plain.mean, told, given, scores=scores)


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
