"""What the Evidence page shows, as one frozen value."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fbseg_core import ConfigError
from fbseg_core.experiments import EXPERIMENTS
from pages.ui.link import Linked


class EvidenceState(Linked):
    """claim: the one card on show, "" for all. charts: "experiment.number", where it is not the first."""

    claim: str = Field("", max_length=40)
    charts: tuple[Annotated[str, Field(pattern=r"^[a-z]{1,40}\.[0-9]{1,2}$")], ...] = Field((), max_length=20)

    def chart(self, name: str) -> int:
        """The number of the chart on show in a card."""
        return next((int(text.split(".")[1]) for text in self.charts if text.startswith(f"{name}.")), 0)

    def with_chart(self, name: str, number: int) -> EvidenceState:
        """With another chart in a card."""
        kept = tuple(text for text in self.charts if not text.startswith(f"{name}."))
        return self.replace(charts=(*kept, f"{name}.{number}") if number else kept)


def check(view: EvidenceState) -> None:
    """Raise ConfigError for an experiment that is not known."""
    for name in filter(None, (view.claim, *(text.split(".")[0] for text in view.charts))):
        if name not in EXPERIMENTS:
            raise ConfigError(f"There is no experiment {name!r:.40}.")
