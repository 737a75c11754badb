"""The principal axes that the browser fits to a path, against the core's and against known answers."""

import base64

import numpy as np
import pytest
import torch
from engine_page import CODE

from fbseg_core.analysis.pca import fit_plane
from pages import engine
from pages.ui.web import script

pytestmark = pytest.mark.browser
FIT = """([states, width, k]) => {
    const all = floats(states);
    const row = (i) => all.subarray(i * width, (i + 1) * width);
    const plane = fitPlane(Array.from({ length: all.length / width }, (_, i) => row(i)), k);
    const same = (one) => Array.from(one);
    return [same(plane.mean), plane.axes.map(same), plane.explained, plane.points];
}"""


@pytest.fixture(scope="module")
def fit(chromium):
    """Mean, axes, explained and points of states (N, D), fitted by a page with nothing but the script."""
    page = chromium.new_page()
    page.add_script_tag(content=script((engine.AXES,), {}) + CODE)

    def fit(states, k=2):
        sent = base64.b64encode(states.astype("<f4").tobytes()).decode()
        return [np.array(one) for one in page.evaluate(FIT, [sent, states.shape[1], k])]

    yield fit
    page.close()


def runs(seed, steps, channels=6, side=8, decay=4.0):
    """Four runs that part and come to rest, one after the other, (4·steps, channels, side, side)."""
    draw = torch.Generator().manual_seed(seed)
    ways = torch.randn(4, 3, channels, side, side, generator=draw)
    t = torch.arange(steps)[:, None] / decay
    shares = torch.cat([1 - torch.exp(-t), t * torch.exp(-t), torch.exp(-2 * t)], 1) * torch.tensor([9, 4, 1])
    found = torch.einsum("ts,rschw->rtchw", shares, ways)
    return (found + 0.02 * torch.randn(found.shape, generator=draw)).flatten(0, 1)


@pytest.mark.parametrize("seed", range(3))
def test_axes_signs_and_shares_of_several_runs_are_the_core_s(fit, seed):
    states = runs(seed, 40)
    wanted = fit_plane(states, 2)
    mean, axes, explained, points = fit(states.flatten(1).numpy())
    assert np.allclose(mean, wanted.mean, atol=1e-6)
    assert np.allclose(explained, wanted.explained, atol=1e-9)
    assert np.allclose(axes, wanted.components, atol=1e-6)
    assert np.allclose(points, wanted.points, atol=1e-5 * np.abs(wanted.points).max())


def test_so_they_are_where_nearly_all_directions_are_alike(fit):
    states = torch.randn(160, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    wanted = fit_plane(states, 3)
    _, axes, explained, _ = fit(states.flatten(1).numpy(), 3)
    assert np.allclose(explained, wanted.explained, atol=1e-7)
    assert np.abs(np.sum(axes * wanted.components, 1)).min() > 0.999


def test_axes_are_turned_by_the_last_state(fit):
    line = np.outer([0.0, 1.0, 2.0], [3.0, 4.0])
    assert np.allclose(fit(line)[1][0], [0.6, 0.8])
    assert np.allclose(fit(line[::-1])[1][0], [-0.6, -0.8])


def test_known_planes(fit):
    mean, axes, explained, points = fit(np.array([[3.0, 0, 5], [-3, 0, 5], [0, 1, 5], [0, -1, 5]]))
    assert np.allclose(mean, [0, 0, 5]) and np.allclose(explained, [0.9, 0.1])
    assert np.allclose(np.abs(axes), [[1, 0, 0], [0, 1, 0]], atol=1e-9)
    assert np.allclose(np.abs(points), [[3, 0], [3, 0], [0, 1], [0, 1]], atol=1e-9)
    assert points[0, 0] == -points[1, 0] and points[3, 1] > 0 > points[2, 1]
    explained = fit(np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]))[2]
    assert np.allclose(explained, 0.5)  # two ways alike: any pair of axes will do


def test_states_that_are_all_the_same_have_no_axis(fit):
    mean, axes, explained, points = fit(np.full((5, 4), 2.5))
    assert np.allclose(mean, 2.5) and not axes.any() and not explained.any() and not points.any()
    alone = fit(np.array([[1.0, 2, 3]]))
    assert np.allclose(alone[0], [1, 2, 3]) and not alone[1].any() and not alone[2].any()


def test_what_hardly_moves_far_from_the_origin_is_placed_like_any_other(fit):
    states = np.float32(1e3 + 1e-2 * runs(3, 10).flatten(1).numpy())
    wanted = fit_plane(torch.from_numpy(states)[..., None, None], 2)
    _, axes, explained, _ = fit(states)
    assert np.allclose(explained, wanted.explained, atol=1e-8)
    assert np.allclose(axes, wanted.components, atol=1e-6)


def test_a_state_near_the_end_of_float32_is_placed_like_any_other(fit):
    states = runs(1, 10).flatten(1).numpy()
    small, large = fit(states), fit(states * 2.0**100)
    assert np.allclose(large[1], small[1], atol=1e-6) and np.allclose(large[2], small[2], atol=1e-9)
