"""The checkpoints that screens offer, shipped and own: their cards, the models, and what a visitor reads."""

from __future__ import annotations

from collections.abc import Iterable

from fbseg_core import Card, load
from fbseg_core.checkpoint import read_card, shipped
from fbseg_core.models.base import Model
from fbseg_core.models.registry import traits_of
from fbseg_core.tasks import task_of
from pages.ui import own_models, server, visitor
from pages.ui.notices import plain
from pages.ui.once import once, recent

# A typical image of a task: of the twelve among the first 40 whose F1 at step 20 is nearest the median, the
# one that the mask takes longest to fill (grouping), or the nearest where one step fills it (all others).
# Tests hold the feedback model's F1 on it within the middle half.
OPENS_ON = {"grouping": 19, "shapes": 26, "textures": 21, "digits": 2}


def model(name: str) -> tuple[Model, Card]:
    """A checkpoint that ships, or one of a visitor's own. Raises CheckpointError."""
    return server.kept("rest", ("model", name), lambda: load(own_models.path_of(name) or name))


class Cards(dict[str, Card]):
    """Cards by name: those that ship are listed, a visitor's own are found by their name alone."""

    def __missing__(self, name: str) -> Card:
        path = own_models.path_of(name)
        if path is None:
            raise KeyError(name)
        return _own_card(str(path))


@once
def cards() -> Cards:
    """The cards of all checkpoints that ship, by name."""
    return Cards({name: read_card(name) for name in shipped()})


@recent(64)
def _own_card(path: str) -> Card:
    return read_card(path)


def model_titles(names: Iterable[str]) -> dict[str, str]:
    """What these checkpoints are called: those that ship by their names, others by what they are."""
    return own_models.titles(names, cards(), visitor.clock())


def describe_card(card: Card, title: str = "") -> str:
    """What a checkpoint says of itself, in one sentence. title: its name, "" where it has none."""
    who = f"`{title}`" if title else f"A {traits_of(card.model).title} model for {card.task.name}"
    last = min(card.model.steps, len(card.f1) - 1)
    return (
        f"{who}: {plain(card.protocol)}, {card.updates} updates, one training seed; "
        f"pooled F1 {card.f1[last]:.3f} at t = {last} on {card.images} fresh images (seed {card.eval_seed}) "
        f"at σ = {card.task.sigma:g}, "
        f"chance {card.chance:.3f}{_trivial(card)}{_iou(card, last)}."
    )


def sigmas_of(card: Card) -> list[float]:
    """The σ that a model learned at; the least and the largest where it was drawn from a range."""
    sigma, factor = card.task.sigma, card.train.sigma_range
    return [sigma] if factor == 1 else [sigma / factor, sigma * factor]


def _iou(card: Card, at: int) -> str:
    """The mean IoU of more than two classes; "" where the card has none."""
    return f"; mean IoU {card.iou[at]:.3f}" if card.iou and card.model.classes > 2 else ""


def _trivial(card: Card) -> str:
    """The F1 of the task's trivial baseline, by its name; "" where the card has none."""
    if card.trivial is None:
        return ""
    return f", {task_of(card.task).trivial_name(card.task)} {card.trivial:.3f}"


def own_title(name: str) -> str:
    """What a visitor's own checkpoint is called; "" for one that ships."""
    return "" if own_models.path_of(name) is None else model_titles([name])[name]
