import numpy as np
import pytest
import torch
from PIL import ImageColor

from pages.ui import images, marks

SCALE = np.frombuffer(images.colour_scale(), np.uint8).reshape(256, 3)


def test_probabilities_keep_one_scale_and_each_pixel_its_square():
    image = np.asarray(images.probability_image(torch.tensor([[0.0, 1.0], [0.5, 2.0]])))
    assert image.shape == (384, 384, 3)
    corners = image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]
    assert np.array_equal(corners[1], corners[3]) and not np.array_equal(corners[0], corners[1])
    assert len(np.unique(image.reshape(-1, 3), axis=0)) == 3
    assert np.array_equal(SCALE[0], corners[0]) and np.array_equal(SCALE[255], corners[1])


def test_brightness_rises_with_probability():
    strip = SCALE.astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(strip) > -1).all() and strip[-1] - strip[0] > 150


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_inputs_are_stretched_to_the_full_range(channels):
    image = np.asarray(images.input_image(torch.randn(channels, 16, 16)))
    assert image.min() == 0 and image.max() == 255


def test_the_cue_is_marked_where_it_is():
    cue = torch.zeros(16, 16)
    cue[3, 5] = 1
    image = np.asarray(images.input_image(torch.zeros(2, 16, 16), cue))
    dot = np.argwhere((image == ImageColor.getrgb(marks.COLOUR)).all(-1))
    assert dot.mean(0) == pytest.approx([3.5 * 24, 5.5 * 24], abs=1) and np.ptp(dot[:, 0]) < 2 * 24
    assert not (image == 255).all(-1)[: 2 * 24].any() and (image == 255).all(-1).any()  # its rim
    bare = np.asarray(images.input_image(torch.zeros(2, 16, 16), torch.zeros(16, 16)))
    assert not bare.any()  # no cue, no mark
