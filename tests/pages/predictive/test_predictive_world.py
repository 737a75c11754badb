"""What the predictive-coding screen sends to the browser."""

import numpy as np
import pytest
import torch
from received import parted

from fbseg_core import ConfigError
from fbseg_core.config import EVAL_SEED
from fbseg_core.predictive import files
from fbseg_core.predictive.energy import Senses
from fbseg_core.predictive.images import draw
from fbseg_core.predictive.inference import lipschitz
from pages.predictive import world
from pages.predictive.state import PICTURES, PredictiveState
from pages.ui import models


def read(payload):
    """The header, and what lies at a place of the blocks."""
    head, blocks = parted(payload)
    return head, lambda at: blocks[at[0] : at[0] + at[1]]


@pytest.mark.parametrize("name", ["shapes", "photographs"])
def test_weights_images_and_labels_arrive_as_they_are(name):
    model, card = files.load(name)
    header, at = read(world.pack(PredictiveState(source=name, trust=0.5), 3))
    assert (
        header["epoch"] == 3 and header["setup"]["trust"] == 0.5 and header["size"] == list(card.source.size)
    )
    for key in ("U", "V", "W"):
        assert at(header["weights"][key]) == getattr(model, key).numpy().astype("<f4").tobytes()
    drawn = draw(card.source, PICTURES, EVAL_SEED, "test")
    x = drawn if isinstance(drawn, torch.Tensor) else drawn.x
    last = header["pictures"][-1]
    assert len(header["pictures"]) == PICTURES
    assert np.array_equal(np.frombuffer(at(last["x"]), "<f4"), x[-1].numpy().ravel())
    if name == "shapes":
        assert np.array_equal(np.frombuffer(at(last["labels"]), "u1"), drawn.labels[-1].numpy().ravel())


def test_the_bound_of_the_browser_is_no_lower_than_the_cores():
    model, card = files.load("shapes")
    found = world.gains(model, card.source.size)
    x = torch.zeros(1, 3, *card.source.size)
    labels = torch.zeros(1, *card.source.size, dtype=torch.int64)
    config = card.model
    bound = (
        config.pi * found["U"]
        + config.pi_label * found["V"]
        + config.pi_top * (1 + found["W"])
        + config.shrink
    )
    assert lipschitz(model, Senses.of(config, x, labels)) <= bound * (1 + 1e-6)


def test_the_loops_beside_it_are_those_trained_with_every_mechanism():
    cards = models.cards()
    assert world.loops("shapes", cards)["paper"] == "shapes-feedback"
    assert world.loops("grouping", cards)["paper"] == "grouping-feedback"
    leaky = cards["grouping-feedback"]
    leaky = type(leaky)(**{**vars(leaky), "model": leaky.model.replace(integrator="leaky")})
    assert (
        world.loops("grouping", {**cards, "grouping-leaky-feedback": leaky})["leaky"]
        == "grouping-leaky-feedback"
    )
    assert world.loops("photographs", cards) == {}


def test_a_set_up_out_of_range_is_refused():
    for wrong in ({"source": "faces"}, {"trust": -1.0}, {"picture": PICTURES}, {"pace": "mad"}):
        with pytest.raises(ConfigError):
            PredictiveState(**wrong)
