"""What the player needs to compute a run by itself, in the browser, while a control is in the hand."""

from __future__ import annotations

import hashlib
from typing import Any

from fbseg_core import ConfigError
from fbseg_core.config import ModelConfig
from fbseg_core.tasks import task_of
from pages.engine import carrier
from pages.engine.observe import normalisation
from pages.engine.weights import EngineError
from pages.explore import acts
from pages.explore.run import Run, Scene
from pages.explore.state import ExploreState
from pages.ui.models import model


def switches_shown(view: ExploreState, model: ModelConfig) -> dict[str, dict[str, Any]]:
    """What the sidebar shows, by its fields: `value`, a menu's `options`, what was `built` if that counts.

    The player computes them anew as they move; None or "" in the view stands for what was built.
    """
    eigenvalue = model.spectrum[0]
    return {
        "image": {"value": view.image},
        "noise": {"value": view.noise},
        "T": {"value": view.T or model.steps, "built": model.steps},
        "loop": {"value": view.loop, "built": True},
        "softmax": {"value": view.softmax, "built": True},
        "decay": {"value": view.decay and model.decay != "none", "built": True},
        "eigenvalue": {
            "value": eigenvalue if view.eigenvalue is None else view.eigenvalue,
            "built": eigenvalue,
        },
        "frozen": {"value": view.clock is not None},
        "clock": {"value": view.clock or 0},
        "integrator": {
            "value": view.integrator or model.integrator,
            "built": model.integrator,
            "options": ["sum", "leaky"],
        },
        "kernel": {
            "value": view.kernel or model.kernel,
            "built": model.kernel,
            "options": ["none", "fractional"],
        },
    }


def weights_of(scene: Scene) -> list[tuple[str, bytes]]:
    """The two models of a scene as the engine takes them. Raises EngineError."""
    return [carrier.packed(name, model(name)[0], scene.task.size) for name in scene.models]


def carry(scene: Scene) -> None:
    """Bring a scene's models to the page, where the engine takes them."""
    try:
        carrier.carry(weights_of(scene))
    except EngineError:  # the player says why
        carrier.carry([])


def header(run: Run) -> dict[str, Any]:
    """What the player must know to compute the run anew; or `why` it cannot, in one sentence."""
    scene = run.scene
    try:
        models = [key for key, _ in weights_of(scene)]
        normalise = normalisation(task_of(scene.task), scene.task)
    except (EngineError, ConfigError) as error:
        return {"why": str(error)}
    if not acts.fit(run):
        return {"why": "The images of this run take too much to be sent to the browser."}
    if run.trajectory.stopped or run.comparison_stopped:
        return {"why": "This run leaves the range of 32-bit numbers."}
    task = acts.drawn_alike(scene.task)
    settled = (scene.models, task)  # all that no hand in the player changes
    return {
        "why": "",
        "models": models,
        "normalise": normalise,
        "switches": scene.switches.changed(),
        "images": acts.told(run),
        "sketched": acts.sketched(scene),
        "drawing": scene.drawing,
        "task": task,
        "of": hashlib.sha1(repr(settled).encode()).hexdigest(),
    }
