"""The images that buttons show next: which they are, and that nothing of them is lost on the way."""

import zlib

import numpy as np
import pytest
from driven import explore as app
from received import header, parted

from fbseg_core.rollout.interventions import Flip, Swap
from fbseg_core.tasks import task_of
from pages.explore import acts, computed, offered
from pages.explore.player import requests
from pages.explore.run import scene_of
from pages.explore.state import ExploreState
from pages.ui import models


@pytest.mark.parametrize(
    "view, seeds",
    [
        ({}, [1, 2, 3]),
        ({"image": 998}, [999, 0, 1]),  # past the last it starts over
        ({"image": 4, "do": (Swap(t=1, seed=5), Flip(t=2), Swap(t=3, seed=6))}, [5, 6, 7, 8, 9]),
        ({"hide": ("image",), "do": (Swap(t=1, seed=5),)}, [6, 7, 8]),
        ({"presented": True, "do": (Swap(t=1, seed=5),)}, [6, 7, 8]),  # without a sidebar
        ({"hide": ("interventions",)}, [1, 2, 3]),
        ({"hide": ("image", "interventions")}, []),
    ],
)
def test_they_are_those_that_the_buttons_on_show_go_over_to(view, seeds):
    assert offered.seeds(ExploreState(**view)) == seeds


@pytest.mark.parametrize(
    "task, most", [("shapes", 400), ("grouping", 900), ("digits", 5000), ("textures", 13000)]
)
def test_they_unfold_bit_for_bit_from_few_bytes(task, most):
    config = scene_of(ExploreState(task=task), models.cards()).task
    said, raw = offered.packed(config, 7)
    content = task_of(config).content(config, 1, 7, "test")
    count, unfolded = content.clean.numel(), np.frombuffer(zlib.decompress(raw), np.uint8)
    clean = unfolded[: 4 * count].reshape(4, count).T.copy().view("<f4").reshape(said["shape"])
    assert np.array_equal(clean, content.clean[0]) and len(raw) <= most
    assert np.array_equal(unfolded[4 * count :], content.labels.flatten())
    run = computed.run(scene_of(ExploreState(task=task, image=7, T=1), models.cards()))
    assert acts.told(run)[0] == {key: said[key] for key in ("seed", "cue", "chance", "trivial")}


def test_they_come_after_the_run_but_not_while_a_control_is_in_the_hand(monkeypatch):
    at = app(task="grouping", image="3")
    _, second = at.get("bidi_component")[:2]
    told, rest = parted(second.proto.bytes)
    assert header(at)["engine"]["task"] == told["task"] and not header(at)["engine"]["why"]
    assert [one["seed"] for one in told["images"]] == [4, 5, 6]
    assert sum(one["bytes"] for one in told["images"]) == len(rest) < 3000
    monkeypatch.setattr(requests, "dragging", lambda: True)
    at.run()
    assert [one.proto.bytes for one in at.get("bidi_component")].count(second.proto.bytes) == 0


def test_another_sigma_draws_the_same_images_and_another_size_does_not():
    config = scene_of(ExploreState(), models.cards()).task
    assert acts.drawn_alike(config) == acts.drawn_alike(config.replace(sigma=0.3))
    assert acts.drawn_alike(config) != acts.drawn_alike(config.replace(side=48))


def test_so_large_that_they_would_take_too_much_they_are_not_brought(monkeypatch):
    monkeypatch.setattr(acts, "MOST_BYTES", 4 * 2 * (2 * 48 * 48) * 3 - 1)
    at = app(task="grouping")
    told, _ = parted(at.get("bidi_component")[1].proto.bytes)
    assert [one["seed"] for one in told["images"]] == [1, 2]
