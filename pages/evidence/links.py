"""Where each card of the Evidence page leads, and how what opens there differs from the card's own rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fbseg_core import Card
from fbseg_core.config import pixel_sigma
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.records import Row
from fbseg_core.experiments.subject import nearest
from fbseg_core.models.registry import traits_of
from fbseg_core.training.fewshot import PAPER_TAU
from pages import menu
from pages.ui import models
from pages.ui.once import recent
from pages.ui.shipped import measured

MOST = 5  # differences that a line tells
PAPER_4, PAPER_8 = (pixel_sigma(paper, 64) for paper in (4, 8))  # at the 64 px that the screens open with


@dataclass(frozen=True)
class Way:
    """A link. state: what differs from the screen's defaults. of: settings of the rows it is held to."""

    label: str
    screen: str
    state: Mapping[str, Any]
    of: Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """A link as it is shown. differs: what is other than in the card's rows, a phrase each."""

    label: str
    address: str
    differs: tuple[str, ...]

    @property
    def told(self) -> str:
        """What is other there: images, run and model, which come first, before how they were trained."""
        if not self.differs:
            return "The card's setting."
        shown = "; ".join(self.differs[: len(self.differs) - len(self.further)])
        more = f"; and {len(self.further)} more settings" if self.further else ""
        return f"Unlike the card: {shown}{more}."

    @property
    def further(self) -> tuple[str, ...]:
        """What a line has no room for: none, or several."""
        return self.differs[MOST - 1 :] if len(self.differs) > MOST else ()


def _to(screen: str, label: str, of: Mapping[str, Any] | None = None, **state: Any) -> Way:
    return Way(label, screen, state, of or {})


_explore, _stability, _few_shot = (partial(_to, name) for name in ("explore", "stability", "few_shot"))


WAYS: dict[str, tuple[Way, ...]] = {
    "fewshot": (
        _few_shot("Train n = 2 as the paper does", examples=2, protocol="paper"),
        _few_shot("Train n = 10 as the paper does", examples=10, protocol="paper"),
        _few_shot("Train n = 1, both alike", examples=1, protocol="matched"),
    ),
    "noise": (
        _few_shot("Train at paper sigma 8", examples=10, protocol="paper", sigma=PAPER_8),
        _explore("Models trained alike, at paper sigma 8", sigma=PAPER_8),
    ),
    "convergence": (
        _few_shot("Train the model", examples=10, protocol="paper"),
        _explore(
            "PC1 of the logits of a model that ships",
            {"tau": PAPER_TAU},
            plane="logits",
            points="regions",
            chart="time",
            T=30,
            sigma=PAPER_4,
        ),
        _stability("Hold its clock", {"tau": PAPER_TAU}, frozen=True, T=30, sigma=PAPER_4),
    ),
    "ablation": (
        _few_shot("Train without softmax", examples=10, protocol="paper", softmax=False),
        _few_shot("Train without decay", examples=10, protocol="paper", decay=False),
        _stability("Models that ship, trained without", mode="trained", T=30, sigma=PAPER_4),
        _stability("A model that ships, switched off at inference", T=30, sigma=PAPER_4),
    ),
    "ladder": (
        _few_shot("Train the two ends, and add changes", examples=2, protocol="paper"),
        _explore("Cut the loop of a model that ships", loop=False, sigma=PAPER_4),
    ),
    "grouping": (
        _explore(
            "Models that ship, with and without the loop",
            task="grouping",
            comparison="grouping-loop-cut",
            T=6,
        ),
    ),
    "settling": (
        _explore(
            "A model that settles: its moves over time",
            task="grouping",
            model="grouping-leaky-feedback",
            comparison="grouping-feedback",
            curve="update",
            T=60,
        ),
        _stability("What settles, with and without a clock", model="grouping-leaky-feedback", T=60),
    ),
    "contraction": (
        _stability(
            "What is proved of a loop that settles",
            model="grouping-leaky-feedback",
            focus="softmax only",
            T=60,
        ),
    ),
    "gradients": (
        _explore(
            "A loop trained through whole trajectories",
            task="grouping",
            model="grouping-leaky-feedback",
            curve="update",
            T=60,
        ),
    ),
    "transfer": (
        _explore(
            "The two that are level on their own images",
            task="grouping",
            comparison="grouping-feedforward-deep",
        ),
        _explore("Shapes at a seventh of the training noise", sigma=0.15),
    ),
    "real": (
        _explore("Handwritten digits, class by class", task="digits", layer="mask"),
        _explore(
            "Whole digits, hidden in part",
            task="digits",
            model="digits-whole-feedback",
            image=5,  # F1 of the first images is spread about this one's
            layer="mask",
        ),
        _explore("Textures of photographs", task="textures", layer="mask"),
        _stability("Eleven classes, mechanisms switched off", model="digits-feedback", T=30),
    ),
    "clutter": (
        _explore("Digits among fragments, class by class", {"task": "digits"}, task="digits", layer="mask"),
        _explore("Mosaics of photographs", {"task": "textures"}, task="textures", layer="mask"),
    ),
    "handwriting": (
        _few_shot(
            "Train n = 16 on handwritten digits",
            task="digits",
            examples=16,
            protocol="matched",
            sigma=0.1,
            steps=4,
            tau=8.0,
            updates=300,
        ),
        _explore("Handwritten digits, class by class", task="digits", layer="mask", sigma=0.1, T=4),
    ),
    "help": (_few_shot("Train n = 2, with flips and turns alone", examples=2, protocol="matched"),),
    "halting": (
        _explore("Update over time, grouping", task="grouping", curve="update", T=30),
        _explore("Update over time, shapes", curve="update", T=30),
    ),
    "resting": (
        _explore(
            "Moves of a loop that settles, over time",
            task="grouping",
            model="grouping-leaky-feedback",
            curve="update",
            T=60,
        ),
    ),
    "predictive": (
        _explore(
            "The loop and the U-Net, on grouping",
            task="grouping",
            comparison="grouping-feedforward",
            T=6,
        ),
        _explore("The loop and the U-Net, on shapes", sigma=PAPER_8, T=5),
    ),
    "limit": (
        _explore("Both models at paper sigma 8", sigma=PAPER_8),
        _few_shot("Train others, with the ideal observer", examples=10, protocol="matched", sigma=PAPER_8),
    ),
    "scale": (_explore("A run of 20 steps, and what it costs there", T=20),),
}


def told(name: str, rows: Sequence[Row], cards: Mapping[str, Card]) -> list[Told]:
    """The links of a card whose experiment gave these rows. cards: the checkpoints that ship."""
    experiment, found = EXPERIMENTS[name], []
    for way in WAYS[name]:
        kept = [
            row.settings
            for row in rows
            if all(row.settings[key] in (value, None) for key, value in way.of.items())
        ]
        once = {str({**each, "seed": 0}): each for each in kept}  # seeds differ in nothing that is told
        subjects = [one for settings in once.values() for one in experiment.subjects(settings)]
        state = menu.state(way.screen, **way.state)
        shown = list(menu.subjects(state, cards))
        first = nearest(shown[0], subjects)
        differs = ["other mechanisms at work"] if first is None else list(first)
        for one in shown[1:]:  # and what only the others add
            more = [text for text in nearest(one, subjects) or () if text not in differs]
            differs += [f"{traits_of(one.model).title}: {', '.join(more)}"] * bool(more)
        found.append(Told(way.label, menu.address(state), tuple(differs)))
    return found


@recent(32)
def ways(name: str) -> list[Told]:
    """Where an experiment's card leads, and how each place differs from the rows that ship."""
    return told(name, measured(name).rows, models.cards())
