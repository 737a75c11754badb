import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from PIL import ImageColor
from plotly.subplots import make_subplots

from fbseg_core.config import GroupingConfig, ShapesConfig
from fbseg_core.tasks.base import PALETTE
from pages.few_shot import figures
from pages.ui import images, marks, spoken

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


def test_a_mask_is_painted_in_its_palette_and_void_is_grey_on_any_size():
    labels = torch.tensor([[0, 1, 2, 255], [3, 4, 0, 1]])
    image = np.asarray(images.mask_image(labels, PALETTE[:5]))
    assert image.shape == (192, 384, 3)
    want = [*PALETTE[:5], images.VOID_COLOUR]
    for (row, column), label in np.ndenumerate(labels.numpy()):
        square = image[96 * row : 96 * row + 96, 96 * column : 96 * column + 96].reshape(-1, 3)
        assert (square == ImageColor.getrgb(want[min(label, 5)])).all(), (row, column)
    with pytest.raises(ValueError, match="label 5 has no colour"):
        images.mask_image(torch.tensor([[5]]), PALETTE[:5])


def test_thirty_two_classes_are_told_apart_by_the_outlines_of_later_rounds():
    palette = [PALETTE[k % 8] for k in range(32)]
    looks = set()
    for k in range(32):
        labels = torch.zeros(16, 16, dtype=torch.long) if k else torch.full((16, 16), 9)
        labels[4:12, 4:12] = k
        inside = np.asarray(images.mask_image(labels, palette))[4 * 24 : 12 * 24, 4 * 24 : 12 * 24]
        looks.add((tuple(inside[0, 0]), tuple(inside[50, 50])))
    assert len(looks) == 32
    alone = np.asarray(images.mask_image(torch.full((4, 4), 9), palette)).reshape(-1, 3)
    assert len(np.unique(alone, axis=0)) == 1  # the image's own border is no border of a region


def test_two_classes_keep_the_ends_of_the_scale_and_more_their_task_s_palette():
    ends = tuple(f"#{bytes(SCALE[at]).hex()}" for at in (0, 255))
    assert images.class_palette(ShapesConfig()) == images.class_palette(GroupingConfig()) == ends
    many = ShapesConfig(sides=(0, 3, 4), multiclass=True)
    assert images.class_palette(many) == PALETTE[:4]
    mask = torch.rand(48, 48) > 0.5
    two = images.mask_image(mask, ends)
    assert (np.asarray(two) == np.asarray(images.probability_image(mask))).all()


def test_pictures_of_images_that_are_not_square_keep_square_pixels():
    for shape in ((48, 80), (80, 48)):
        image = images.input_image(torch.randn(3, *shape))
        assert image.size == (shape[1] * 4, shape[0] * 4)
        assert images.probability_image(torch.rand(shape)).size == image.size
    cue = torch.zeros(48, 80)
    cue[40, 70] = 1
    dot = np.argwhere((np.asarray(images.input_image(torch.zeros(1, 48, 80), cue)) == (230, 0, 126)).all(-1))
    assert dot.mean(0) == pytest.approx([40.5 * 4, 70.5 * 4], abs=1)


def test_each_level_that_learns_nothing_is_a_line_of_its_own_and_stands_in_the_legend():
    levels = {"chance": 0.42, "mark every region": 0.7}
    drawn = figures.f1_figure([], levels, 5).layout.shapes
    assert [(shape.y0, shape.line.dash) for shape in drawn] == [(0.42, "dot"), (0.7, "dash")]
    told = figures.legend([], levels)
    assert (
        told.index("dotted") < told.index("chance") < told.index("dashed") < told.index("mark every region")
    )


def test_a_chart_is_told_in_words_by_its_axes_and_each_line_s_ends_and_extremes():
    figure = go.Figure(layout={"title": "F1 of two runs"})
    figure.add_scatter(x=[0, 1, 2, 3], y=[0.25, None, 0.875, 0.5], name="feedback")
    figure.add_scatter(x=["few", "many"], y=[float("nan"), 1e-7], name="feedforward")
    figure.add_scatter(x=[], y=[], name="none yet")
    figure.add_scatter(x=[0, 1], y=[5, 6], name="interval", hoverinfo="skip")
    figure.add_hline(y=0.42)
    figure.add_vline(x=2)
    figure.update_xaxes(title="step t")
    assert spoken.sentences(figure) == (
        "Chart of F1 of two runs over step t. "
        "feedback: 0.25 at 0, 0.5 at 3, lowest 0.25, highest 0.875. feedforward: 1e-07 at many. "
        "none yet: no values. A line across at 0.42."
    )


def test_lines_of_several_panels_are_told_by_the_titles_of_their_panels():
    figure = make_subplots(rows=2, cols=1, subplot_titles=["‖h‖", "F1"])
    for row in (1, 2):
        figure.add_scatter(x=[0, 1], y=[0.0, row], name="τ = 8", row=row, col=1)
    told = spoken.sentences(figure)
    assert "τ = 8, ‖h‖: 0 at 0, 1 at 1," in told and "τ = 8, F1: 0 at 0, 2 at 1," in told
