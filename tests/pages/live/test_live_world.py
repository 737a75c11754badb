"""What the stage is sent: the images are the task's, and those it opens on are ordinary ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from received import parted

from fbseg_core import ConfigError, build, load, rollout
from fbseg_core.scores.metrics import f1_over_time
from fbseg_core.tasks import draw, task_of
from pages.live import world
from pages.live.state import LiveState
from pages.ui import models, own_models


@pytest.mark.parametrize("task", ["grouping", "shapes"])
def test_images_and_noise_arrive_as_the_task_draws_them(task):
    raw, refused = world.pack(LiveState(world=task), 0)
    assert not refused
    head, rest = parted(raw)
    told = head["world"]
    config = load(f"{task}-feedback")[1].task
    kind = task_of(config)

    def read(place, kind):
        return np.frombuffer(rest, kind, place[1] // np.dtype(kind).itemsize, place[0])

    assert np.array_equal(read(told["noise"], "<f4"), kind.noise(config, 1, 0).numpy().ravel())
    for picture in told["pictures"][:3]:
        content = kind.content(config, 1, picture["seed"], "test")
        assert np.array_equal(read(picture["clean"], "<f4"), content.clean.numpy().ravel())
        assert np.array_equal(read(picture["labels"], "u1"), content.labels.numpy().ravel())


@pytest.mark.thorough
@pytest.mark.parametrize("task", models.OPENS_ON)
@torch.no_grad()
def test_a_world_opens_on_an_image_of_the_middle_half(task):
    model, card = load(f"{task}-feedback")
    found = {}
    for seed in range(40):
        batch = draw(card.task, seed, 0)
        found[seed] = float(f1_over_time(rollout(model, batch.x, 20).logits, batch.labels)[20, 0])
    low, high = np.quantile(list(found.values()), [0.25, 0.75])
    assert low <= found[models.OPENS_ON[task]] <= high


@pytest.fixture
def own(monkeypatch, tmp_path):
    """Keeps a model of a visitor's own with random weights, and gives its name."""
    monkeypatch.setenv("FBSEG_JOBS", str(tmp_path))

    def own(side=48, **changes):
        card = load("grouping-feedback")[1]
        config = card.model.replace(**changes)
        card = replace(card, model=config, task=card.task.replace(side=side))
        return own_models.keep(build(config), card, own_models.Note("my own", "trained", 0.0))[0]

    return own


def read(view):
    raw, refused = world.pack(view, 0)
    return parted(raw)[0], refused


def test_a_visitor_s_own_leaky_model_runs_beside_one_that_ships(own):
    name = own(integrator="leaky", k=0.3)
    told, refused = read(LiveState(shown=(name, "grouping-feedback"), k_share=0.5))
    first, second = told["models"]
    assert not refused and first["called"].startswith("my own") and second["called"] == "grouping-feedback"
    assert (first["leaks"], first["k"], second["leaks"]) == (True, 0.3, False)
    assert [name, first["called"]] in told["choices"] and told["setup"]["k_share"] == 0.5
    assert name not in [choice for choice, _ in read(LiveState())[0]["choices"]]  # known by who has its name


def test_what_cannot_run_together_or_at_all_is_said_in_a_sentence(own):
    with pytest.raises(ConfigError, match="not take the same images"):
        world.lineup(LiveState(shown=("grouping-feedback", own(side=32))), models.cards())
    with pytest.raises(ConfigError, match="not kept here"):
        world.lineup(LiveState(shown=("mine:feedback-0123456789abcdef",)), models.cards())
    unrolled = own(kind="unrolled", steps=2, width=4)
    told, refused = read(LiveState(shown=("grouping-feedback", unrolled)))
    assert [model["name"] for model in told["models"]] == ["grouping-feedback"]
    assert len(refused) == 1 and "my own" in refused[0] and "network of its own for every step" in refused[0]
