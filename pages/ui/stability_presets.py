"""Presets of the Stability lab: a view each, what to look at, and the verdicts that hold there."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui.stability_view import LabView


@dataclass(frozen=True)
class Preset:
    """`state` and `mask` are the verdicts on the run in focus; test_stability.py checks them."""

    title: str
    look: str
    view: LabView
    state: str
    mask: str


PRESETS: dict[str, Preset] = {
    preset.view.lesson: preset
    for preset in (
        Preset(
            "Settled: the mask",
            "With the clock held at its start, so that nothing is damped, the mask still stays put: it has "
            "settled. The state has not, and cannot: it was switched off by the clock, and drifts without.",
            LabView(lesson="settled"),
            "switched off",
            "settled",
        ),
        Preset(
            "Switched off: judged too late",
            "The same run, judged from step 10 on. By then the gain is below 1 %, and even with the clock "
            "held there too little gets through to tell: the mask stands still because nothing moves it.",
            LabView(lesson="switched-off", T=70, clock=10),
            "switched off",
            "switched off",
        ),
        Preset(
            "Switched off: it would move on",
            "Without the softmax the mask comes to rest too, but only because of the clock: hold it at "
            "its start and the mask drifts.",
            LabView(lesson="would-move-on", focus="decay only"),
            "switched off",
            "switched off",
        ),
        Preset(
            "Drifting: trained without both",
            "A model trained without softmax and decay. Past its training length its state walks on by "
            "the same amount every step, and its mask drifts with it.",
            LabView(lesson="drifting", mode="trained", focus="neither"),
            "drifting",
            "drifting",
        ),
        Preset(
            "Oscillating: a flickering mask",
            "Eigenvalue 2 and no softmax: every step outweighs all before it. The state diverges, and the "
            "mask flickers with a period of two steps, of which ‖h‖ shows nothing: it just grows.",
            LabView(
                lesson="oscillating", image=8, T=40, tau=2.0, eigenvalue=2.0, focus="decay only", log=True
            ),
            "diverging",
            "oscillating",
        ),
        Preset(
            "Diverging: a positive eigenvalue",
            "Eigenvalue 1: the gain grows by 65 % a step, and so does the state. The mask does not move, "
            "because argmax does not see the length of the state.",
            LabView(lesson="diverging", tau=2.0, eigenvalue=1.0),
            "diverging",
            "settled",
        ),
        Preset(
            "Over-smoothed: one class everywhere",
            "A model trained without decay, its softmax switched off at inference: the state drifts, and the "
            "mask collapses to a single class.",
            LabView(lesson="over-smoothed", model="shapes-no-decay", focus="neither"),
            "drifting",
            "over-smoothed",
        ),
        Preset(
            "Overflow",
            "Eigenvalue 2 and τ = 0.1 steps: the gain e^{20t} leaves the range of 32-bit numbers within "
            "a few steps, and the two variants with decay end there. Those without have no gain, and go on.",
            LabView(lesson="overflow", tau=0.1, eigenvalue=2.0),
            "diverging",
            "diverging",
        ),
        Preset(
            "A late kick is never forgotten",
            "The state is kicked by a tenth of its length at step 10. With its clock going, the run keeps "
            "that distance for ever, certificate or not: nothing pulls it back.",
            LabView(lesson="late-kick", at=10, kick=True),
            "switched off",
            "settled",
        ),
        Preset(
            "Grouping: the clock hides an unsettled mask",
            "Another task and τ = 8 steps. The mask stands still at the end, but with the clock held "
            "at its start it drifts.",
            LabView(lesson="grouping", model="grouping-feedback", image=2),
            "drifting",
            "switched off",
        ),
    )
}
