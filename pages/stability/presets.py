"""Presets of the Stability lab: a view each, what to look at, and the verdicts that hold there."""

from __future__ import annotations

from dataclasses import dataclass

from pages.stability.state import StabilityState


@dataclass(frozen=True)
class Preset:
    """Verdicts, state and mask, of the variant in focus: on its run with the clock running, on that with the
    clock held, and on both together. test_stability.py checks them.
    """

    title: str
    look: str
    view: StabilityState
    running: tuple[str, str]
    held: tuple[str, str]
    together: tuple[str, str]


PRESETS: dict[str, Preset] = {
    preset.view.lesson: preset
    for preset in (
        Preset(
            "Settled: the mask",
            "With the clock held from t = 0, so that nothing is damped, the mask still comes to rest, and "
            "where the running clock leaves it: it has settled. The state has not, and cannot: with the "
            "clock running it is switched off, with the clock held it drifts.",
            StabilityState(lesson="settled"),
            ("switched off", "stands still"),
            ("drifting", "settled"),
            ("switched off", "settled"),
        ),
        Preset(
            "Settled: state and mask",
            "A state that leaks (E5'), without a clock (“softmax only”): state and mask come to rest with "
            "nothing held, and a perturbation is forgotten. With a clock put in (“softmax, decay”) both are "
            "switched off instead, at F1 0.505.",
            StabilityState(
                lesson="settled-state",
                model="grouping-leaky-feedback",
                image=8,
                focus="softmax only",
                at=30,
                perturb=True,
            ),
            ("settled", "settled"),
            ("settled", "settled"),
            ("settled", "settled"),
        ),
        Preset(
            "Switched off: judged too late",
            "The same run, judged from step 10 on. By then the gain is below 1 %, and even with the clock "
            "held there too little gets through to tell: the mask stands still because nothing moves it.",
            StabilityState(lesson="switched-off", T=70, clock=10),
            ("switched off", "stands still"),
            ("drifting", "stands still"),
            ("switched off", "switched off"),
        ),
        Preset(
            "Switched off: it would move on",
            "Without the softmax (“decay only”) the mask comes to rest too while the clock is running, but "
            "only because of it: with the clock held from t = 0 the mask drifts.",
            StabilityState(lesson="would-move-on", focus="decay only"),
            ("switched off", "stands still"),
            ("drifting", "drifting"),
            ("switched off", "switched off"),
        ),
        Preset(
            "Drifting: trained without both",
            "A model trained without softmax and decay (“neither”): it has no clock to hold. Past its "
            "training length its state walks on by the same amount every step, and its mask drifts with it.",
            StabilityState(lesson="drifting", mode="trained", focus="neither"),
            ("drifting", "drifting"),
            ("drifting", "drifting"),
            ("drifting", "drifting"),
        ),
        Preset(
            "Oscillating: a flickering mask",
            "Eigenvalue 2 and no softmax (“decay only”): with the clock running every step outweighs all "
            "before it. The state diverges, and the mask flickers with a period of two steps, of which ‖h‖ "
            "shows nothing: it just grows. With the clock held from t = 0 both merely drift.",
            StabilityState(
                lesson="oscillating", image=8, T=40, tau=2.0, eigenvalue=2.0, focus="decay only", log=True
            ),
            ("diverging", "oscillating"),
            ("drifting", "drifting"),
            ("diverging", "oscillating"),
        ),
        Preset(
            "Diverging: a positive eigenvalue",
            "Eigenvalue 1: with the clock running the gain grows by 65 % a step, and so does the state of "
            "“softmax, decay”. Its mask hardly moves, because argmax does not see the length of the state.",
            StabilityState(lesson="diverging", tau=2.0, eigenvalue=1.0),
            ("diverging", "settled"),
            ("drifting", "settled"),
            ("diverging", "settled"),
        ),
        Preset(
            "Over-smoothed: one class everywhere",
            "A model trained without decay, its softmax switched off at inference (“neither”): the state "
            "drifts, and the mask collapses to a single class. “decay only” keeps a shape while its clock "
            "is running; with the clock held from t = 0 its mask collapses as well.",
            StabilityState(lesson="over-smoothed", model="shapes-no-decay", focus="neither"),
            ("drifting", "over-smoothed"),
            ("drifting", "over-smoothed"),
            ("drifting", "over-smoothed"),
        ),
        Preset(
            "Overflow",
            "Eigenvalue 2 and τ = 0.1 steps: the gain e^{20t} leaves the range of 32-bit numbers within "
            "a few steps, and with the clock running the two variants with decay end there. With the clock "
            "held from t = 0 their gain stays 1, as that of the two without decay, and all go on.",
            StabilityState(lesson="overflow", tau=0.1, eigenvalue=2.0),
            ("diverging", "diverging"),
            ("drifting", "settled"),
            ("diverging", "diverging"),
        ),
        Preset(
            "A late perturbation is never forgotten",
            "The state is perturbed by a tenth of its length at step 10. With the clock running, the run "
            "keeps that distance for ever, certificate or not: nothing pulls it back.",
            StabilityState(lesson="late-perturbation", at=10, perturb=True),
            ("switched off", "stands still"),
            ("drifting", "settled"),
            ("switched off", "settled"),
        ),
        Preset(
            "Grouping: the clock hides an unsettled mask",
            "Another task and τ = 8 steps. With the clock running the mask stands still at the end, and the "
            "state moves by less and less; with the clock held from t = 0 both drift.",
            StabilityState(lesson="grouping", model="grouping-feedback", image=2),
            ("drifting, ever slower", "stands still"),
            ("drifting", "drifting"),
            ("drifting, ever slower", "switched off"),
        ),
    )
}
