"""What a visitor's browser is sent once: models, a few images, and how the task makes an image of them.

From then on image, cue, noise, truth and scores are the browser's (stage/world.js, engine/observe.js and
scores.js), as the task and `fbseg_core.scores` have them; tests hold the two against each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from fbseg_core import Card, ConfigError
from fbseg_core.config import TaskConfig
from fbseg_core.models.registry import traits_of
from fbseg_core.settings import settings_of
from fbseg_core.tasks import task_of
from pages.engine import weights
from pages.engine.observe import normalisation
from pages.engine.weights import EngineError
from pages.live.state import MOST_MODELS, LiveState
from pages.ui import models, own_models, server
from pages.ui.images import VOID
from pages.ui.web.wire import framed

OTHERS = range(7)  # further images that come along


def worlds(cards: Mapping[str, Card]) -> list[str]:
    """The tasks that a model is shipped for whose answer takes steps, grouping first."""
    found = {card.task.name for card in cards.values() if traits_of(card.model).takes_steps}
    return sorted(found, key=lambda name: (name != LiveState().world, name))


def lineup(view: LiveState, cards: Mapping[str, Card]) -> tuple[str, ...]:
    """The models on show: those asked for; else one of each title, first what feeds back, then what steps.

    Those that ship, and a visitor's own by their names. Raises ConfigError for a model that is not of the
    task, and for models that do not take the same images.
    """
    mine = {name: card for name, card in cards.items() if card.task.name == view.world}
    theirs = {name: cards[name] for name in view.shown if own_models.kept(name)}
    known = mine | {name: card for name, card in theirs.items() if card.task.name == view.world}
    if not known:
        others = ", ".join(worlds(cards))
        if not others:
            raise ConfigError("There is no checkpoint: make one by a command of checkpoints/README.md.")
        raise ConfigError(f"world: no model for {view.world!r:.40} ships; choose from {others}.")
    for name in view.shown:
        if name not in known:
            raise ConfigError(f"shown: {own_models.missing(name, mine)}")
        if _takes(known[name]) != _takes(known[view.shown[0]]):
            raise ConfigError("shown: these models do not take the same images, so they cannot run together.")
    if view.shown:
        return view.shown
    traits = {name: traits_of(card.model) for name, card in mine.items()}
    order = sorted(mine, key=lambda name: (not traits[name].has_loop, not traits[name].takes_steps, name))
    first = {traits[name].title: name for name in reversed(order)}  # of a title the first in order stays
    return tuple(name for name in order if first[traits[name].title] == name)[:MOST_MODELS]


def _takes(card: Card) -> tuple:
    return card.task.size, card.model.in_channels, card.model.classes


def check(view: LiveState) -> None:
    """Raise ConfigError for a set-up that cannot be shown."""
    cards = models.cards()
    config = cards[lineup(view, cards)[0]].task
    if view.cue_at is not None and not all(at < side for at, side in zip(view.cue_at, config.size)):
        raise ConfigError(f"cue_at: {view.cue_at} is outside the image of {config.size} px.")


def pack(view: LiveState, epoch: int) -> tuple[bytes, list[str]]:
    """The payload of the stage, and a sentence for each model that the engine does not take.

    epoch: rises when the set-up is replaced as a whole; the stage then takes the one that comes with it.
    """
    names = lineup(view, models.cards())
    key = ("live", names, view.picture)
    header, parts, refused = server.kept("rest", key, lambda: _packed(names, view.picture))
    called = models.model_titles({*header["choices"], *names})  # times of day are the visitor's
    told = {
        "models": [model | {"called": called[model["name"]]} for model in header["models"]],
        "choices": [[name, called[name]] for name in header["choices"]],
        "setup": view.model_dump(mode="json", exclude={"lesson"}),
        "epoch": epoch,
    }
    why = [f"{called[name]} is not shown. {sentence}" for name, sentence in refused.items()]
    return framed(header | told, parts), why


def _packed(
    names: tuple[str, ...], picture: int | None
) -> tuple[dict[str, Any], list[bytes], dict[str, str]]:
    """Header and blocks of what does not hang on the set-up, and why a model is left out."""
    cards = models.cards()
    config = cards[names[0]].task
    blocks, told, refused = _Blocks(), [], {}
    for name in names:
        try:
            raw = weights.packed(models.model(name)[0], config.size)
            told.append(_model(cards[name], name) | {"bytes": blocks.lay(raw)})
        except EngineError as error:
            refused[name] = str(error)
    if not told:
        raise ConfigError(" ".join(refused.values()))
    world = _world(config, picture, blocks)
    world["worlds"] = list(dict.fromkeys([*worlds(cards), config.name]))
    alike = [name for name, card in cards.items() if card.task.name == config.name]
    choices = sorted({*(name for name in alike if _takes(cards[name]) == _takes(cards[names[0]])), *names})
    header = {"world": world, "models": told, "choices": choices}
    identity = hashlib.sha256(b"".join([repr(header).encode(), *blocks.parts])).hexdigest()[:16]
    return header | {"id": identity}, blocks.parts, refused


class _Blocks:
    """Bytes laid end to end, each on a 4-byte boundary."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def lay(self, raw: bytes) -> list[int]:
        """Where it lies, and how long it is."""
        place = [self.size, len(raw)]
        raw += bytes(-len(raw) % 4)
        self.parts.append(raw)
        self.size += len(raw)
        return place


def _model(card: Card, name: str) -> dict[str, Any]:
    traits, config = traits_of(card.model), card.model
    return {
        "name": name,
        "title": traits.title,
        "told": models.describe_card(card, name),
        "takesSteps": traits.takes_steps,
        "hasLoop": traits.has_loop,
        "switches": sorted(traits.switches),
        "steps": config.steps,
        "tau": config.tau,
        "leaks": traits.takes_steps and config.integrator == "leaky",
        "k": config.k,
        "u": config.u,
        "on": {"softmax": config.projection == "softmax", "decay": config.decay != "none", "loop": True},
    }


def _world(config: TaskConfig, picture: int | None, blocks: _Blocks) -> dict[str, Any]:
    task = task_of(config)
    ranges = settings_of(LiveState)
    sigma, tau, k = ranges["noise_sd"], ranges["tau_steps"], ranges["k_share"]
    seeds = [models.OPENS_ON.get(config.name, 0)]
    wanted = [*OTHERS] if picture is None else [*OTHERS, picture]
    seeds += [seed for seed in wanted if seed not in seeds]
    pictures = []
    for seed in seeds:
        content = task.content(config, 1, seed, "test")
        clean = content.clean[0].numpy().astype("<f4").tobytes()
        labels = content.labels[0].to(torch.uint8).numpy().tobytes()
        pictures.append({"seed": seed, "clean": blocks.lay(clean), "labels": blocks.lay(labels)})
    noise = task.noise(config, 1, 0)[0].numpy().astype("<f4").tobytes()
    return {
        "task": config.name,
        "size": list(config.size),
        "classes": list(task.class_names(config)),
        "palette": list(task.palette(config)),
        "void": VOID,
        "channels": len(task.channel_names(config)),
        "pictureOf": list(task.shown_channels(config)),
        "noisy": list(task.noisy_channels(config)),
        "cue": task.cue_channel(config),
        "drawable": task.drawable,
        "normalise": normalisation(task, config),
        "sigma": config.sigma,
        "sigmas": [sigma.lo, max(sigma.hi, config.sigma), sigma.step],
        "taus": [tau.lo, tau.hi, tau.step],
        "ks": [k.lo, k.hi, k.step],
        "pictures": pictures,
        "noise": blocks.lay(noise),
    }
