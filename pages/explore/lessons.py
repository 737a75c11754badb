"""Lessons for the Explore screen: a view each, and what to look at; test_lessons.py checks the claims."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fbseg_core.rollout.interventions import Flip, Paint, Perturb, Swap, pack_mask
from pages.explore.state import ExploreState


@dataclass(frozen=True)
class Lesson:
    """A preset of the screen, and one or two sentences on what to look at."""

    title: str
    look: str
    view: ExploreState


def _disc(side: int, radius: float) -> str:
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    return pack_mask(y * y + x * x < radius * radius)


def _lower_half(side: int) -> str:
    return pack_mask(np.broadcast_to(np.arange(side)[:, None] >= side // 2, (side, side)))


LEAKY = "grouping-leaky-feedback"
_GROUPING = {"task": "grouping", "image": 2}

LESSONS: dict[str, Lesson] = {
    lesson.view.lesson: lesson
    for lesson in (
        Lesson(
            "Grouping, with the loop and without",
            "The mask spreads from the cue along its region and fills it by step 6 (F1 0.99). The same "
            "network trained with its loop cut, beside it, ends at F1 0.44. The loop is one way to do this, "
            "not the only one: grouping-feedforward-deep, a deeper network without a loop that has 18 times "
            "the weights, scores as well. To mark every region, whatever the cue, scores 0.70.",
            ExploreState(lesson="loop-everything", comparison="grouping-loop-cut", **_GROUPING),
        ),
        Lesson(
            "A single shape: one step is nearly enough",
            "Step through time: F1 is 0.95 after one step and 0.96 after ten. The feedforward network "
            "beside it, trained on the same data for as many updates, has 0.97 on this image.",
            ExploreState(lesson="loop-nothing"),
        ),
        Lesson(
            "Switched off, not settled",
            "With τ = 1 no pixel changes from step 5 to step 12, and the mask is wrong (F1 0.57): the "
            "applied update ‖δ̃‖ is damped away, while ‖δ‖ is as large as at the start. At step 12 the "
            "damping is lifted and the mask moves on, to F1 0.78 at step 20 and 0.67 at step 24.",
            ExploreState(
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
            "Without damping ‖h‖ grows evenly, from step 10 on by 246 to 249 at every step, and at step 40 "
            "is 39 times what it was at step 1. No pixel of the mask changes after step 13: a steady mask "
            "is no proof of a steady state.",
            ExploreState(lesson="no-decay", decay=False, T=40, curve="norms", scale="linear", layer="mask"),
        ),
        Lesson(
            "Over-damped",
            "τ = 1.5 steps instead of 8: no pixel changes after step 6, and the lower part of the region is "
            "still missing (blue), F1 0.57. Set τ to 8 beside σ, and F1 is 1.00 at step 10.",
            ExploreState(lesson="over-damped", tau=1.5, layer="error", **_GROUPING),
        ),
        Lesson(
            "Beyond the training noise",
            "Noise of σ = 2, trained at σ = 1. More steps do not help: F1 is 0.66 after one step and 0.65 "
            "after ten. The feedforward network has 0.74, and is better on each of the images 0 to 9.",
            ExploreState(lesson="beyond-noise", sigma=2.0, layer="error"),
        ),
        Lesson(
            "Two cues, one region",
            "The region of the first lesson with the cue at its lower end, so the truth is the same. Pixels "
            "near the cue turn first: commit time is step 1.7 on average in the lower half and 5.5 in the "
            "upper; with the cue at the upper end it was 4.5 and 1.3. Click the input to ask about another "
            "pixel, of the other region too.",
            ExploreState(lesson="two-cues", cue=(46, 35), layer="commit", **_GROUPING),
        ),
        Lesson(
            "An unlearned size",
            "A disc of radius 27 px, where no shape seen in training had more than 16 px: both models miss "
            "almost all of it (F1 0.02 and 0.00). Draw your own and find the size at which they give "
            "up.",
            ExploreState(lesson="unlearned-size", drawing=_disc(64, 27), layer="error"),
        ),
        Lesson(
            "Does it let go? The image is swapped",
            "At step 8 the image changes under the state. By then the decay cuts updates to 37 % and less, "
            "and most of the old mask stays: at step 20 F1 is 0.53 against the new image and still 0.89 "
            "against the first.",
            ExploreState(lesson="swap", T=20, do=(Swap(t=8, seed=3),), **_GROUPING),
        ),
        Lesson(
            "A late perturbation is not forgotten",
            "Noise is added to the state at step 10, and F1 falls to 0.85. Later updates are too small "
            "to undo it: 0.89 at step 30, against 1.00 of the untouched run, though in the last five steps "
            "at most 2 pixels change at a time.",
            ExploreState(lesson="late-perturbation", T=30, do=(Perturb(t=10, size=3.0),), **_GROUPING),
        ),
        Lesson(
            "Settled, not switched off",
            "This model has no clock: its state leaks towards what F proposes (E5'), so it can rest where "
            "the two agree. At step 30 it moves by less than a millionth of its length, and F1 is 1.00. "
            "Then noise is added to all of it. F1 falls, to 0.37 at step 32, and the loop finds its way "
            "back, to 1.00 at step 40, and rests again.",
            ExploreState(
                lesson="settled",
                task="grouping",
                model=LEAKY,
                image=8,
                T=60,
                do=(Perturb(t=30, size=3.0),),
            ),
        ),
        Lesson(
            "It lets go",
            "At step 30 the image changes under a state at rest. Against the new image F1 is 0.49 at once "
            "and 1.00 five steps later. The loop beside it, whose clock has run out by then, stays at 0.49. "
            "It does not always let go: with image 8 to come instead of image 3 a part of the old mask lies "
            "on another region, where nothing tells it from the right one, and F1 ends at 0.94.",
            ExploreState(
                lesson="lets-go",
                task="grouping",
                model=LEAKY,
                comparison="grouping-feedback",
                image=2,
                T=60,
                do=(Swap(t=30, seed=3),),
            ),
        ),
        Lesson(
            "Harder takes longer",
            "Nothing tells this loop when to stop. From the cue to the region's farthest pixel the way is "
            "70 px long here, and no pixel changes after step 16; in image 8 it is 47 px, and none does "
            "after step 11. Commit time shows the mask pass along the region. Put the cue elsewhere, and "
            "see how long it takes.",
            ExploreState(
                lesson="harder", task="grouping", model=LEAKY, image=19, T=40, layer="commit", curve="update"
            ),
        ),
        Lesson(
            "Erase half early, and it grows back",
            "At step 4 the lower half of the state is wiped to background: F1 falls from 0.98 to 0.52, and "
            "the loop fills the half in again, to 0.99 at step 20. It must be early: of 20 halves of images "
            "0 to 39, 11 came back above 0.9 when wiped at step 4, and none when wiped at step 6, further "
            "down the decay's clock.",
            ExploreState(
                lesson="erase",
                task="grouping",
                image=32,
                T=20,
                do=(Paint(t=4, target="h", like="background", mask=_lower_half(48)),),
            ),
        ),
        Lesson(
            "Cut the loop half-way",
            "The loop is cut at step 4. From there on every step adds the same answer of a network that no "
            "longer sees its own mask: F1 sinks from 0.78 to 0.70, where the untouched run comes to 1.00.",
            ExploreState(lesson="cut-half-way", T=20, do=(Flip(t=4, switch="loop"),), **_GROUPING),
        ),
        Lesson(
            "Stopped once the mask stands still",
            "“Stop by itself” ends a run at the first step that changes no pixel. Of the images 0 to 11 it "
            "has stopped 9 by step 20, the soonest at step 7 and the last at step 18; this one is not among "
            "them. The mask spread into a region that is not the cue's (F1 0.98 at step 5, 0.77 at step 9) "
            "and lets go of most of that again, 0.90 at step 20.",
            ExploreState(
                lesson="stopped-too-soon", task="grouping", image=8, auto=True, T=20, curve="update"
            ),
        ),
    )
}
