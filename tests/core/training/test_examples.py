"""What training reads: every example once a pass, under fresh noise and all symmetries, at every length."""

import pytest
import torch

from fbseg_core.config import GroupingConfig, ShapesConfig, TrainConfig
from fbseg_core.settings import ConfigError
from fbseg_core.training.examples import Examples

TASK = ShapesConfig(side=16, sigma=0.2)


@pytest.mark.parametrize("examples, batch", [(5, 1), (7, 3), (4, 4), (3, 8)])
def test_each_pass_reads_every_example_once_in_an_order_of_its_own(examples, batch):
    train = TrainConfig(examples=examples, batch=batch, epochs=6)
    reader, per_pass = Examples(TASK, train), -(-examples // batch)
    assert train.total == 6 * per_pass
    orders = [
        torch.cat([reader._rows(k) for k in range(p * per_pass, (p + 1) * per_pass)]).tolist()
        for p in range(6)
    ]
    assert all(sorted(order) == list(range(examples)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_trajectory_lengths_cover_their_whole_range():
    reader = Examples(TASK, TrainConfig(batch=1, steps_min=2, steps_max=5))
    assert {reader.batch(update)[1] for update in range(60)} == {2, 3, 4, 5}


def test_all_eight_symmetries_are_drawn():
    task = TASK.replace(sigma=0.0, normalise="none", radius_min=0.3, radius_max=0.3)
    reader = Examples(task, TrainConfig(examples=1, batch=1, flips=True, seed=5))
    batches = [reader.batch(k)[0] for k in range(80)]
    assert all(torch.equal(batch.x[:, 0], batch.labels.float()) for batch in batches)
    seen = {tuple(batch.labels.flatten().tolist()) for batch in batches}
    first = reader.fixed.labels[0]
    turned = [first.rot90(k, (0, 1)) for k in range(4)]
    turned += [image.flip(-1) for image in turned]
    assert seen == {tuple(image.flatten().tolist()) for image in turned}


def test_noise_is_fresh_each_time():
    noisy = Examples(TASK, TrainConfig(examples=1, batch=1, updates=9))
    assert not torch.equal(noisy.batch(0)[0].x, noisy.batch(1)[0].x)
    assert torch.equal(noisy.batch(0)[0].labels, noisy.batch(1)[0].labels)


def test_a_range_of_noise_rescales_the_same_draw_and_nothing_else():
    task, train = TASK.replace(normalise="none"), TrainConfig(batch=2, updates=400)
    fixed, ranged = (Examples(task, train.replace(sigma_range=r)) for r in (1.0, 4.0))
    clean = Examples(task.replace(sigma=0.0), train)
    factors = []
    for update in range(200):
        (one, _), (other, _), (without, _) = (each.batch(update) for each in (fixed, ranged, clean))
        assert torch.equal(one.labels, other.labels)
        factors.append(float((other.x - without.x).std() / (one.x - without.x).std()))
    powers = torch.tensor(factors).log() / torch.tensor(4.0).log()
    assert powers.min() >= -1.001 and powers.max() <= 1.001
    assert powers.min() < -0.9 and powers.max() > 0.9 and powers.mean().abs() < 0.15


def test_an_image_without_its_cue_has_nothing_to_be_marked_and_the_others_stay():
    task = GroupingConfig(side=24, winding=0.3)
    plain = Examples(task, TrainConfig(batch=8))
    reader = Examples(task, TrainConfig(batch=8, no_cue=0.5))
    bare = 0
    for update in range(6):
        (here, _), (there, _) = reader.batch(update), plain.batch(update)
        cued = here.x[:, 1].flatten(1).any(1)
        assert torch.equal(here.x[:, 0], there.x[:, 0]) and not here.labels[~cued].any()
        assert torch.equal(here.x[cued], there.x[cued]) and torch.equal(here.labels[cued], there.labels[cued])
        bare += int((~cued).sum())
    assert 10 < bare < 38
    with pytest.raises(ConfigError, match="no_cue: images of the task 'shapes' have no cue"):
        Examples(TASK, TrainConfig(no_cue=0.1))
