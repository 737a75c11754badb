"""What the Stability lab computes on a button: eigenvalues, growth rates, the response to a perturbation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fbseg_core.analysis.jacobian import Growth, Spectrum, leading_eigenvalues, lyapunov
from fbseg_core.analysis.lockstep import state_at
from fbseg_core.analysis.probes import Response, response
from fbseg_core.analysis.stretch import Stretch, passes, stretch
from fbseg_core.rollout.trajectory import State
from fbseg_core.tasks import Batch
from pages.stability import computed
from pages.stability.state import Variant
from pages.ui import models, server

GROWTH_STEPS = 40
SPANS, OTHERS = (
    (1, 2, 4, 8),
    1,
)  # steps over which the stretch is measured, and states beside the one asked for
MOST = 120  # Jacobian-vector products for the eigenvalues
Tell = Callable[[float, str], object]  # share done, and of what; may raise to stop


@dataclass(frozen=True)
class Local:
    """Local stability at one state, and growth along the run from there. stretch: None where some directions
    are neutral, as no number of steps then shrinks every change."""

    spectrum: Spectrum
    growth: Growth
    stretch: Stretch | None


def eigenvalues_of(variant: Variant, at: int, tell: Tell | None) -> Spectrum | None:
    """The leading eigenvalues at step `at` of the clocked run; with None only what is there already.

    Raises ConfigError where the run has no such state.
    """

    def make() -> Spectrum:
        def report(done: int) -> bool:
            tell(min(done / MOST, 1.0), f"Eigenvalues: {done} products, {MOST} at most")
            return True

        net, batch, state = _at(variant, at)
        return leading_eigenvalues(net, batch.x, state, 4, variant.switches, most=MOST, report=report)

    return server.known_or(("eigenvalues", _key(variant), at), tell and make)


def local_of(variant: Variant, at: int, tell: Tell | None) -> Local | None:
    """Eigenvalues and growth rates; otherwise as `eigenvalues_of`."""

    def make() -> Local:
        def report(done: int) -> bool:
            tell(done / (2 * GROWTH_STEPS), f"Growth rates: {done} of {2 * GROWTH_STEPS} products")
            return True

        spectrum = eigenvalues_of(variant, at, tell)
        net, batch, state = _at(variant, at)
        direction = spectrum.direction if spectrum.direction.any() else None
        growth = lyapunov(
            net, batch.x, state, GROWTH_STEPS, variant.switches, direction=direction, report=report
        )
        found = None
        if not spectrum.neutral:
            most = passes(SPANS, OTHERS)

            def told(done: int) -> None:
                tell(done / most, f"Stretch of small changes: {done} of {most} passes")

            options = {"spans": SPANS, "others": OTHERS, "report": told}
            found = stretch(net, batch.x, state, variant.switches, **options)
        return Local(spectrum, growth, found)

    return server.known_or(("local", _key(variant), at), tell and make)


def response_of(variant: Variant, at: int, size: float, leading: bool, tell: Tell | None) -> Response | None:
    """Perturb the state at step `at` by `size` times its length; otherwise as `eigenvalues_of`."""

    def make() -> Response:
        direction = eigenvalues_of(variant, at, tell).direction if leading else None
        tell(1.0, "Four runs: perturbed and not, clock running and held")
        net, batch, state = _at(variant, at)
        length = size * float(state.h.norm())
        return response(net, batch.x, state, length, variant.steps, variant.switches, direction=direction)

    return server.known_or(("response", _key(variant), variant.steps, at, size, leading), tell and make)


def _at(variant: Variant, at: int) -> tuple[object, Batch, State]:
    net = models.model(variant.checkpoint)[0]
    batch = computed.batch_of(variant)
    return net, batch, state_at(net, batch, at, variant.switches)


def _key(variant: Variant) -> tuple:
    """What the state at a step depends on: neither the steps shown, nor where the clock is held."""
    return variant.checkpoint, variant.task, variant.image, variant.noise, variant.switches
