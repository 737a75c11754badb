import numpy as np
import pytest
import torch

from fbseg_core import ModelConfig, build, pca, rollout
from pages.ui import figures

RUN = rollout(build(ModelConfig(width=4, depth=1)), torch.randn(1, 3, 16, 16), 5)


def test_probabilities_keep_one_scale_and_each_pixel_its_square():
    image = np.asarray(figures.probability_image(torch.tensor([[0.0, 1.0], [0.5, 2.0]])))
    assert image.shape == (384, 384, 3)
    corners = image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]
    assert np.array_equal(corners[1], corners[3]) and not np.array_equal(corners[0], corners[1])
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 3
    strip = np.asarray(figures.scale_image())
    assert np.array_equal(strip[0, 0], corners[0]) and np.array_equal(strip[0, -1], corners[1])


def test_brightness_rises_with_probability():
    strip = np.asarray(figures.scale_image()).astype(float)[0] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(strip) > -1).all() and strip[-1] - strip[0] > 150


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_inputs_are_stretched_to_the_full_range(channels):
    image = np.asarray(figures.input_image(torch.randn(channels, 16, 16)))
    assert image.min() == 0 and image.max() == 255


def test_the_cue_is_marked_where_it_is():
    cue = torch.zeros(16, 16)
    cue[3, 5] = 1
    image = np.asarray(figures.input_image(torch.zeros(2, 16, 16), cue))[::24, ::24]
    assert {tuple(p) for p in np.argwhere(image[..., 0] > 200)} == {(3, 5), (2, 5), (4, 5), (3, 4), (3, 6)}


def test_the_plane_stays_put_while_the_path_grows():
    plane = pca(RUN, 2)
    early, late = (figures.pca_figure(plane, t) for t in (1, 5))
    assert list(early.data[0].x) == list(late.data[0].x) == plane.points[:, 0].tolist()
    assert len(early.data[1].x) == 2 and len(late.data[1].x) == 6
    assert f"{100 * plane.explained[0]:.1f} %" in late.layout.xaxis.title.text


def test_models_keep_their_colours_and_line_styles():
    score = figures.score_figure(np.array([0.0, 0.5]), 0.7, 0.1, 1, ("feedback", "feedforward"))
    assert [(d.name, d.line.color, d.line.dash) for d in score.data] == [
        ("feedback", figures.FEEDBACK, None),
        ("feedforward", figures.FEEDFORWARD, "dash"),
        ("chance", figures.NEUTRAL, "dot"),
    ]


def test_a_norm_of_zero_leaves_a_gap_on_the_log_axis():
    figure = figures.update_figure(np.array([3.0, 2.0]), np.array([3.0, 0.0]), 0)
    assert figure.layout.yaxis.type == "log" and figure.data[1].y == (3.0, None)
