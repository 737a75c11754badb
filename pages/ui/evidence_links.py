"""Where each card of the Evidence page leads, and how what opens there differs from the card's own rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any
from urllib.parse import urlencode

from fbseg_core import Card
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.harness import Row
from fbseg_core.experiments.subject import Subject, nearest, of_card, of_run
from fbseg_core.fewshot import PAPER_TAU
from pages.ui import few_shot_view, stability_view
from pages.ui.link import Linked
from pages.ui.scene import scene_of
from pages.ui.view import View

PAPER_4, PAPER_8 = 0.5, 1.0  # σ at 64 px whose evidence is that of paper sigma 4 and 8


@dataclass(frozen=True)
class Way:
    """A link. view: the state of the screen that it opens. of: settings of the card's rows it is held to."""

    label: str
    view: Linked
    of: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """A link as it is shown. differs: what is other than in the card's rows, a phrase each."""

    label: str
    address: str
    differs: tuple[str, ...]


def _few_shot(label: str, **view: Any) -> Way:
    return Way(label, few_shot_view.LabView(**view))


WAYS: dict[str, tuple[Way, ...]] = {
    "fewshot": (
        _few_shot("Train n = 2 as the paper does", examples=2, protocol="paper"),
        _few_shot("Train n = 10 as the paper does", examples=10, protocol="paper"),
        _few_shot("Train n = 1, both alike", examples=1, protocol="matched"),
    ),
    "noise": (
        _few_shot("Train at paper sigma 8", examples=10, protocol="paper", sigma=PAPER_8),
        Way("Models trained alike, at paper sigma 8", View(sigma=PAPER_8)),
    ),
    "convergence": (
        _few_shot("Train the model", examples=10, protocol="paper"),
        Way(
            "PC1 of the logits of a model that ships",
            View(plane="logits", points="regions", chart="time", T=30, sigma=PAPER_4),
            {"tau": PAPER_TAU},
        ),
        Way(
            "Hold its clock",
            stability_view.LabView(frozen=True, T=30, sigma=PAPER_4),
            {"tau": PAPER_TAU},
        ),
    ),
    "ablation": (
        _few_shot("Train without softmax", examples=10, protocol="paper", softmax=False),
        _few_shot("Train without decay", examples=10, protocol="paper", decay=False),
        Way(
            "Models that ship, trained without",
            stability_view.LabView(mode="trained", T=30, sigma=PAPER_4),
        ),
        Way("A model that ships, switched off at inference", stability_view.LabView(T=30, sigma=PAPER_4)),
    ),
    "ladder": (
        _few_shot("Train the two ends, and add changes", examples=2, protocol="paper"),
        Way("Cut the loop of a model that ships", View(loop=False, sigma=PAPER_4)),
    ),
    "grouping": (
        Way(
            "Models that ship, with and without the loop",
            View(task="grouping", beside="grouping-loop-cut", T=6),
        ),
    ),
    "help": (_few_shot("Train n = 2, with flips and turns alone", examples=2, protocol="matched"),),
    "halting": (
        Way("Update over time, grouping", View(task="grouping", curve="update", T=30)),
        Way("Update over time, shapes", View(curve="update", T=30)),
    ),
    "limit": (
        Way("Both models at paper sigma 8", View(sigma=PAPER_8)),
        _few_shot("Train others, and compute the limit", examples=10, protocol="matched", sigma=PAPER_8),
    ),
    "scale": (Way("A run of 20 steps, and what it costs there", View(T=20)),),
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
        shown = list(opened(way.view, cards))
        first = nearest(shown[0], subjects)
        differs = ["other mechanisms at work"] if first is None else list(first)
        for one in shown[1:]:  # and what only the others add
            more = [text for text in nearest(one, subjects) or () if text not in differs]
            differs += [f"{one.model.kind.replace('_', ' ')}: {', '.join(more)}"] * bool(more)
        found.append(Told(way.label, address(way.view), tuple(differs)))
    return found


def address(view: Linked) -> str:
    """The address of a screen's state, from any page."""
    page = {View: "./", stability_view.LabView: "./stability", few_shot_view.LabView: "./few_shot"}
    return f"{page[type(view)]}?{urlencode(view.link({}))}"


@singledispatch
def opened(view: Linked, cards: Mapping[str, Card]) -> Iterator[Subject]:
    """The models that a screen's state shows, as they are run there."""
    raise TypeError(f"{type(view).__name__} shows no models")


@opened.register
def _(view: View, cards: Mapping[str, Card]) -> Iterator[Subject]:
    scene = scene_of(view, cards)
    model, beside = (cards[name] for name in scene.models)
    yield of_card(model, scene.task, scene.steps, scene.switches)
    yield of_card(beside, scene.task, 1 if beside.model.kind == "feedforward" else scene.steps)


@opened.register
def _(view: stability_view.LabView, cards: Mapping[str, Card]) -> Iterator[Subject]:
    for one in stability_view.variants_of(view, cards).values():
        switches = one.switches.replace(clock=one.clock) if view.frozen else one.switches
        yield of_card(cards[one.checkpoint], one.task, one.steps, switches)


@opened.register
def _(view: few_shot_view.LabView, cards: Mapping[str, Card]) -> Iterator[Subject]:
    task, *runs = few_shot_view.setting(view)
    yield from (of_run(task, run) for run in runs)
