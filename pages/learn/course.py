"""The course as data: each lesson is one idea, a guess asked first, and a computation that answers it.

Nothing here is a result: every number that a lesson tells comes from `computed.py`, where it is worked out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from fbseg_core.rollout.interventions import Flip

IMAGE = {"task": "grouping", "image": 7, "noise": 7}  # of Explore: the one that `computed` draws
WORDS = 90  # a lesson's text has at most so many


@dataclass(frozen=True)
class Lesson:
    """key: the function of `computed` that answers it. options: of a choice; side: of a picture to point
    at, in px, where the guess is a pixel's number, row by row; else it is a bar from lo to hi, in `unit`.
    trial: what may be changed afterwards, (label, lo, hi, step, where it stands).

    links: the screen and the values of its state that the figure opens in. terms: symbols, in one line each.
    """

    key: str
    title: str
    words: str
    question: str
    options: tuple[str, ...] = ()
    side: int = 0
    lo: float = 0.0
    hi: float = 1.0
    step: float = 0.01
    unit: str = ""
    trial: tuple[str, float, float, float, float] | None = None
    simplified: str = ""
    screen: str = ""
    values: dict[str, object] = field(default_factory=dict)
    terms: dict[str, str] = field(default_factory=dict)

    @property
    def format(self) -> str:
        """How a guess that is a number is written."""
        return digits(self.step)

    def takes(self, value: object) -> bool:
        """Whether a value can be a guess: the number of an option or pixel, or one between the bar's ends."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        whole = len(self.options) or self.side**2
        return value in range(whole) if whole else self.lo <= value <= self.hi

    def place(self, value: float) -> tuple[int, int]:
        """Row and column, from 0, of a guess that is a pixel's number."""
        return divmod(int(value), self.side)

    def said(self, value: float) -> str:
        """A guess in words: its option, its place, or the number in its unit."""
        if self.side:
            row, column = self.place(value)
            return f"row {row + 1}, column {column + 1}"
        if self.options:
            return self.options[int(value)]
        return f"{value:{self.format}} {self.unit}".strip()


def digits(step: float) -> str:
    """How a number is written that goes in such steps, as a format."""
    return ".0f" if step >= 1 else ".1f" if (10 * step).is_integer() else ".2f"


COURSE = (
    Lesson(
        "one_neuron",
        "A guess from what is seen and what is remembered",
        "A neuron r has to settle on one value. Its eyes say 8, its memory says 2, and neither is exact. "
        "How far each is trusted is its precision: 1 for the eyes, 3 for the memory. r moves a little at a "
        "time, pulled by each error times its precision, until the two pulls are equal.",
        "On which value does r come to rest?",
        lo=0.0, hi=10.0, step=0.1,
        trial=("Precision of the eyes", 0.0, 9.0, 0.25, 1.0),
        simplified="One unknown, no noise; both senses point straight at r.",
        screen="predictive", values={"source": "shapes", "label_shown": True},
        terms={"r": "what the model believes", "π": "precision: how far an error counts"},
    ),
    Lesson(
        "prediction",
        "Prediction and error on an image",
        "Now r is many numbers. Each draws a filter, and together they draw a prediction of the image, U∗r. "
        "What it misses, x − U∗r, is the error. The energy adds up the squared errors and a small cost of "
        "activity, and each update moves r downhill on it: that is error minimization. The paper behind this "
        "app (Calhas and Oliveira 2025) runs a network in a loop and calls its output δ an error too. But "
        "no image is subtracted there: δ is what a network puts out.",
        "After 40 updates, how much of the image's power (its squares, added up) is left as error?",
        hi=100.0, step=1.0, unit="%",
        trial=("Updates", 1.0, 80.0, 1.0, 40.0),
        simplified="Slow changes of brightness are taken out; contrast is set for each picture.",
        screen="predictive", values={"picture": 3},
        terms={
            "U∗r": "the image that r predicts", "ε₀": "x − U∗r, the error",
            "δ": "the correction that the paper's network F puts out",
            "E": "energy: errors and costs, added up",
        },
    ),
    Lesson(
        "precision",
        "Believe your eyes, or your memory",
        "A square of the image is covered with plain grey. A model that trusts every pixel takes the grey "
        "for a part of the scene. A model that gives the covered pixels precision 0 is free to fill them "
        "in from what it has learned and from what is around them.",
        "Behind the cover, whose prediction is nearer to what is really there?",
        options=("the one that trusts the grey", "the one that does not trust it", "both alike"),
        trial=("Side of the cover, px", 4.0, 24.0, 2.0, 6.0),
        simplified="The model knows where the cover is; working that out is a harder problem.",
        screen="predictive", values={"source": "shapes", "picture": 3},
        terms={"π = 0": "an error here does not count"},
    ),
    Lesson(
        "two_levels",
        "Two levels, and a bar that grows too long",
        "The level above, s, predicts r. The error ε₁ = r − W∗s keeps only what s cannot explain. In 1999 "
        "Rao and Ballard saw such an error neuron answer a short bar and fall almost silent to a long one, "
        "as cells in visual cortex do: end-stopping. Their reason: contours in natural images are long, so s "
        "learns to predict long bars better. Re-implementations find less of it. Here it is measured, "
        "whatever comes out.",
        "How strong is ε₁ for the longest bar, as a share of its strongest answer?",
        hi=100.0, step=1.0, unit="%",
        trial=("Precision π₁ of the second level (0: there is none)", 0.0, 4.0, 0.25, 0.5),
        simplified="One bar, one position, the filter that answers it best.",
        screen="predictive",
        terms={"s": "causes of r", "ε₁": "r − W∗s, what s does not explain of r", "π₁": "how far ε₁ counts"},
    ),
    Lesson(
        "learning",
        "Learning by making the error small",
        "Once r has settled, the weights move downhill on the same energy. Each synapse changes by the error "
        "at its end times the activity at its start. It needs to know nothing else: no gradient is sent back "
        "through layers. Here a model of random filters is updated twelve times, each time on two patches of "
        "photographs.",
        "What is then left of its energy on patches it has never seen?",
        hi=100.0, step=1.0, unit="% of before",
        trial=("Updates", 2.0, 24.0, 2.0, 12.0),
        simplified="A small model, and few updates: the shipped one took 200.",
        screen="predictive",
        terms={"U, W": "weights: what r and s draw", "local": "from what stands at the synapse alone"},
    ),
    Lesson(
        "loop",
        "From predictive coding to the paper's loop",
        "The paper's model keeps numbers at every pixel, its state h = [u, v]. The mask is read from u; v "
        "is fed back: as v̂ it is laid beside the image, and a convolutional network F turns both into a "
        "correction δ, which is normalised and added to h. Nothing predicts the image, and no energy falls: "
        "what is made small is the loss of the masks, in training. The task: mark the whole region that "
        "holds the dot. We cut the loop: v̂ is 0.",
        "What F1 does the cut loop reach on the same images?",
        trial=("Steps", 2.0, 30.0, 1.0, 20.0),
        simplified="One model, one training seed, eight images; it was trained with its loop.",
        screen="explore", values={"T": 20, "do": (Flip(),), **IMAGE},
        terms={
            "h": "the state of every pixel, h = [u, v]", "u": "the part that the mask is read from",
            "v": "the part that is fed back",
            "v̂": "v as it is fed back: by softmax, numbers that add up to 1 at each pixel",
            "δ": "what F adds to h", "F1": "overlap of mask and truth, 1 at best",
        },
    ),
    Lesson(
        "clock",
        "A clock, and why its eigenvalues are negative",
        "Before it is added, the correction δ of step t is multiplied by e^((t/τ)A), with τ = 8 steps here. "
        "Along each direction of the matrix A (an eigenvector) that is e^((t/τ)a), a being its eigenvalue: "
        "what is added shrinks from step to step (a\u00a0<\u00a00), keeps its size (a\u00a0=\u00a00) or "
        "grows (a\u00a0>\u00a00). The paper takes a\u00a0=\u00a0−1. The same model runs on the same image "
        "with a\u00a0=\u00a0−1, 0 and +1.",
        "What happens to the size of the state, ‖h‖, with a = +1?",
        options=("it comes to rest", "it grows about evenly", "it grows ever faster"),
        trial=("Eigenvalue a", -2.0, 1.0, 0.1, -1.0),
        simplified="Eigenvalues are alike and real (else the real part counts); trained with a = −1 alone.",
        screen="explore", values={"T": 40, "eigenvalue": 1.0, "curve": "norms", **IMAGE},
        terms={
            "τ": "after so many steps an update counts 1/e as much", "A": "the matrix of the decay",
            "‖h‖": "the size of h",
        },
    ),
    Lesson(
        "where",
        "Where a loop helps, and where not",
        "On single shapes one pass does as well as a loop. Grouping needs a chain of steps along the "
        "region: from the dot the loop passes the mark on, some pixels a step, and a shallow network that "
        "sees 18 px cannot follow. But a loop is not the only way to see far: a deeper network sees 100 px "
        "at once, with 18 times the weights.",
        "Of the bright region that holds the dot, which place does the loop mark last?",
        side=48,
        trial=("Images", 4.0, 24.0, 4.0, 8.0),
        simplified="One training seed of each model. A place is the mean over 5 × 5 px.",
        screen="evidence", values={"claim": "grouping"},
        terms={"receptive field": "the pixels that one pixel of the answer depends on"},
    ),
    Lesson(
        "settled",
        "Settled, or switched off?",
        "After 30 steps the mask stands still. That can mean two things: the network is content with it, "
        "or the clock lets nothing through any more. To tell them apart we give the updates back their "
        "full size and go on for 20 steps. A mask that was settled would stay.",
        "How much of the mask changes then?",
        hi=100.0, step=1.0, unit="% of the marked pixels",
        trial=("Steps more", 1.0, 40.0, 1.0, 20.0),
        simplified="One image. In training only the first step was ever added at full size.",
        screen="stability", values={"model": "grouping-feedback", "image": 7, "noise": 7, "T": 50},
        terms={"δ̃": "what of δ is added after the decay", "clock": "the t in the decay e^((t/τ)A)"},
    ),
    Lesson(
        "path",
        "Learning from the whole path, or from its end",
        "A loop can be taught in two ways. Whole-trajectory learning, the paper's, asks every step to be "
        "right: the loss L is the mean over all, its gradient goes back through each. Recurrent "
        "back-propagation asks only the fixed point to be right, where a step g changes nothing: "
        "h = g(h, w). Both sides change alike with w, so dL/dw = ∂L/∂h (1 − ∂g/∂h)⁻¹ ∂g/∂w, from there "
        "alone. Let one number, g = h + ½(wh + 1 − h), w = 0.8, go from 0; 8 is wanted.",
        "After 5 steps, how large is the whole path's gradient, as a share of the fixed point's?",
        hi=200.0, step=1.0, unit="%",
        trial=("Steps T", 1.0, 60.0, 1.0, 5.0),
        simplified="One number, L half its squared error. Of many, training sums the inverse as "
        "1 + J + J² + …, J = ∂g/∂h.",
        screen="evidence", values={"claim": "help"},
        terms={"T": "steps of a training trajectory", "fixed point": "where a step changes nothing"},
    ),
    Lesson(
        "claim",
        "A claim checked: few examples",
        "From two examples of noisy triangles the paper's loop learns to mark them, where its feedforward "
        "network fails. But the two differ in more than the loop: the network inside is normalised "
        "differently, and so is its output. So the two kinds of normalisation were given to the feedforward "
        "network, and nothing else was changed.",
        "What F1 does the feedforward network then reach?",
        trial=("Updates, as a multiple of the paper's", 1.0, 5.0, 4.0, 1.0),
        simplified="Noisy triangles alone, at one level of noise; the mean over training seeds.",
        screen="few_shot",
        terms={"normalisation": "bringing each channel to mean 0 and variance 1"},
    ),
)  # fmt: skip
