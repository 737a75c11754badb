import hashlib
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


def inside(vertices: np.ndarray, x: float, y: float) -> bool:
    """Even-odd rule."""
    hit = False
    for (x1, y1), (x2, y2) in zip(vertices, np.roll(vertices, -1, 0)):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            hit = not hit
    return hit


@pytest.mark.parametrize("sides", [3, 4, 5, 8])
def test_polygon_labels_are_point_in_polygon(sides):
    task = ShapesConfig(side=24, sides=(sides,), rotate=True, radius_max=0.4)
    content = TASKS["shapes"].content(task, 6, 3)
    info = {key: value[:, 0].numpy() for key, value in content.info.items()}
    for i in range(6):
        angles = info["angle"][i] + 2 * np.pi * np.arange(sides) / sides
        centre = np.array([info["cx"][i], info["cy"][i]])
        vertices = centre + info["radius"][i] * np.stack([np.cos(angles), np.sin(angles)], 1)
        expected = [[inside(vertices, x + 0.5, y + 0.5) for x in range(24)] for y in range(24)]
        assert np.array_equal(content.labels[i].numpy().astype(bool), expected)


@pytest.mark.parametrize("sides", [3, 5, 8])
def test_jittered_polygons_are_point_in_polygon_too(sides):
    task = ShapesConfig(side=24, sides=(sides,), rotate=True, radius_max=0.4, jitter=0.4)
    content = TASKS["shapes"].content(task, 6, 3)
    info = {key: value[:, 0].numpy() for key, value in content.info.items()}
    for i in range(6):
        angles = info["angle"][i] + 2 * np.pi * np.arange(sides) / sides
        radii = info["radius"][i] * info["corners"][i, :sides]
        vertices = np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
        vertices = vertices + np.array([info["cx"][i], info["cy"][i]])
        expected = [[inside(vertices, x + 0.5, y + 0.5) for x in range(24)] for y in range(24)]
        assert np.array_equal(content.labels[i].numpy().astype(bool), expected)
    assert np.ptp(info["corners"]) > 0.5 and abs(info["corners"] - 1).max() <= 0.4


def test_without_jitter_images_are_the_ones_they_were_and_it_changes_nothing_but_corners():
    plain, jittered = (TASKS["shapes"].content(ShapesConfig(jitter=j), 20, 7) for j in (0.0, 0.3))
    digest = hashlib.sha256(plain.labels.numpy().tobytes()).hexdigest()
    assert (
        digest == "7c651b5352b0d96b499cef83952f58c256d90788d6319737c6b476ecb0503c04"
    )  # of before there was any jitter
    assert all(torch.equal(plain.info[key], jittered.info[key]) for key in plain.info)
    assert not torch.equal(plain.labels, jittered.labels) and "corners" not in plain.info
    circles = [TASKS["shapes"].content(ShapesConfig(sides=(0,), jitter=j), 5, 7).labels for j in (0.0, 0.3)]
    assert torch.equal(*circles)


def test_jittered_corners_stay_inside_where_shapes_must():
    task = ShapesConfig(border="inside", rotate=True, jitter=0.3, radius_max=0.3)
    labels = TASKS["shapes"].content(task, 50, 0).labels
    assert labels[:, 1:-1, 1:-1].any((1, 2)).all()
    assert not any(edge.any() for edge in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]))


def test_circle_labels_are_distances():
    content = TASKS["shapes"].content(ShapesConfig(side=24, sides=(0,)), 4, 0)
    y, x = np.mgrid[:24, :24] + 0.5
    for i in range(4):
        cx, cy, r = (float(content.info[key][i, 0]) for key in ("cx", "cy", "radius"))
        assert np.array_equal(content.labels[i].numpy() > 0, np.hypot(x - cx, y - cy) <= r)


def test_shapes_inside_touch_no_border():
    labels = TASKS["shapes"].content(ShapesConfig(border="inside", rotate=True), 50, 0).labels
    outside = labels.clone()
    outside[:, 1:-1, 1:-1] = 0
    assert labels.any() and not outside.any()


def test_multiclass_gives_each_kind_its_own_class():
    task = ShapesConfig(sides=(3, 4, 0), multiclass=True)
    content = TASKS["shapes"].content(task, 60, 0)
    for labels, sides in zip(content.labels, content.info["sides"][:, 0]):
        assert set(labels.unique().tolist()) <= {0, task.sides.index(int(sides)) + 1}
    assert set(content.labels.unique().tolist()) == {0, 1, 2, 3}
    assert TASKS["shapes"].class_names(task) == ("background", "triangle", "square", "circle")


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


def test_any_number_of_images_can_be_drawn_where_they_do_occur():
    assert len(make_batch(GroupingConfig(side=16, winding=0.0, scale=1.0), 6500, 0)) == 6500


def test_the_trivial_baseline_of_grouping_marks_every_region_and_shapes_have_none():
    task, kind = GroupingConfig(side=32, sigma=0.7), TASKS["grouping"]
    batch, content = make_batch(task, 4, 3), kind.content(task, 4, 3)
    assert torch.equal(batch.trivial.bool(), content.clean[:, 0] == 1)  # as in the image without its noise
    assert (batch.trivial >= batch.labels).all() and (batch.trivial > batch.labels).any((1, 2)).all()
    assert kind.trivial_name(task) == "mark every region"
    assert make_batch(SMALL[0], 2, 0).trivial is None and TASKS["shapes"].trivial_name(SMALL[0]) == ""
