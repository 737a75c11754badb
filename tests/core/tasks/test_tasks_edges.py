import numpy as np
import pytest
import torch

from fbseg_core.config import GroupingConfig, ShapesConfig, TaskConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS, make_batch, parse_task


def crossings(vertices, points):
    """Even-odd rule for points (N, 2), and each point's distance to the nearest edge."""
    odd, near = np.zeros(len(points), bool), np.full(len(points), np.inf)
    for a, b in zip(vertices, np.roll(vertices, -1, 0)):
        along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        near = np.minimum(near, np.linalg.norm(points - a - along[:, None] * (b - a), axis=1))
        straddles = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            at = a[0] + (points[:, 1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        odd ^= straddles & (points[:, 0] < at)
    return odd, near


@pytest.mark.parametrize("rotate", [False, True])
def test_overlapping_kinds_are_painted_in_order_by_the_even_odd_rule(rotate):
    task = ShapesConfig(side=32, sides=(6, 3, 0, 7), count=4, multiclass=True, rotate=rotate, radius_max=0.4)
    content = TASKS["shapes"].content(task, 12, 1)
    info = {key: value.numpy() for key, value in content.info.items()}
    y, x = np.mgrid[:32, :32] + 0.5
    points = np.stack([x.ravel(), y.ravel()], 1)
    for i in range(12):
        expected, sure = np.zeros(32 * 32, int), np.ones(32 * 32, bool)
        for j in range(4):
            centre, radius = np.array([info["cx"][i, j], info["cy"][i, j]]), info["radius"][i, j]
            sides = int(info["sides"][i, j])
            if sides:
                angles = info["angle"][i, j] + 2 * np.pi * np.arange(sides) / sides
                spokes = np.stack([np.cos(angles), np.sin(angles)], 1)
                inside, near = crossings(centre + radius * spokes, points)
            else:
                away = np.linalg.norm(points - centre, axis=1)
                inside, near = away <= radius, abs(away - radius)
            expected[inside] = task.sides.index(sides) + 1
            sure &= near > 1e-9
        assert sure.mean() > 0.99
        assert np.array_equal(content.labels[i].numpy().ravel()[sure], expected[sure])


def test_unrotated_polygons_have_a_vertex_on_top():
    info = TASKS["shapes"].content(ShapesConfig(side=16), 3, 0).info
    assert torch.allclose(info["angle"], torch.tensor(-torch.pi / 2, dtype=torch.float64))


@pytest.mark.parametrize("border", ["cut", "inside"])
def test_radii_and_centres_stay_in_their_ranges(border):
    task = ShapesConfig(side=32, border=border, radius_min=0.2, radius_max=0.3, count=2)
    info = TASKS["shapes"].content(task, 200, 0).info
    radius, lo = info["radius"], info["radius"] if border == "inside" else 0
    assert radius.min() >= 0.2 * 32 and radius.max() <= 0.3 * 32 and radius.max() - radius.min() > 2.5
    for axis in ("cx", "cy"):
        assert ((info[axis] >= lo) & (info[axis] <= 32 - lo)).all()


def test_one_class_covers_all_kinds_unless_told_otherwise():
    task = ShapesConfig(side=16, sides=(3, 0))
    single, multi = (TASKS["shapes"].content(task.replace(multiclass=m), 20, 0) for m in (False, True))
    assert torch.equal(single.labels, (multi.labels > 0).long())
    assert TASKS["shapes"].class_names(task) == ("background", "shape")


def test_channels_show_one_shape_under_independent_noise():
    clean = make_batch(ShapesConfig(side=32, sigma=0, normalise="none"), 2, 0)
    assert all(torch.equal(clean.x[:, c], clean.labels.float()) for c in range(3))
    noise = (
        make_batch(ShapesConfig(side=32, sigma=1, normalise="none"), 20, 0).x
        - make_batch(ShapesConfig(side=32, sigma=0, normalise="none"), 20, 0).x
    )
    together = torch.corrcoef(noise.transpose(0, 1).flatten(1))
    assert torch.allclose(together, torch.eye(3), atol=0.03) and abs(float(noise.std()) - 1) < 0.02


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


@pytest.mark.parametrize("values", [[], "shapes", {"name": None}, {"name": ["shapes"]}, {"name": "Shapes"}])
def test_outside_input_without_a_known_task_is_told_the_tasks(values):
    with pytest.raises(ConfigError, match="choose from shapes, grouping"):
        parse_task(values)


@pytest.mark.parametrize("name", list(TASKS))
def test_parsing_gives_back_each_tasks_own_config(name):
    config = TASKS[name].config(side=32)
    assert parse_task(config.model_dump(mode="json")) == config


def test_the_bare_base_config_is_no_task():
    with pytest.raises(ConfigError, match="name"):
        make_batch(TaskConfig(), 1, 0)
