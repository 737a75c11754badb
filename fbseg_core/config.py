"""Every setting of the project, once: its default, range, unit and one line of help.

Menus, links, checkpoints and the command line are derived from these frozen pydantic models, so a
range is written in one place only. `settings.py` has what they are made of.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fbseg_core.models.kinds import KINDS
from fbseg_core.models.mechanisms import DECAYS, INTEGRATORS, PROJECTIONS
from fbseg_core.settings import Config, setting

EVAL_SEED = 1000  # of the fresh images that scores are taken on, wherever no other seed is given
PAPER_SIDE = 512  # px: the paper's images


def paper_sigma(sigma: float, side: float) -> float:
    """σ of a 512-px image whose shapes carry the same evidence as at σ a pixel in an image of `side` px."""
    return sigma * PAPER_SIDE / side


def pixel_sigma(paper: float, side: float) -> float:
    """σ a pixel in an image of `side` px whose paper sigma is `paper`: the inverse of `paper_sigma`."""
    return paper * side / PAPER_SIDE


class Switches(Config):
    """What may be flipped at inference, as one frozen value; None means 'as the model was built'.

    A switch never touches the model. 'Switched off at inference' and 'trained without' differ:
    the first is a value of this class, the second a `ModelConfig`.
    """

    softmax: bool | None = setting(
        None,
        "Project each pixel's v onto the simplex before it is fed back (E2). Off, v is only normalised; "
        "compare how steady the mask stays.",
    )
    decay: bool | None = setting(
        None,
        "Damp every update by the running clock (E4). Off, late updates count in full; watch whether "
        "‖h‖ and the mask come to rest.",
    )
    loop: bool | None = setting(
        None, "Feed v back into F. Off, v̂ := 0: F sees the image alone, and every step adds the same δ."
    )
    tau: float | None = setting(
        None,
        "Time constant of the decay: after so many steps an update counts 1/e as much (A = −1). Small, the "
        "answer freezes early; large, late steps still correct it.",
        unit="steps",
        lo=0.05,
        hi=1000.0,
        step=0.1,
    )
    clock: int | None = setting(
        None,
        "Keep the decay's gain of this step and go on iterating. A mask that then still stands has settled; "
        "one that moves was only damped.",
        unit="step",
        lo=0,
        hi=1000,
    )
    spectrum: tuple[Annotated[float, Field(ge=-10, le=10)], ...] | None = setting(
        None,
        "Eigenvalues of A, one for all neurons or U+V of them: negative damps updates, 0 leaves them whole, "
        "positive lets them grow until numbers overflow.",
    )
    kernel: Literal["none", "fractional"] | None = setting(
        None,
        "Weigh updates once more, by the authors' fractional-order kernel: it falls to 0 at step T and has "
        "no value past it.",
    )
    integrator: Literal["sum", "leaky"] | None = setting(
        None,
        "sum adds every δ to the state (E5); leaky draws the state towards δ (E5'), so that it is at rest "
        "where h = δ. A model trained one way is seldom of use in the other.",
    )
    k: float | None = setting(
        None,
        "Share of the error δ − h that a step of a leaky state takes: small, it creeps; at 1 it jumps to δ.",
        lo=0.01,
        hi=1.0,
        step=0.05,
    )
    batch_statistics: bool = setting(
        False,
        "Batch norm only: normalise by this batch's statistics. Try it after few updates, when the running "
        "ones are stale.",
    )

    @model_validator(mode="after")
    def _spectrum_not_empty(self) -> Self:
        if self.spectrum is not None and not self.spectrum:
            raise ValueError("spectrum: needs at least one eigenvalue")
        return self


class ModelConfig(Config):
    """The network and its loop (equations E1-E6)."""

    kind: str = setting(
        "feedback",
        "The loop closed; the same network with v̂ := 0; T steps, each with weights of its own; or one pass.",
    )
    in_channels: int = setting(
        3, "Channels C that an image must have; in training, those of the task.", lo=1, hi=16
    )
    classes: int = setting(2, "How many classes K a pixel may be of, background included.", lo=2, hi=32)
    width: int = setting(8, "Channels of the first level of the U-Net.", lo=1, hi=128)
    depth: int = setting(3, "Times the U-Net halves the image.", lo=0, hi=4)
    norm: Literal["group", "batch", "pixel", "none"] = setting(
        "group",
        "How the U-Net normalises. Batch statistics are stale after few updates; group has none. pixel, over "
        "the channels of each pixel and of δ and v as well, makes nothing depend on the image's size.",
    )
    delta_norm: bool = setting(
        True,
        "Normalise F's output (E3), over the image or, with norm pixel, at each pixel; without it δ is "
        "unbounded.",
    )
    u: int = setting(8, "Neurons U at each pixel that the answer is read from.", lo=1, hi=64)
    v: int = setting(4, "Neurons V at each pixel that are fed back to F.", lo=1, hi=64)
    projection: str = setting("softmax", "What v passes through before it is fed back (E2).")
    decay: str = setting("exponential", "How updates are damped over time (E4).")
    tau: float = setting(
        2.0,
        "Time constant of the decay: after so many steps an update counts 1/e as much (A = −1). Small, the "
        "answer freezes early; large, late steps still correct it.",
        unit="steps",
        lo=0.05,
        hi=1000.0,
        step=0.1,
    )
    integrator: str = setting(
        "sum", "What a step adds: δ itself (E5), or, leaky, a share of the error δ − h (E5')."
    )
    k: float = setting(
        0.5,
        "Share of the error δ − h that a step of a leaky state takes: small, it creeps; at 1 it jumps to δ.",
        lo=0.01,
        hi=1.0,
        step=0.05,
    )
    spectrum: tuple[Annotated[float, Field(ge=-10, le=10)], ...] = setting(
        (-1.0,),
        "Eigenvalues of A, one for all neurons or U+V of them: negative damps updates, 0 leaves them whole, "
        "positive lets them grow.",
    )
    kernel: Literal["none", "fractional"] = setting(
        "none",
        "Weigh updates once more, by the authors' fractional-order kernel: it falls to 0 at step T and has "
        "no value past it.",
    )
    alpha: float = setting(
        1.5, "Order of the fractional kernel: the larger, the sooner it falls.", lo=1.0, hi=3.0, step=0.1
    )
    steps: int = setting(10, "Steps T the model is run for by default.", unit="steps", lo=1, hi=200)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        tables = {"kind": KINDS, "projection": PROJECTIONS, "decay": DECAYS, "integrator": INTEGRATORS}
        for key, registry in tables.items():
            if getattr(self, key) not in registry:
                raise ValueError(f"{key}: {getattr(self, key)!r:.60} is not one of {', '.join(registry)}")
        if len(self.spectrum) not in (1, self.u + self.v):
            raise ValueError(
                f"spectrum: give 1 eigenvalue or U+V = {self.u + self.v}, not {len(self.spectrum)}"
            )
        return self


class TaskConfig(Config):
    """What every task shares. `name` is the task's key in `fbseg_core.tasks.TASKS`."""

    name: str = setting("", "Which task's images are drawn.")
    sigma: float = setting(
        0.5, "Standard deviation of the noise at each pixel.", unit="grey levels", lo=0.0, hi=4.0, step=0.05
    )

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of its images, in px."""
        raise NotImplementedError(f"{type(self).__name__} says no size")

    @property
    def paper_sigma(self) -> float:
        """σ of a 512-px image whose shapes carry the same evidence: sigma·512/√(H·W)."""
        return paper_sigma(self.sigma, math.sqrt(self.size[0] * self.size[1]))


class SquareConfig(TaskConfig):
    """A task whose images are square."""

    side: int = setting(64, "Height and width of the image.", unit="px", lo=16, hi=512, step=8)

    @property
    def size(self) -> tuple[int, int]:
        return self.side, self.side


class ShapesConfig(SquareConfig):
    """Noisy polygons, the paper's task."""

    name: Literal["shapes"] = "shapes"
    sides: tuple[Annotated[int, Field(ge=0, le=8)], ...] = setting(
        (3,), "Kinds of shape by their number of sides, 3 to 8; 0 is a circle."
    )
    count: int = setting(1, "Shapes in an image; later ones cover earlier ones.", lo=1, hi=8)
    multiclass: bool = setting(False, "One class for each kind of shape, or one for all of them.")
    rotate: bool = setting(False, "Turn each shape by a random angle.")
    border: Literal["cut", "inside"] = setting(
        "cut", "Shapes may be cut by the border, or lie wholly inside."
    )
    radius_min: float = setting(0.10, "Smallest circumradius.", unit="sides", lo=0.04, hi=0.5, step=0.01)
    radius_max: float = setting(0.25, "Largest circumradius.", unit="sides", lo=0.04, hi=0.5, step=0.01)
    jitter: float = setting(
        0.0,
        "How far each corner may lie off the circumradius, at random, as in the authors' generator. 0 draws "
        "regular polygons.",
        unit="radii",
        lo=0.0,
        hi=0.5,
        step=0.05,
    )
    channels: Literal[1, 3] = setting(3, "Image channels, each with its own noise.")
    normalise: Literal["minmax", "standard", "none"] = setting(
        "standard", "Each image: to [0, 1] as in the paper, to mean 0 and deviation 1, or not at all."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.sides or any(sides in (1, 2) for sides in self.sides):
            raise ValueError("sides: give at least one kind, each 0 (circle) or 3 to 8")
        if len(set(self.sides)) != len(self.sides):
            raise ValueError("sides: each kind may be named once")
        if self.radius_min > self.radius_max:
            raise ValueError("radius_min: must not exceed radius_max")
        return self


class GroupingConfig(SquareConfig):
    """Incremental grouping: mark the whole connected region that holds the cue dot."""

    name: Literal["grouping"] = "grouping"
    side: int = setting(48, "Height and width of the image.", unit="px", lo=16, hi=512, step=8)
    sigma: float = setting(
        0.2,
        "Standard deviation of the noise on the image channel.",
        unit="grey levels",
        lo=0.0,
        hi=4.0,
        step=0.05,
    )
    regions: Literal["blobs", "curves", "maze"] = setting(
        "blobs", "Blobs of smooth noise; curves of one width; or the ways of a maze, which branch."
    )
    scale: float = setting(
        2.5,
        "Width of the regions: deviation of the blur that makes blobs, half the width of a curve or a way.",
        unit="px",
        lo=1.0,
        hi=16.0,
        step=0.1,
    )
    coverage: float = setting(0.5, "Share of the image that is in some region.", lo=0.2, hi=0.6, step=0.05)
    winding: float = setting(
        0.75,
        "Shortest way allowed from the cue to the region's farthest pixel.",
        unit="sides",
        lo=0.0,
        hi=2.5,
        step=0.05,
    )


class TrainConfig(Config):
    """One training run. The number of updates is epochs·⌈examples/batch⌉, or `updates` without epochs."""

    examples: int = setting(0, "Training examples; 0 draws fresh ones for every update.", lo=0, hi=100_000)
    batch: int = setting(8, "Examples whose gradients are averaged in an update.", lo=1, hi=256)
    updates: int = setting(
        600, "How often the weights are changed, unless epochs are given.", lo=1, hi=1_000_000
    )
    epochs: int = setting(0, "Passes over the examples; 0 counts updates instead.", lo=0, hi=100_000)
    optimiser: Literal["adam", "adamw"] = setting(
        "adam", "Update rule of the weights; adamw takes weight decay apart from the gradient."
    )
    lr: float = setting(
        0.003, "Largest learning rate: too large and the loss jumps, too small and it crawls.", lo=0.0, hi=1e9
    )
    schedule: Literal["constant", "cosine"] = setting(
        "cosine", "Learning rate over time: constant, or warm-up then a cosine to zero."
    )
    warmup: int = setting(20, "Updates over which a cosine schedule rises.", lo=0, hi=100_000)
    weight_decay: float = setting(0.0, "Pull of every weight towards zero at each update.", lo=0.0, hi=1.0)
    clip: float = setting(1.0, "Largest gradient norm; 0 does not clip.", lo=0.0, hi=1e6)
    steps_min: int = setting(5, "Shortest training trajectory.", unit="steps", lo=1, hi=100)
    steps_max: int = setting(5, "Longest training trajectory.", unit="steps", lo=1, hi=100)
    loss: Literal["trajectory", "final"] = setting(
        "trajectory", "Cross-entropy averaged over the steps (E7), or of the last step only."
    )
    loss_from: float = setting(
        0.0, "Share of each trajectory, from its start, left out of the loss.", lo=0.0, hi=0.99, step=0.05
    )
    gradient: Literal["trajectory", "truncated", "fixed_point"] = setting(
        "trajectory",
        "How far back the gradient goes: through the whole trajectory (E7); through its last steps; or, as "
        "if the state were at rest, by implicit differentiation, whose memory does not grow with the steps.",
    )
    window: int = setting(
        10, "Steps of a truncated gradient; terms of the series at the fixed point.", lo=1, hi=200
    )
    free: int = setting(
        0,
        "Most steps taken without a gradient before the trajectory, so that a loop learns to hold what it "
        "has. How many is drawn for each update; the most rises over the first sixth of the training.",
        unit="steps",
        lo=0,
        hi=500,
    )
    start_other: float = setting(
        0.0,
        "Share of images that start from the state of another image, not from rest: what was there before "
        "must be unlearned.",
        lo=0.0,
        hi=1.0,
    )
    start_noise: float = setting(0.0, "Share of images that start from noise, not from rest.", lo=0.0, hi=1.0)
    no_cue: float = setting(
        0.0,
        "Share of images shown without their cue, of which nothing is to be marked: what no cue reaches must "
        "then stay unmarked, however far away. Only for tasks with a cue.",
        lo=0.0,
        hi=1.0,
    )
    lipschitz: float = setting(
        0.0, "Weight of a penalty on steps that stretch small changes of the state.", lo=0.0, hi=1e6
    )
    average: float = setting(
        0.0,
        "Keep the running average of the weights, of which each update keeps this share: 0.99 averages over "
        "some hundred updates; 0 keeps the last weights.",
        lo=0.0,
        hi=0.99999,
    )
    flips: bool = setting(False, "Augment: flip and turn the training images at random.")
    sigma_range: float = setting(
        1.0,
        "Each update draws its σ from the task's own divided by this number to that times it, evenly on a "
        "logarithmic scale; 1 keeps the task's own.",
        lo=1.0,
        hi=16.0,
    )
    eval_every: int = setting(0, "Updates between two validation scores; 0 takes none.", lo=0, hi=1_000_000)
    patience: int = setting(
        0, "Validation scores without a new best before stopping; 0 never stops early.", lo=0, hi=10_000
    )
    seed: int = setting(0, "Seed of weights, examples, noise and order.", lo=0, hi=2**31 - 1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.steps_min > self.steps_max:
            raise ValueError("steps_min: must not exceed steps_max")
        if self.start_other + self.start_noise > 1:
            raise ValueError("start_noise: the shares of other starts must not exceed 1 together")
        if self.epochs and not self.examples:
            raise ValueError("epochs: needs a fixed number of examples (examples of at least 1)")
        if self.patience and not self.eval_every:
            raise ValueError("patience: needs validation scores (eval_every of at least 1)")
        return self

    @property
    def total(self) -> int:
        """Updates in the whole run."""
        return self.epochs * -(-self.examples // self.batch) if self.epochs else self.updates


class FewShotConfig(Config):
    """What a few-shot comparison asks for; `fbseg_core.training.fewshot` makes the two runs of it."""

    examples: int = setting(
        2,
        "How many images both models learn from. Try 1 or 2: with so few the seed decides much, so repeat "
        "over seeds.",
        lo=1,
        hi=32,
    )
    protocol: Literal["paper", "matched"] = setting(
        "matched",
        "paper trains the two as the paper does, with different normalisation; matched gives both the same "
        "help. Compare the gap in each.",
    )
    steps: int = setting(
        5,
        "Steps that the loop runs for in training; its test runs on to twice as many. More cost more time, "
        "and let the mask spread farther.",
        unit="steps",
        lo=1,
        hi=50,
    )
    tau: float | None = setting(
        None,
        "Time constant of the decay in training: small, only the first steps count; large, all do. The "
        "protocol's own if not given.",
        unit="steps",
        lo=0.05,
        hi=1000.0,
    )
    softmax: bool = setting(
        True,
        "Train the feedback model with v projected onto the simplex (E2). Off, it learns to do without: see "
        "whether its F1 needs it.",
    )
    decay: bool = setting(
        True,
        "Train the feedback model with updates damped over time (E4). Off, every step counts in full: "
        "compare F1 at T and at 2T.",
    )
    updates: int = setting(
        0,
        "How often the weights of each model are changed; 0 is the protocol's own number. More of them help "
        "where a model has not yet learned.",
        lo=0,
        hi=100_000,
    )
    seed: int = setting(0, "Seed of weights, examples, noise and order.", lo=0, hi=2**31 - 1)
