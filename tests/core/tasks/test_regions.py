import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter1d, label

from fbseg_core.config import GroupingConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS, make_batch, parse_task
from fbseg_core.tasks.base import streams
from fbseg_core.tasks.grouping import CHUNK
from fbseg_core.tasks.regions import GENERATORS, PARTS

KINDS = ("blobs", "curves", "maze", "rings")


def pictures(n=8, **settings):
    task = GroupingConfig(**settings)
    return GENERATORS[task.regions](task, np.random.default_rng(0), n)


def test_blobs_are_the_default_and_what_they_were_before_there_were_others():
    task = GroupingConfig(side=24, winding=0.0)
    field = streams(4, 2)[0].standard_normal((CHUNK, 24, 24), dtype=np.float32)
    for axis in (1, 2):
        field = gaussian_filter1d(field, 2.5, axis=axis, mode="nearest", truncate=3.0)
    expected = field > np.quantile(field.reshape(CHUNK, -1), 0.5, axis=1)[:, None, None]
    drawn = TASKS["grouping"].content(task, 3, 4).clean[:, 0].numpy().astype(bool)
    found = [i for each in drawn for i, one in enumerate(expected) if np.array_equal(each, one)]
    assert len(found) == 3 and found == sorted(found)  # those are left out in which one region is most of all
    assert parse_task({"name": "grouping", "side": 24}).regions == "blobs"


@pytest.mark.parametrize("regions", KINDS[1:])
@pytest.mark.parametrize("side", [32, 64, pytest.param(128, marks=pytest.mark.slow)])
def test_other_regions_are_drawn_at_every_side_and_ask_for_long_ways(regions, side):
    task = GroupingConfig(regions=regions, side=side, scale=2.0)
    batch = make_batch(task, 2, 7)
    assert batch.x.shape == (2, 2, side, side)
    assert (batch.info["path_length"] >= task.winding * side).all()
    assert all(label(one)[1] >= 2 for one in batch.trivial.numpy())  # there is another region to leave out
    assert torch.equal(make_batch(task, 1, 7).x, batch.x[:1])


def test_curves_have_one_width_and_cover_what_is_asked_for():
    for scale, coverage in ((2.0, 0.3), (3.0, 0.5)):
        found = pictures(32, regions="curves", side=96, scale=scale, coverage=coverage)
        assert found.mean() == pytest.approx(coverage, rel=0.15)
        inner = np.concatenate([distance_transform_edt(one)[one] for one in found])
        assert np.quantile(inner, 0.9) <= scale + 0.5  # more where two curves join
        assert inner.max() > scale - 0.5


@pytest.mark.parametrize(("scale", "coverage", "side"), [(1.0, 0.5, 32), (2.5, 0.5, 64), (1.5, 0.3, 61)])
def test_a_maze_is_trees_of_ways_of_one_width_that_never_close(scale, coverage, side):
    found = pictures(6, regions="maze", side=side // 8 * 8, scale=scale, coverage=coverage)
    way = round(2 * scale)
    for one in found:
        assert label(one)[1] == PARTS
        assert label(np.pad(~one, 1, constant_values=True), np.ones((3, 3)))[1] == 1  # nothing is fenced in
        inner = distance_transform_edt(np.pad(one, 1))
        assert inner.max() <= (way + 1) / 2 * np.sqrt(2)
    assert found.mean() == pytest.approx(coverage, rel=0.4)


def test_a_maze_of_too_few_cells_is_refused_in_one_sentence():
    with pytest.raises(ConfigError, match=r"side 16 px and scale 4 px \(maze\)"):
        make_batch(GroupingConfig(regions="maze", side=16, scale=4.0), 1, 0)
    with pytest.raises(ConfigError, match="blobs, curves, maze, rings"):
        GroupingConfig(regions="spirals")


def test_rings_are_a_maze_whose_ways_close():
    for found in pictures(6, regions="rings", side=48, scale=1.5):
        assert label(found)[1] == PARTS
        assert label(np.pad(~found, 1, constant_values=True), np.ones((3, 3)))[1] >= 4  # at least 3 holes
