import numpy as np
import pytest
import torch

from fbseg_core.config import TexturesConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS
from fbseg_core.tasks.sampled import packaged
from fbseg_core.tasks.textures import CONTRAST, GREY, MATERIALS, photograph

KIND = TASKS["textures"]


@pytest.mark.slow  # to import scikit-image takes seconds
def test_the_splits_are_halves_of_each_photograph_that_share_no_pixel():
    from skimage import data

    for material in MATERIALS:
        whole = getattr(data, material)().astype(np.float32)
        for split, half in (("train", whole[:, :256]), ("test", whole[:, 256:])):
            found = photograph(material, split, coarse=True)
            assert np.allclose(found, (half - half.mean()) / half.std(), atol=1e-3)
            fine = photograph(material, split)
            assert abs(float(fine.mean())) < 1e-4 and float(fine.std()) == pytest.approx(1, abs=1e-4)
            coarse = found.view(256, 2, 128, 2).mean((1, 3))
            assert torch.corrcoef(torch.stack([coarse.flatten(), fine.flatten()]))[0, 1] > 0.9999


@pytest.mark.parametrize(("kinds", "classes"), [("material", 4), ("scale", 7), ("turn", 5)])
def test_each_piece_is_of_one_class_and_no_image_of_one_alone(kinds, classes):
    config = TexturesConfig(kinds=kinds, regions=6)
    content = KIND.content(config, 20, 0)
    assert len(KIND.class_names(config)) == classes
    for labels, kind in zip(content.labels, content.info["kind"]):
        assert set(labels.unique().tolist()) <= set(kind.tolist()) and len(labels.unique()) > 1
    assert set(content.labels.unique().tolist()) == set(range(classes))


def test_the_ground_is_plain_but_for_the_light():
    content = KIND.content(TexturesConfig(gradient=0.0), 12, 1)
    ground = content.labels == 0
    assert (content.clean[:, 0][ground] == GREY).all()
    assert (content.clean[:, 0][~ground] != GREY).float().mean() > 0.99
    lit = KIND.content(TexturesConfig(gradient=1.0), 12, 1)
    assert torch.equal(lit.labels, content.labels) and lit.info["light"].norm(dim=1).max() <= 1
    span = (torch.arange(64) + 0.5) / 64 - 0.5
    light = (
        1 + lit.info["light"][:, 0, None, None] * span + lit.info["light"][:, 1, None, None] * span[:, None]
    )
    assert torch.allclose(lit.clean[:, 0], content.clean[:, 0] * light, atol=1e-6)


def test_every_material_has_the_grey_and_the_contrast_of_the_others():
    content = KIND.content(TexturesConfig(gradient=0.0), 200, 0)
    for k in (1, 2, 3):
        found = content.clean[:, 0][content.labels == k]
        assert float(found.mean()) == pytest.approx(GREY, abs=0.02)
        assert float(found.std()) == pytest.approx(CONTRAST, abs=0.03)


@pytest.mark.parametrize("regions", [2, 6])
def test_pieces_are_many_and_none_is_tiny_by_rule(regions):
    content = KIND.content(TexturesConfig(regions=regions, side=128), 30, 2)
    assert content.info["kind"].shape == (30, regions)
    shares = torch.stack([(content.labels == k).float().mean((1, 2)) for k in range(4)], 1)
    assert (shares > 0.02).sum(1).float().mean() >= min(regions, 4) - 0.5


def test_without_its_package_the_images_are_refused_in_one_sentence():
    with pytest.raises(ConfigError, match="come with no-such-thing; install it: pip install no-such-thing"):
        packaged("no_such_thing", "no-such-thing", "data/brick.png")
