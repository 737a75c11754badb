"""Lessons for the Explore screen: a view each, and what to look at; test_lessons.py checks the claims."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fbseg_core.interventions import Flip, Kick, Paint, Swap, pack_mask
from pages.ui.view import View


@dataclass(frozen=True)
class Lesson:
    """A preset of the screen, and one or two sentences on what to look at."""

    title: str
    look: str
    view: View


def _disc(side: int, radius: float) -> str:
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    return pack_mask(y * y + x * x < radius * radius)


def _right_half(side: int) -> str:
    return pack_mask(np.broadcast_to(np.arange(side) >= side // 2, (side, side)))


_GROUPING = {"task": "grouping", "image": 2}

LESSONS: dict[str, Lesson] = {
    lesson.view.lesson: lesson
    for lesson in (
        Lesson(
            "The loop is everything: grouping",
            "The mask spreads from the cue along its region, a little farther with every step; the same "
            "network with its loop cut, beside it, stays about where its first look leaves it.",
            View(lesson="loop-everything", beside="grouping-loop-cut", **_GROUPING),
        ),
        Lesson(
            "The loop is nothing: a single shape",
            "Step through time: the feedback model's answer is all but complete after one step, and the "
            "plain network beside it, trained with the same care, scores the same.",
            View(lesson="loop-nothing"),
        ),
        Lesson(
            "Switched off, not settled",
            "With τ = 1 no pixel changes after the first few steps, and the mask is wrong: not because "
            "the model is content, but because its updates are damped away. At step 12 the damping is "
            "lifted: it moves on.",
            View(
                lesson="switched-off",
                tau=1.0,
                T=24,
                curve="norms",
                do=(Flip(t=12, switch="decay"),),
                **_GROUPING,
            ),
        ),
        Lesson(
            "No decay: the state runs away, the mask stays",
            "Without damping ‖h‖ grows by the same amount at every step and never stops, while the mask "
            "hardly moves: a steady mask is no proof of a steady state.",
            View(lesson="no-decay", decay=False, T=40, curve="norms", layer="mask"),
        ),
        Lesson(
            "Over-damped",
            "τ = 1.5 steps instead of 8: the answer freezes before the mask has reached the end of its "
            "region. Pull τ up in the sidebar and watch it finish.",
            View(lesson="over-damped", tau=1.5, layer="error", **_GROUPING),
        ),
        Lesson(
            "Beyond the training noise",
            "Twice the noise it was trained at. More steps do not help: the feedback model's F1 stays "
            "where the first step left it, and on this image the plain network does better.",
            View(lesson="beyond-noise", sigma=2.0, layer="error"),
        ),
        Lesson(
            "Two cues, one region",
            "The cue stands at the other end of the same region, so the truth is the same; compare how "
            "the mask gets there. Click the input to ask about another pixel, of the other region too.",
            View(lesson="two-cues", cue=(46, 35), layer="commit", **_GROUPING),
        ),
        Lesson(
            "An unlearned size",
            "A disc larger than any shape seen in training: both models leave it out almost wholly. Draw "
            "your own and find the size at which they give up.",
            View(lesson="unlearned-size", drawing=_disc(64, 27), layer="error"),
        ),
        Lesson(
            "Does it let go? The image is swapped",
            "At step 8 the image changes under the state. The decay's clock has run down, so most of "
            "the old mask stays: compare F1 against the new image and against the old one.",
            View(lesson="swap", T=20, do=(Swap(t=8, seed=3),), **_GROUPING),
        ),
        Lesson(
            "A late kick is never forgotten",
            "The state is kicked with noise at step 10. The dashed run beside it was left alone; later "
            "updates are too small to bring the two together again, though both stand still.",
            View(lesson="late-kick", T=30, do=(Kick(t=10, size=3.0),), **_GROUPING),
        ),
        Lesson(
            "Erase half, and it grows back",
            "At step 6 the right half of the state is wiped to background. The loop fills it in again "
            "from what is left, ever more slowly, since the clock runs on.",
            View(
                lesson="erase",
                T=20,
                do=(Paint(t=6, target="h", like="background", mask=_right_half(48)),),
                **_GROUPING,
            ),
        ),
        Lesson(
            "Cut the loop half-way",
            "The loop is cut at step 4. From there on every step adds the same answer of a network that "
            "no longer sees its own mask, and what had been gained is lost again.",
            View(lesson="cut-half-way", T=20, do=(Flip(t=4, switch="loop"),), **_GROUPING),
        ),
        Lesson(
            "Stopped too soon",
            "The rule that is best on average stops this run, as it does nearly every one, at step 9: it "
            "reads the decay's clock more than the mask. Step on past the mark: the mask still lets go of "
            "a region that is not the cue's.",
            View(lesson="stopped-too-soon", task="grouping", image=8, auto=True, T=20, curve="update"),
        ),
    )
}
