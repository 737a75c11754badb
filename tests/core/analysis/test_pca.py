import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from fbseg_core.analysis.pca import pca
from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import Trajectory, rollout

MODEL = build(ModelConfig(width=4, depth=1, u=3, v=2))
X = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
RUN = rollout(MODEL, X, 8)


@pytest.mark.parametrize("what, channels", [("h", 5), ("u", 3), ("v", 2), ("logits", 2)])
def test_agrees_with_scikit_learn_on_all_pixels_up_to_sign(what, channels):
    plane = pca(RUN, 3, what=what, pixels=10**6)
    rows = getattr(RUN, what)[:, 0].flatten(1).double().numpy()
    fitted = PCA(3, svd_solver="full").fit(rows)
    assert plane.points.shape == (9, 3) and plane.components.shape == (3, channels * 256)
    assert np.allclose(plane.explained, fitted.explained_variance_ratio_)
    assert np.allclose(abs(plane.points), abs(fitted.transform(rows)), atol=1e-6)


def test_axes_are_orthonormal_fall_in_variance_and_end_on_their_positive_side():
    plane = pca(RUN, 4)
    assert np.allclose(plane.components @ plane.components.T, np.eye(4), atol=1e-9)
    assert (np.diff(plane.explained) <= 0).all() and plane.explained.sum() <= 1 + 1e-12
    assert (plane.points[-1] >= 0).all()


def test_other_trajectories_are_drawn_in_the_same_plane():
    plane = pca(RUN, 2)
    assert np.allclose(plane.transform(RUN), plane.points)
    other = plane.transform(rollout(MODEL, X, 3, switches=Switches(decay=False)))
    assert other.shape == (4, 2) and np.allclose(other[0], plane.points[0])
    assert not np.allclose(plane.transform(RUN, image=1), plane.points)


def test_sampled_pixels_tell_much_the_same():
    assert np.allclose(pca(RUN, 1, pixels=64).explained, pca(RUN, 1, pixels=256).explained, atol=0.05)


def test_a_trajectory_that_does_not_fit_is_refused():
    model = build(ModelConfig(width=4, depth=1, u=4, v=2))
    with pytest.raises(ValueError, match="coordinates"):
        pca(RUN, 2).transform(rollout(model, X, 2))


def test_short_trajectories_leave_axes_empty():
    plane = pca(rollout(MODEL, X, 0), 2)
    assert plane.points.tolist() == [[0, 0]] and plane.explained.tolist() == [0, 0]


def test_region_means_share_one_plane():
    regions = torch.zeros(2, 16, 16, dtype=torch.bool)
    regions[0, :4], regions[1, 4:] = True, True
    plane = pca(RUN, 2, what="v", regions=regions)
    assert plane.points.shape == (2, 9, 2) and plane.components.shape == (2, 2)
    means = torch.stack([RUN.v[:, 0, :, :4].mean((2, 3)), RUN.v[:, 0, :, 4:].mean((2, 3))]).double().numpy()
    rebuilt = plane.points @ plane.components + plane.mean  # two channels, two axes: nothing is lost
    assert np.allclose(rebuilt, means, atol=1e-5)
    assert np.allclose(plane.transform(RUN), plane.points)
    assert np.allclose(plane.place(RUN.v[3:4, 0]), plane.points[:, 3:4])


def test_a_region_without_pixels_is_refused():
    with pytest.raises(ValueError, match="without pixels"):
        pca(RUN, 2, regions=torch.zeros(1, 16, 16, dtype=torch.bool))


def straight(steps, direction):
    """A state that moves in a straight line by equal steps."""
    h = torch.arange(steps + 1.0).view(-1, 1, 1, 1, 1) * direction
    return Trajectory(h=h, logits=h[:, :, :2], delta=h[1:], applied=h[1:], v_hat=None, u_channels=2)


def test_a_straight_line_has_one_axis_along_its_direction():
    direction = torch.randn(1, 3, 8, 8)
    plane = pca(straight(5, direction), 2)
    assert plane.explained == pytest.approx([1, 0], abs=1e-9)
    length = float(direction.double().norm())
    assert plane.points[:, 0] == pytest.approx((np.arange(6) - 2.5) * length)
    assert plane.components[0] == pytest.approx(direction.double().flatten().numpy() / length, abs=1e-6)


def test_all_axes_together_rebuild_the_trajectory():
    plane = pca(RUN, 8, pixels=256)
    rows = RUN.h[:, 0].flatten(1).double().numpy()
    assert np.allclose(plane.points @ plane.components + plane.mean, rows, atol=1e-6)
    assert plane.explained.sum() == pytest.approx(1)


@pytest.mark.parametrize("pixels, kept", [(10, 10), (200, 200), (256, 256), (10**6, 256)])
def test_no_more_pixels_are_kept_than_asked_for_and_none_twice(pixels, kept):
    plane = pca(RUN, 2, pixels=pixels)
    assert len(plane.mean) == 5 * kept and len(set(plane.pixels.tolist())) == kept
    assert plane.pixels[0] == 0 and plane.pixels[-1] == 255


@pytest.mark.parametrize("what", ["h", "u", "v", "logits"])
@pytest.mark.parametrize("image", [0, 1])
def test_the_fitted_trajectory_falls_on_its_own_points(what, image):
    plane = pca(RUN, 3, what=what, image=image)
    assert np.allclose(plane.transform(RUN), plane.points)
    assert np.allclose(pca(RUN, 3, what=what, image=image).points, plane.points)
    assert (np.diff(plane.explained) <= 1e-12).all() and plane.explained.sum() <= 1 + 1e-9


def test_axes_do_not_move_for_other_trajectories():
    plane = pca(RUN, 2)
    before = plane.components.copy(), plane.mean.copy()
    other = rollout(MODEL, X, 4, switches=Switches(decay=False))
    points = plane.transform(other)
    rows = other.h[:, 0].flatten(2)[..., plane.pixels].flatten(1).double().numpy()
    assert np.allclose(points, (rows - before[1]) @ before[0].T)
    assert np.array_equal(plane.components, before[0]) and np.array_equal(plane.mean, before[1])


def test_distances_in_all_axes_are_those_of_the_sampled_pixels():
    plane = pca(RUN, 8, pixels=100)
    rows = RUN.h[:, 0].flatten(2)[..., plane.pixels].flatten(1).double()
    assert np.allclose(torch.cdist(rows, rows), torch.cdist(*[torch.from_numpy(plane.points)] * 2), atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_trajectory_shorter_than_its_axes_has_no_variance_left_for_them(steps):
    plane = pca(rollout(MODEL, X, steps), 4)
    assert plane.points.shape == (steps + 1, 4)
    assert plane.explained[:steps].sum() == pytest.approx(1)
    assert np.allclose(plane.points[:, steps:], 0, atol=1e-6) and np.allclose(plane.explained[steps:], 0)


def test_a_state_that_never_moves_has_no_variance():
    plane = pca(straight(4, torch.zeros(1, 3, 8, 8)), 2)
    assert not plane.points.any() and not plane.explained.any()


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (64, 64), (16, 36), (36, 16)])
def test_a_plane_refuses_images_of_another_size(size):
    plane = pca(rollout(MODEL, torch.randn(1, 3, 24, 24), 3))
    with pytest.raises(ValueError):
        plane.transform(rollout(MODEL, torch.randn(1, 3, *size), 2))
