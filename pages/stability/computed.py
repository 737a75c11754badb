"""What the Stability lab computes once and shares among visitors: runs, judged, and the plane of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fbseg_core import Projection
from fbseg_core.analysis.lockstep import Walk, runs_held_as, shared_plane, walk
from fbseg_core.tasks import Batch, draw
from pages.stability.state import NAMES, StabilityState, Variant
from pages.ui import server, visitor
from pages.ui.models import model


def walk_of(variant: Variant) -> Walk:
    """The run of a variant, judged; about 2 MB at T = 60. A newer wish of the visitor ends it at any step."""

    def make() -> Walk:
        net, held = model(variant.checkpoint)[0], None
        plain = replace(variant, switches=variant.switches.replace(decay=False))
        if not variant.clock and runs_held_as(net, variant.switches, plain.switches, variant.steps):
            held = walk_of(plain).clocked  # most often another of the four
        how = {"held": held, "report": lambda t: visitor.heed()}
        return walk(net, batch_of(variant), variant.steps, variant.clock, variant.switches, **how)

    return server.kept("rest", _key(variant), make, True)


def walks_of(variants: Mapping[str, Variant]) -> dict[str, Walk]:
    """The runs of several variants."""
    return {name: walk_of(variant) for name, variant in variants.items()}


def known(variant: Variant) -> Walk | None:
    """The same, if it is there already."""
    return server.known_or(_key(variant), None)


def _key(variant: Variant) -> tuple[str, str]:
    return "walk", repr(variant)


def batch_of(variant: Variant) -> Batch:
    """The image of a variant."""
    return draw(variant.task, variant.image, variant.noise)


def plane_of(variants: Sequence[Variant]) -> Projection:
    """The plane of these variants' runs, their clocks going."""
    return server.kept(
        "rest",
        ("shared plane", repr(variants)),
        lambda: shared_plane([walk_of(variant).clocked for variant in variants]),
    )


def plane_shown(view: StabilityState, variants: Mapping[str, Variant]) -> Projection:
    """The plane that the view asks for."""
    return plane_of(list(variants.values()) if view.plane == "all" else [variants[NAMES[0]]])
