"""Single shapes: labels against geometry, sizes and places in their ranges, kinds as classes."""

import hashlib

import numpy as np
import pytest
import torch

from fbseg_core.config import ShapesConfig
from fbseg_core.tasks import TASKS, make_batch


def inside(vertices: np.ndarray, x: float, y: float) -> bool:
    """Even-odd rule."""
    hit = False
    for (x1, y1), (x2, y2) in zip(vertices, np.roll(vertices, -1, 0)):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            hit = not hit
    return hit


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
