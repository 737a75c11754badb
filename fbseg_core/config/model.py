"""Settings of a model, and what may be flipped when it is run."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fbseg_core.models.kinds import KINDS
from fbseg_core.models.mechanisms import DECAYS, INTEGRATORS, PROJECTIONS
from fbseg_core.settings import Config, setting


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
        "The loop closed; the same network with v̂ := 0; a loop that, where its state leaks, provably "
        "contracts for every image; T steps, each with weights of its own; or one pass.",
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
    rho: float = setting(
        0.95,
        "Contracting models alone: by what share of a change of v the δ of v may move at most. Near 1 a "
        "signal reaches far before it is lost; small, states come together fast.",
        lo=0.0,
        hi=0.999,
        step=0.01,
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
