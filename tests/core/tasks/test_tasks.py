"""What every task must hold, and grouping's regions, cue and ways."""

from collections import deque

import numpy as np
import pytest
import torch
from scipy.ndimage import label

from fbseg_core.config import DigitsConfig, GroupingConfig, ShapesConfig, TaskConfig, TexturesConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS, draw, make_batch, parse_task

SMALL = [ShapesConfig(side=32), GroupingConfig(side=32), DigitsConfig(side=32), TexturesConfig(side=32)]


@pytest.mark.parametrize("task", SMALL)
def test_same_seed_same_tensors_and_prefix_of_a_larger_batch(task):
    few, many, other = make_batch(task, 3, 5), make_batch(task, 40, 5), make_batch(task, 3, 6)
    assert torch.equal(few.x, many.x[:3]) and torch.equal(few.labels, many.labels[:3])
    assert not torch.equal(few.x, other.x)


@pytest.mark.parametrize("task", [ShapesConfig(side=32, normalise="none"), *SMALL[1:]])
def test_sigma_rescales_the_same_noise_draw(task):
    clean, one, two = (make_batch(task.replace(sigma=s), 2, 1).x for s in (0.0, 1.0, 2.0))
    assert torch.allclose(two - clean, 2 * (one - clean), atol=1e-5)
    assert (one != clean).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_normalisations(channels):
    minmax = make_batch(ShapesConfig(channels=channels, normalise="minmax"), 5, 0).x
    assert minmax.shape == (5, channels, 64, 64)
    assert torch.allclose(minmax.amin((1, 2, 3)), torch.zeros(5))
    assert torch.allclose(minmax.amax((1, 2, 3)), torch.ones(5))
    std, mean = torch.std_mean(make_batch(ShapesConfig(channels=channels), 5, 0).x, (1, 2, 3))
    assert torch.allclose(mean, torch.zeros(5), atol=1e-5) and torch.allclose(std, torch.ones(5), atol=1e-4)


def test_grouping_labels_are_the_connected_component_of_the_cue():
    content = TASKS["grouping"].content(GroupingConfig(side=32), 20, 2)
    for (regions, cue), labels in zip(content.clean.numpy(), content.labels.numpy()):
        assert cue.sum() == 1 and regions[cue > 0].all()
        components, _ = label(regions > 0)
        assert np.array_equal(labels > 0, components == components[cue > 0][0])


def farthest(regions: np.ndarray, cue: tuple[int, int]) -> int:
    steps, queue = {cue: 0}, deque([cue])
    while queue:
        row, column = queue.popleft()
        for r, c in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
            if 0 <= r < len(regions) and 0 <= c < len(regions) and regions[r, c] and (r, c) not in steps:
                steps[r, c] = steps[row, column] + 1
                queue.append((r, c))
    return max(steps.values())


@pytest.mark.parametrize("winding", [0.0, 1.0])
def test_path_length_is_the_longest_shortest_way(winding):
    task = GroupingConfig(side=32, winding=winding)
    content = TASKS["grouping"].content(task, 10, 0)
    for (regions, cue), length in zip(content.clean.numpy(), content.info["path_length"]):
        assert length == farthest(regions, tuple(np.argwhere(cue)[0].tolist()))
        assert length >= winding * 32


def test_cue_channel_carries_no_noise():
    x = make_batch(GroupingConfig(side=32, sigma=1.0), 3, 0).x
    assert set(x[:, 1].unique().tolist()) == {0.0, 1.0}
    assert len(x[:, 0].unique()) > 1000


def test_impossible_winding_is_explained():
    with pytest.raises(ConfigError, match="winding"):
        make_batch(GroupingConfig(side=32, winding=2.5, scale=16), 4, 0)


@pytest.mark.parametrize("name", [name for name, kind in TASKS.items() if kind.drawable])
def test_a_sketch_drawn_again_is_the_image(name):
    kind = TASKS[name]
    config = kind.config()
    content = kind.content(config, 1, 3)
    again = kind.drawn(config, *kind.sketch(config, content))
    assert torch.equal(again.clean, content.clean) and torch.equal(again.labels, content.labels)


def test_a_drawn_cue_asks_for_its_own_region_and_none_for_nothing():
    kind, config = TASKS["grouping"], TASKS["grouping"].config(side=16)
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[2:5, 2:5], mask[9:12, 9:14] = True, True
    assert kind.drawn(config, mask, (3, 3)).labels.sum() == 9
    assert kind.drawn(config, mask, (10, 10)).labels.sum() == 15
    assert kind.drawn(config, mask, (0, 0)).labels.sum() == 0
    assert kind.drawn(config, mask).clean[0, 1].sum() == 0
    with pytest.raises(ConfigError, match="outside"):
        kind.drawn(config, mask, (16, 0))


def test_draw_takes_image_and_noise_from_their_own_seeds():
    config = TASKS["shapes"].config(side=16)
    assert torch.equal(draw(config, 4, 4).x, make_batch(config, 1, 4).x)
    assert torch.equal(draw(config, 4, 4).labels, draw(config, 4, 5).labels)
    assert not torch.equal(draw(config, 4, 4).x, draw(config, 4, 5).x)


@pytest.mark.parametrize("normalise", ["minmax", "standard"])
def test_an_image_without_contrast_is_normalised_to_finite_numbers(normalise):
    x = TASKS["shapes"].normalise(ShapesConfig(normalise=normalise), torch.full((1, 3, 16, 16), 0.5))
    assert not x.any()


def test_each_image_is_normalised_by_itself():
    task = ShapesConfig(side=16, normalise="minmax")
    few, many = make_batch(task, 1, 3).x, make_batch(task, 9, 3).x
    assert torch.equal(few[0], many[0]) and many.amin() == 0 and many.amax() == 1


def test_256_images_of_64_px_are_drawn():
    batch = make_batch(ShapesConfig(), 256, 0)
    assert batch.x.shape == (256, 3, 64, 64) and batch.labels.shape == (256, 64, 64)
    assert batch.x.dtype == torch.float32 and batch.labels.dtype == torch.int64
    assert torch.isfinite(batch.x).all() and len(batch) == 256


@pytest.mark.parametrize("coverage", [0.3, 0.5])
def test_regions_cover_their_share_and_leave_others_to_be_mistaken(coverage):
    content = TASKS["grouping"].content(GroupingConfig(side=32, winding=0.3, coverage=coverage), 10, 0)
    regions = content.clean[:, 0]
    assert torch.allclose(regions.mean((1, 2)), torch.tensor(coverage), atol=2 / 32**2)
    assert set(regions.unique().tolist()) == {0.0, 1.0}
    assert ((regions * (content.labels == 0)).sum((1, 2)) >= 0.25 * regions.sum((1, 2))).all()


@pytest.mark.parametrize(
    "values", [None, [], "shapes", {}, {"name": None}, {"name": 3}, {"name": ["shapes"]}, {"name": "Shapes"}]
)
def test_outside_input_without_a_known_task_is_told_the_tasks(values):
    with pytest.raises(ConfigError, match="choose from shapes, grouping"):
        parse_task(values)


def test_a_setting_that_its_task_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="x"):
        parse_task({"name": "shapes", "x": 1})


@pytest.mark.parametrize("name", list(TASKS))
def test_parsing_gives_back_each_tasks_own_config(name):
    config = TASKS[name].config(sigma=0.7)
    assert parse_task(config.model_dump(mode="json")) == config


def test_the_bare_base_config_is_no_task():
    with pytest.raises(ConfigError, match="name"):
        make_batch(TaskConfig(), 1, 0)


@pytest.mark.slow
def test_any_number_of_images_can_be_drawn_where_they_do_occur():
    assert len(make_batch(GroupingConfig(side=16, winding=0.0, scale=1.0), 6500, 0)) == 6500


def test_the_trivial_baseline_of_grouping_marks_every_region_and_shapes_have_none():
    task, kind = GroupingConfig(side=32, sigma=0.7), TASKS["grouping"]
    batch, content = make_batch(task, 4, 3), kind.content(task, 4, 3)
    assert torch.equal(batch.trivial.bool(), content.clean[:, 0] == 1)  # as in the image without its noise
    assert (batch.trivial >= batch.labels).all() and (batch.trivial > batch.labels).any((1, 2)).all()
    assert kind.trivial_name(task) == "mark every region"
    assert make_batch(SMALL[0], 2, 0).trivial is None and TASKS["shapes"].trivial_name(SMALL[0]) == ""
