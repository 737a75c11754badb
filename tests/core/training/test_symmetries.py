"""How a run turns and flips the images it reads: a square in eight ways, an oblong in the four that fit."""

import pytest
import torch
from five_classes import registered

from fbseg_core import ShapesConfig, TrainConfig, build, fit
from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import count_weights
from fbseg_core.settings import ConfigError
from fbseg_core.training.examples import Examples, _turn


def turned(height, width):
    """The corner-marked image of that size, and its labels, under each of the eight numbers."""
    x = torch.arange(height * width, dtype=torch.float32).view(1, height, width)
    return [_turn(x, x[0].long(), k) for k in range(8)]


def test_a_square_is_turned_by_quarters_and_flipped():
    found = turned(3, 3)
    x = found[0][0]
    for k, (image, labels) in enumerate(found):
        want = torch.rot90(x, k % 4, (-2, -1))
        assert torch.equal(image, want.flip(-1) if k > 3 else want) and torch.equal(image[0].long(), labels)
    assert len({tuple(image.flatten().tolist()) for image, _ in found}) == 8


def test_an_oblong_keeps_its_shape_and_each_of_its_symmetries_is_as_likely():
    found = turned(2, 3)
    x = found[0][0]
    assert all(image.shape == x.shape and torch.equal(image[0].long(), labels) for image, labels in found)
    seen = [tuple(image.flatten().tolist()) for image, _ in found]
    want = [x, x.flip(-1), x.flip(-2), x.flip(-1, -2)]
    assert sorted(seen) == sorted(2 * [tuple(image.flatten().tolist()) for image in want])


def test_a_run_reads_oblong_images_flipped():
    with registered() as task:
        train = TrainConfig(batch=8, flips=True, steps_min=1, steps_max=1)
        plain, _ = Examples(task, train.replace(flips=False)).batch(0)
        batch, _ = Examples(task, train).batch(0)
    assert batch.x.shape == plain.x.shape == (8, 3, 48, 80)
    kept = [torch.equal(a, b) for a, b in zip(batch.x, plain.x)]
    assert 0 < sum(kept) < 8
    for x, labels, x0, labels0 in zip(batch.x, batch.labels, plain.x, plain.labels):
        ways = [(), (-1,), (-2,), (-1, -2)]
        assert any(torch.equal(x, x0.flip(way)) and torch.equal(labels, labels0.flip(way)) for way in ways)


def test_an_image_that_cannot_be_halved_so_often_is_refused_in_words(monkeypatch):
    with registered() as task:
        monkeypatch.setattr(type(task), "size", property(lambda self: (12, 80)))
        model = ModelConfig(classes=5, width=4, depth=4)
        assert count_weights(model) > 0
        with pytest.raises(ConfigError, match="12 × 80 px cannot be halved 4 times"):
            next(fit(build(model), task, TrainConfig(batch=2)))


def test_batch_norm_is_refused_one_lone_pixel_and_not_a_row_of_them():
    model = ModelConfig(width=4, depth=4, norm="batch")
    lone = TrainConfig(batch=1, updates=1, steps_min=1, steps_max=1)
    with pytest.raises(ConfigError, match="more than one pixel"):
        next(fit(build(model), ShapesConfig(side=16), lone))
    with registered() as task:  # 3 × 5 at the lowest level
        assert next(fit(build(model.replace(classes=5)), task, lone)).stopped is None
