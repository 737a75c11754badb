"""What the stage is sent: the images are the task's, and those it opens on are ordinary ones."""

import json
import struct

import numpy as np
import pytest
import torch

from fbseg_core import load, rollout
from fbseg_core.scores.metrics import f1_over_time
from fbseg_core.tasks import draw, task_of
from pages.live import world
from pages.live.state import LiveState


@pytest.mark.parametrize("task", ["grouping", "shapes"])
def test_images_and_noise_arrive_as_the_task_draws_them(task):
    raw, refused = world.pack(LiveState(world=task), 0)
    assert not refused
    start = 4 + struct.unpack("<I", raw[:4])[0]
    told = json.loads(raw[4:start])["world"]
    config = load(f"{task}-feedback")[1].task
    kind = task_of(config)

    def read(place, kind):
        return np.frombuffer(raw, kind, place[1] // np.dtype(kind).itemsize, start + place[0])

    assert np.array_equal(read(told["noise"], "<f4"), kind.noise(config, 1, 0).numpy().ravel())
    for picture in told["pictures"][:3]:
        content = kind.content(config, 1, picture["seed"], "test")
        assert np.array_equal(read(picture["clean"], "<f4"), content.clean.numpy().ravel())
        assert np.array_equal(read(picture["labels"], "u1"), content.labels.numpy().ravel())


@pytest.mark.slow
@pytest.mark.parametrize("task", ["grouping", "shapes"])
@torch.no_grad()
def test_a_world_opens_on_an_image_of_the_middle_half(task):
    model, card = load(f"{task}-feedback")
    found = {}
    for seed in range(40):
        batch = draw(card.task, seed, 0)
        found[seed] = float(f1_over_time(rollout(model, batch.x, 20).logits, batch.labels)[20, 0])
    low, high = np.quantile(list(found.values()), [0.25, 0.75])
    assert low <= found[world.OPENS_ON[task]] <= high
