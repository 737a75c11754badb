"""What the Evidence page shows, as one frozen value, and where each card leads."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from pydantic import Field

from fbseg_core import ConfigError
from fbseg_core.experiments import EXPERIMENTS
from pages.ui import few_shot_view, stability_view
from pages.ui.link import Linked
from pages.ui.view import View


class EvidenceView(Linked):
    """claim: the one card on show, "" for all. charts: "experiment.number", where it is not the first."""

    claim: str = Field("", max_length=40)
    charts: tuple[Annotated[str, Field(pattern=r"^[a-z]{1,40}\.[0-9]{1,2}$")], ...] = Field((), max_length=20)

    def chart(self, name: str) -> int:
        """The number of the chart on show in a card."""
        return next((int(text.split(".")[1]) for text in self.charts if text.startswith(f"{name}.")), 0)

    def with_chart(self, name: str, number: int) -> EvidenceView:
        """With another chart in a card."""
        kept = tuple(text for text in self.charts if not text.startswith(f"{name}."))
        return self.replace(charts=(*kept, f"{name}.{number}") if number else kept)


def check(view: EvidenceView) -> None:
    """Raise ConfigError for an experiment that is not known."""
    for name in filter(None, (view.claim, *(text.split(".")[0] for text in view.charts))):
        if name not in EXPERIMENTS:
            raise ConfigError(f"There is no experiment {name!r:.40}.")


def evidence_link(claim: str) -> str:
    """The address of one card, from any page."""
    return f"./evidence?{urlencode(EvidenceView(claim=claim).link({}))}"


def _explore(label: str, **view) -> tuple[str, str]:
    return label, f"./?{urlencode(View(**view).link({}))}"


def _stability(label: str, **view) -> tuple[str, str]:
    return label, f"./stability?{urlencode(stability_view.LabView(**view).link({}))}"


def _few_shot(label: str, **view) -> tuple[str, str]:
    return label, f"./few_shot?{urlencode(few_shot_view.LabView(**view).link({}))}"


# experiment -> (label, address) of the settings that show it. σ = 1 at 64 px is paper sigma 8.
WAYS: dict[str, tuple[tuple[str, str], ...]] = {
    "fewshot": (
        _few_shot("Train n = 2 as the paper does", examples=2, protocol="paper"),
        _few_shot("Train n = 10 as the paper does", examples=10, protocol="paper"),
        _few_shot("Train n = 1, both alike", examples=1, protocol="matched"),
    ),
    "noise": (
        _few_shot("Train at paper sigma 8", examples=10, protocol="paper", sigma=1.0),
        _explore("See paper sigma 8", sigma=1.0),
    ),
    "convergence": (
        _explore("PC1 of the logits over time", plane="logits", points="regions", chart="time", T=30),
        _stability("Hold the clock", frozen=True),
    ),
    "ablation": (
        _stability("Trained without", mode="trained"),
        _stability("Switched off at inference"),
    ),
    "ladder": (
        _few_shot("Train the two ends, and add rungs", examples=2, protocol="paper"),
        _explore("Cut the loop on a shape", loop=False),
    ),
    "grouping": (
        _explore("With the loop", task="grouping"),
        _explore("With the loop cut", task="grouping", loop=False),
    ),
    "help": (_few_shot("Train n = 2, both alike", examples=2, protocol="matched"),),
    "halting": (
        _explore("Update over time, grouping", task="grouping", curve="update", T=30),
        _explore("Update over time, shapes", curve="update", T=30),
    ),
    "limit": (_few_shot("Train, and score against the limit", examples=10, protocol="matched"),),
    "scale": (_explore("A run of 60 steps", T=60),),
}
