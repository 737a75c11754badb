"""Settings of a training run, and of a few-shot comparison of two."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from fbseg_core.settings import Config, setting


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
    loss: Literal["trajectory", "final", "front"] = setting(
        "trajectory",
        "Cross-entropy averaged over the steps (E7); of the last step only; or averaged, but at each step "
        "only what a front from the cue must have reached by then is to be marked, and what it cannot have "
        "reached is not.",
    )
    front_slow: float = setting(
        1.5, "Speed of the front that the mask must keep up with.", unit="px a step", lo=0.0, hi=64.0
    )
    front_fast: float = setting(
        3.0,
        "Speed of the front that the mask must not outrun; the slow front's where that is faster.",
        unit="px a step",
        lo=0.0,
        hi=64.0,
    )
    front_rest: float = setting(
        0.0,
        "Weight of the moves ‖Δh‖/‖h‖ of a state that has had time to mark all that it must: a mask that "
        "stands still is then held by a state that does.",
        lo=0.0,
        hi=1e6,
    )
    front_speedup: float = setting(
        1.0,
        "By what factor both fronts are faster at the end of the training; they speed up over its middle.",
        lo=1.0,
        hi=16.0,
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
    turn: float = setting(
        0.0,
        "Augment: most that a training image is turned, either way. Only for tasks without a cue.",
        unit="°",
        lo=0.0,
        hi=180.0,
    )
    brightness: float = setting(
        0.0,
        "Augment: most by which a training image is made brighter or darker, as a share. An image that is "
        "brought to deviation 1 afterwards forgets it, its noise does not.",
        lo=0.0,
        hi=0.9,
    )
    balance: float = setting(
        0.0,
        "How far rare classes count more: a pixel weighs its class's share of the batch to minus this power. "
        "At 0 all pixels weigh the same, at 1 all classes.",
        lo=0.0,
        hi=1.0,
    )
    dice: float = setting(
        0.0,
        "Weight of the Dice loss beside cross-entropy: one minus the overlap of answer and truth, averaged "
        "over the classes.",
        lo=0.0,
        hi=100.0,
    )
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
