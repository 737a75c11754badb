"""What Explore puts on show of a scene, laid out once for all who ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fbseg_core.analysis.ensemble import EnsembleStep
from pages.explore import computed, halting, in_browser
from pages.explore.player.payload import Laid, lay_out
from pages.explore.run import Scene, cue_note, ended_early
from pages.ui import server


@dataclass(frozen=True)
class Shown:
    """A run without its tensors. astray: whether the first image's cue stands on background; auto, engine:
    parts of the player's header; told: sentences on what was refused, or ended early."""

    laid: Laid
    astray: bool
    auto: dict[str, Any]
    engine: dict[str, Any]
    told: tuple[str, ...]


def on_show(
    scene: Scene, plane: tuple[str, str] | None, draws: list[EnsembleStep] | None, **parts: Any
) -> Shown:
    """The run of a scene as it is shown. plane: which, as `computed.plane` takes it, or None for none yet;
    parts: what else to lay out, as `lay_out` takes it."""

    def make() -> Shown:
        run, untouched = computed.runs(scene)
        fitted = None if plane is None else computed.plane(untouched, *plane)
        return Shown(
            lay_out(run, untouched, fitted, draws, **parts),
            bool(cue_note(run, True)),
            halting.header(run),
            in_browser.header(run),
            (*ended_early(run, untouched), *run.refused),
        )

    key = ("shown", repr(scene), plane, draws is not None, *sorted(parts.items()))
    return server.kept("shown", key, make, True)  # its turn lasts: runs that wait to be laid out take room
