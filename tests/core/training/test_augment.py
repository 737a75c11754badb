"""Training images that are turned and lit at random."""

import math

import pytest
import torch

from fbseg_core import ConfigError, GroupingConfig, ShapesConfig, TrainConfig
from fbseg_core.scores.metrics import VOID
from fbseg_core.tasks import Content, task_of
from fbseg_core.training.augment import brightened, turned
from fbseg_core.training.examples import Examples

TASK = ShapesConfig(side=24, sigma=0.0, normalise="none", channels=1)


def content(n=3):
    found = task_of(TASK).content(TASK, n, 0)
    found.labels[:, :3] = VOID
    return found


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_quarter_turn_is_exact(quarters):
    found = content()
    again = turned(found, torch.full((3,), quarters * math.pi / 2, dtype=torch.float64))
    assert torch.equal(again.labels, found.labels.rot90(quarters, (1, 2)))
    assert torch.allclose(again.clean, found.clean.rot90(quarters, (2, 3)), atol=1e-4)


def test_an_oblong_is_turned_without_being_stretched_and_labels_stay_labels():
    labels = torch.zeros(1, 20, 40, dtype=torch.int64)
    labels[0, 6:14, 16:24] = 5  # a square in the middle
    labels[0, 9:11, 19:21] = VOID
    found = turned(Content((labels == 5).float()[:, None], labels), torch.tensor([math.pi / 2]))
    assert torch.equal(found.labels[..., 10:30], labels[..., 10:30])  # beside it is its mirror image
    tilted = turned(Content((labels == 5).float()[:, None], labels), torch.tensor([0.6]))
    assert set(tilted.labels.unique().tolist()) == {0, 5, VOID}
    assert abs(int((tilted.labels[..., 10:30] != 0).sum()) - 64) <= 8


def test_light_changes_images_alone():
    found = content()
    lit = brightened(found, torch.tensor([0.5, 1.0, 1.5]))
    assert torch.equal(lit.labels, found.labels) and torch.equal(lit.clean[0], 0.5 * found.clean[0])


def test_each_update_draws_its_own_turns_and_without_them_nothing_changes():
    plain = TrainConfig(batch=4, seed=3)
    before = Examples(TASK, plain).batch(5)[0]
    reader = Examples(TASK, plain.replace(turn=30.0, brightness=0.4))
    found, again, later = reader.batch(5)[0], reader.batch(5)[0], reader.batch(6)[0]
    assert torch.equal(found.x, again.x) and not torch.equal(found.x, before.x)
    assert not torch.equal(found.x, later.x)
    lit = Examples(TASK, plain.replace(brightness=0.4)).batch(5)[0]
    assert torch.equal(lit.labels, before.labels)
    factors = lit.x.amax((1, 2, 3))
    assert ((factors > 0.6) & (factors < 1.4)).all() and len(factors.unique()) == 4


def test_a_cue_of_one_pixel_is_not_turned():
    with pytest.raises(ConfigError, match="turn: images of the task 'grouping' have a cue"):
        Examples(GroupingConfig(), TrainConfig(turn=10.0))
